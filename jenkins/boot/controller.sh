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

# Java first: the package of Jenkins does not ask for it. The key of 2026 signs the packages, the one before has expired.
dnf install --quiet --assumeyes "java-$JAVA_VERSION-amazon-corretto-headless" git fontconfig
changed /etc/yum.repos.d/jenkins.repo 0644 <<REPOSITORY || true
[jenkins]
name=Jenkins, long-term support
baseurl=https://pkg.jenkins.io/rpm-stable
gpgcheck=1
gpgkey=https://pkg.jenkins.io/rpm-stable/jenkins.io-2026.key
REPOSITORY
dnf install --quiet --assumeyes "jenkins-$JENKINS_VERSION"

# Exactly the plugins in the list, none of them newer; a plugin that left the list leaves the disk.
MANAGER=/opt/smallcase/jenkins-plugin-manager.jar
MANAGER_URL=https://github.com/jenkinsci/plugin-installation-manager-tool/releases/download/$PLUGIN_MANAGER_VERSION/jenkins-plugin-manager-$PLUGIN_MANAGER_VERSION.jar
download "$MANAGER_URL" "$PLUGIN_MANAGER_SHA256" "$MANAGER"
rm -rf "$HOME_DIRECTORY/plugins.new"
java -jar "$MANAGER" --war /usr/share/java/jenkins.war --plugin-file /etc/jenkins/plugins.txt --latest=false \
    --plugin-download-directory "$HOME_DIRECTORY/plugins.new"
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
