#!/usr/bin/env bash
# Runs a command, which is the agent of Jenkins, as a user that did not exist before and does not exist after it, in a home and
# temporary directories of its own. What its processes are and what they wrote is gone when it ends.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

AGENT_DIRECTORY=/var/lib/jenkins-agent # of jenkins, who has put the agent's program there; the build sees its own
BUILDS=/var/lib/smallcase/builds       # a directory for each user
LAST=/var/lib/smallcase/last-user      # numbers are not used again

forget() { # user
    pkill -KILL --uid "$1" || true
    userdel "$1" 2>/dev/null || true
    rm -rf --one-file-system "${BUILDS:?}/$1"
}

# One build at a time: what is still there is of a connection that was lost, or of a host that went down.
install -d -m 0711 "$(dirname "$BUILDS")" "$BUILDS"
for left in "$BUILDS"/*; do
    [ ! -d "$left" ] || forget "$(basename "$left")"
done

number=$(($(cat "$LAST" 2>/dev/null || echo 100000) + 1))
echo "$number" >"$LAST"
BUILD_USER=build-$number
BUILD_DIRECTORY=$BUILDS/$BUILD_USER
export AGENT_DIRECTORY BUILD_USER BUILD_DIRECTORY
trap 'forget "$BUILD_USER"' EXIT
trap 'exit 1' HUP INT TERM
install -d -m 0711 "$BUILD_DIRECTORY"
useradd --key UID_MAX=999999 --key GID_MAX=999999 --uid "$number" --user-group --no-log-init --no-create-home \
    --home-dir "$AGENT_DIRECTORY" --shell /bin/bash "$BUILD_USER"
cp --recursive --no-dereference /opt/smallcase/home "$BUILD_DIRECTORY/home"
mkdir "$BUILD_DIRECTORY/tmp" "$BUILD_DIRECTORY/var-tmp"
for jar in "$AGENT_DIRECTORY"/*/remoting.jar; do
    [ ! -f "$jar" ] || install -D -m 0444 "$jar" "$BUILD_DIRECTORY/home/$(basename "$(dirname "$jar")")/remoting.jar"
done
chown --recursive --no-dereference "$BUILD_USER:" "$BUILD_DIRECTORY"/*
chmod 0700 "$BUILD_DIRECTORY/home"
chmod 1777 "$BUILD_DIRECTORY/tmp" "$BUILD_DIRECTORY/var-tmp"

# Processes, mounts and shared memory of its own: all of them end with the first process. The rest of the file system is there to read.
# shellcheck disable=SC2016
unshare --pid --mount --ipc --fork --kill-child --mount-proc bash -euc '
    mount --bind "$BUILD_DIRECTORY/home" "$AGENT_DIRECTORY"
    mount --bind "$BUILD_DIRECTORY/tmp" /tmp
    mount --bind "$BUILD_DIRECTORY/var-tmp" /var/tmp
    mount -t tmpfs -o mode=1777,nosuid,nodev,size=256m tmpfs /dev/shm
    for place in / /run /dev/mqueue; do
        ! mountpoint --quiet "$place" || mount -o remount,bind,ro "$place"
    done
    cd "$AGENT_DIRECTORY"
    exec setpriv --reuid "$BUILD_USER" --regid "$BUILD_USER" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
        env --ignore-environment HOME="$AGENT_DIRECTORY" USER="$BUILD_USER" LOGNAME="$BUILD_USER" SHELL=/bin/bash \
        LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin bash -c "$1"
' "$0" "$1"
