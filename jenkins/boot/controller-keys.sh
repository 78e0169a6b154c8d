#!/usr/bin/env bash
# The host keys of the agents, as they published them: an agent that was replaced is known again within a minute.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

KNOWN_HOSTS=/var/lib/jenkins/.ssh/known_hosts
known=()
for agent in $AGENTS; do
    address=AGENT_${agent^^}_HOST
    key=$(public_key "$agent/host-key")
    known+=("${!address} $key")
done
if printf '%s\n' "${known[@]}" | changed "$KNOWN_HOSTS" 0644; then
    chown jenkins:jenkins "$KNOWN_HOSTS"
    say "the agents' host keys have changed"
fi
