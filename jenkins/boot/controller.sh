#!/usr/bin/env bash
# Makes a fresh machine the Jenkins controller: its data is on a volume of its own, everything else is installed here.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

HOME_DIRECTORY=/var/lib/jenkins
ensure_user jenkins "$JENKINS_UID" "$HOME_DIRECTORY"

# The volume is attached once the machine runs. https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
DEVICE=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${HOME_VOLUME/-/}
for _ in $(seq 120); do
    [ -b "$DEVICE" ] && break
    sleep 5
done
[ -b "$DEVICE" ] || { say "volume $HOME_VOLUME is not attached"; exit 1; }
# Only a volume that has never been used is formatted.
if ! blkid "$DEVICE" >/dev/null; then
    [ "$(lsblk --noheadings --output FSTYPE "$DEVICE")" = "" ] || { say "cannot read $DEVICE"; exit 1; }
    mkfs.xfs -L jenkins-home "$DEVICE"
fi
mkdir -p "$HOME_DIRECTORY"
grep -q " $HOME_DIRECTORY " /etc/fstab || echo "LABEL=jenkins-home $HOME_DIRECTORY xfs defaults,nofail 0 2" >>/etc/fstab
mountpoint --quiet "$HOME_DIRECTORY" || mount "$HOME_DIRECTORY"
# What is marked `nofail` may be missing without an error.
mountpoint --quiet "$HOME_DIRECTORY" || { say "volume $HOME_VOLUME holds no XFS called jenkins-home, and is left as it is"; exit 1; }
chown jenkins:jenkins "$HOME_DIRECTORY"

# Who signs the packages is known by the fingerprint of the key, and it is the only one that is trusted with them.
signer() { # file
    gpg --homedir "$(mktemp -d)" --batch --show-keys --with-colons "$1" 2>/dev/null | awk -F : '$1 == "fpr" { print $10 }'
}
SIGNER=/opt/smallcase/jenkins.key
SIGNER_URL=https://pkg.jenkins.io/rpm-stable/jenkins.io-$JENKINS_SIGNED.key
if [ "$(signer "$SIGNER")" != "$JENKINS_SIGNER" ]; then
    fetch "$SIGNER_URL" "$SIGNER.new"
    [ "$(signer "$SIGNER.new")" = "$JENKINS_SIGNER" ] || { say "$SIGNER_URL is not the key $JENKINS_SIGNER, so it is not used"; exit 1; }
    mv "$SIGNER.new" "$SIGNER"
fi

# Java first: the package of Jenkins does not ask for it.
dnf install --quiet --assumeyes "java-$JAVA_VERSION-amazon-corretto-headless" git fontconfig
changed /etc/yum.repos.d/jenkins.repo 0644 <<REPOSITORY || true
[jenkins]
name=Jenkins, long-term support
baseurl=https://pkg.jenkins.io/rpm-stable
gpgcheck=1
gpgkey=file://$SIGNER
REPOSITORY
dnf install --quiet --assumeyes "jenkins-$JENKINS_VERSION"

# Exactly the plugins in the list, none of them newer, with the checksum of all; a plugin that left the list leaves the disk.
[ -n "$JENKINS_PLUGINS_SHA256" ] || { say "no checksum is pinned for Jenkins's plugins: run 'make plugins', and commit what it says"; exit 1; }
MANAGER=/opt/smallcase/jenkins-plugin-manager.jar
MANAGER_URL=https://github.com/jenkinsci/plugin-installation-manager-tool/releases/download/$PLUGIN_MANAGER_VERSION/jenkins-plugin-manager-$PLUGIN_MANAGER_VERSION.jar
download "$MANAGER_URL" "$PLUGIN_MANAGER_SHA256" "$MANAGER"
rm -rf "$HOME_DIRECTORY/plugins.new"
java -jar "$MANAGER" --war /usr/share/java/jenkins.war --plugin-file /etc/jenkins/plugins.txt --latest=false \
    --plugin-download-directory "$HOME_DIRECTORY/plugins.new"
SUMS=$(cd "$HOME_DIRECTORY/plugins.new" && LC_ALL=C && sha256sum -- *.jpi)
if [ "$(sha256sum <<<"$SUMS")" != "$JENKINS_PLUGINS_SHA256  -" ]; then
    echo "$SUMS"
    say "these plugins do not have the checksum '$JENKINS_PLUGINS_SHA256' together, so they are not used"
    exit 1
fi
chown -R jenkins:jenkins "$HOME_DIRECTORY/plugins.new"

# The key that opens the agents is made here and stays here; they read its public half.
KEY=$HOME_DIRECTORY/agents/id_ed25519
install -d -o jenkins -g jenkins -m 0700 "$HOME_DIRECTORY/.ssh" "$HOME_DIRECTORY/agents"
[ -f "$KEY" ] || runuser -u jenkins -- ssh-keygen -q -t ed25519 -N '' -C jenkins -f "$KEY"
publish controller/key "$(cut -d ' ' -f 1,2 "$KEY.pub")"
systemctl enable --now smallcase-keys.timer

systemctl stop jenkins
rm -rf "$HOME_DIRECTORY/init.groovy.d"
install -D -o jenkins -g jenkins -m 0644 /etc/jenkins/one-build.groovy "$HOME_DIRECTORY/init.groovy.d/one-build.groovy"
rm -rf "$HOME_DIRECTORY/plugins"
mv "$HOME_DIRECTORY/plugins.new" "$HOME_DIRECTORY/plugins"
systemctl daemon-reload
systemctl enable --now jenkins
say "Jenkins $JENKINS_VERSION runs"
