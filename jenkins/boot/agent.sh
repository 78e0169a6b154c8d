#!/usr/bin/env bash
# Makes a fresh machine a Jenkins agent: Java for the agent, the tools of the project, and a way in for the controller alone.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

HOME_DIRECTORY=/var/lib/jenkins-agent
dnf install --quiet --assumeyes "java-$JAVA_VERSION-amazon-corretto-headless" git make tar gzip \
    "python$PYTHON_VERSION" "python$PYTHON_VERSION-pip"
# `python3` for the project; the system's own tools name theirs by full path.
ln -sf "/usr/bin/python$PYTHON_VERSION" /usr/local/bin/python3
"python$PYTHON_VERSION" -m pip install --quiet --require-hashes --only-binary :all: --requirement \
    <(echo "uv==$UV_VERSION --hash=sha256:$UV_SHA256")

ensure_user jenkins "$JENKINS_UID" "$HOME_DIRECTORY"
install -d -o jenkins -g jenkins -m 0700 "$HOME_DIRECTORY"

if [ "$(/usr/local/pulumi/pulumi version 2>/dev/null)" != "v$PULUMI_VERSION" ]; then
    ARCHIVE=/opt/smallcase/pulumi-v$PULUMI_VERSION-linux-x64.tar.gz
    download "https://get.pulumi.com/releases/sdk/$(basename "$ARCHIVE")" "$PULUMI_SHA256" "$ARCHIVE"
    tar --extract --gzip --file "$ARCHIVE" --directory /usr/local
    ln -sf /usr/local/pulumi/pulumi* /usr/local/bin/
fi

# Pulumi's plugins belong to root: builds use them, and cannot change them for the next one. None is fetched by itself
# (PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION in jenkins.yaml).
PLUGINS=/opt/smallcase/plugins
for plugin in $PULUMI_PLUGINS; do
    IFS=: read -r name version sum <<<"$plugin"
    place=$PLUGINS/resource-$name-v$version
    [ -d "$place" ] && continue
    [ -n "$sum" ] || { say "no checksum is pinned for the plugin $name $version: run 'make plugins', and commit what it says"; exit 1; }
    ARCHIVE=pulumi-resource-$name-v$version-linux-amd64.tar.gz
    download "https://get.pulumi.com/releases/plugins/$ARCHIVE" "$sum" "/opt/smallcase/$ARCHIVE"
    rm -rf "$place.new"
    mkdir -p "$place.new"
    tar --extract --gzip --no-same-owner --file "/opt/smallcase/$ARCHIVE" --directory "$place.new"
    mv "$place.new" "$place"
done

# What a home starts with, that of jenkins here, or of the user of a build.
install -d -m 0755 /opt/smallcase/home /opt/smallcase/home/.pulumi
ln -sfn "$PLUGINS" /opt/smallcase/home/.pulumi/plugins

# One file, so its checksum also says whether this version is there.
if ! echo "$KUBECTL_SHA256  /usr/local/bin/kubectl" | sha256sum --check --status 2>/dev/null; then
    download "https://dl.k8s.io/release/v$KUBECTL_VERSION/bin/linux/amd64/kubectl" "$KUBECTL_SHA256" /opt/smallcase/kubectl
    chmod 0755 /opt/smallcase/kubectl
    mv /opt/smallcase/kubectl /usr/local/bin/kubectl
fi

if [ "$AGENT" = preview ]; then
    # Its builds are nobody's: no Docker, whose group is root by another name, and a user for each.
    changed /etc/sudoers.d/smallcase 0440 <<<'jenkins ALL=(root) NOPASSWD: /opt/smallcase/build.sh' || true
else
    dnf install --quiet --assumeyes docker amazon-ecr-credential-helper
    usermod --append --groups docker jenkins
    systemctl enable --now docker
    # Whoever pushes asks for the registry's password then, so that it stands in no program and no state.
    install -d -m 0755 /opt/smallcase/home/.docker
    changed /opt/smallcase/home/.docker/config.json 0644 <<<'{"credsStore": "ecr-login"}' || true
    runuser -u jenkins -- cp --recursive --no-dereference --no-target-directory /opt/smallcase/home "$HOME_DIRECTORY"
    # Builds run in BuildKit's own container, one hop further from the instance metadata than its limit lets them reach.
    runuser -u jenkins -- docker buildx inspect smallcase >/dev/null 2>&1 ||
        runuser -u jenkins -- docker buildx create --name smallcase --driver docker-container \
            --driver-opt "image=moby/buildkit:v$BUILDKIT_VERSION@$BUILDKIT_DIGEST" --bootstrap --use
fi

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
