#!/usr/bin/env bash
# Who may come in: the controller, by the public key that it published.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

key=$(public_key controller/key)
if [ "$key" = pending ]; then
    say "the controller has not published its key yet"
    exit 0
fi
if echo "restrict,from=\"$CONTROLLER_ADDRESS\" $key" | changed /etc/ssh/authorized_keys.d/jenkins 0644; then
    say "the controller's key has changed"
fi
