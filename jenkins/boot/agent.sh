#!/usr/bin/env bash
# Makes a fresh machine a Jenkins agent: Java for the agent, the tools of the project, and a way in for the controller alone.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

HOME_DIRECTORY=/var/lib/jenkins-agent
dnf install --quiet --assumeyes "java-$JAVA_VERSION-amazon-corretto-headless" git make tar gzip docker \
    "python$PYTHON_VERSION" "python$PYTHON_VERSION-pip"
# `python3` for the project; the system's own tools name theirs by full path.
ln -sf "/usr/bin/python$PYTHON_VERSION" /usr/local/bin/python3
"python$PYTHON_VERSION" -m pip install --quiet "uv==$UV_VERSION"

ensure_user jenkins "$JENKINS_UID" "$HOME_DIRECTORY"
install -d -o jenkins -g jenkins -m 0700 "$HOME_DIRECTORY"
usermod --append --groups docker jenkins
systemctl enable --now docker

if [ "$(/usr/local/pulumi/pulumi version 2>/dev/null)" != "v$PULUMI_VERSION" ]; then
    ARCHIVE=/opt/smallcase/pulumi-v$PULUMI_VERSION-linux-x64.tar.gz
    download "https://get.pulumi.com/releases/sdk/$(basename "$ARCHIVE")" "$PULUMI_SHA256" "$ARCHIVE"
    tar --extract --gzip --file "$ARCHIVE" --directory /usr/local
    ln -sf /usr/local/pulumi/pulumi* /usr/local/bin/
fi

# One file, so its checksum also says whether this version is there.
if ! echo "$KUBECTL_SHA256  /usr/local/bin/kubectl" | sha256sum --check --status 2>/dev/null; then
    download "https://dl.k8s.io/release/v$KUBECTL_VERSION/bin/linux/amd64/kubectl" "$KUBECTL_SHA256" /opt/smallcase/kubectl
    chmod 0755 /opt/smallcase/kubectl
    mv /opt/smallcase/kubectl /usr/local/bin/kubectl
fi

# Builds run in BuildKit's own container, one hop further from the instance metadata than its limit lets them reach.
runuser -u jenkins -- docker buildx inspect smallcase >/dev/null 2>&1 ||
    runuser -u jenkins -- docker buildx create --name smallcase --driver docker-container \
        --driver-opt "image=moby/buildkit:v$BUILDKIT_VERSION" --bootstrap --use

changed /etc/ssh/sshd_config.d/10-smallcase.conf 0600 <<'SSHD' && systemctl restart sshd
AllowUsers jenkins
AuthenticationMethods publickey
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
PermitRootLogin no
SSHD
mkdir -p /etc/ssh/authorized_keys.d
publish "$AGENT/host-key" "$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
systemctl enable --now smallcase-keys.timer
say "agent $AGENT is ready"
