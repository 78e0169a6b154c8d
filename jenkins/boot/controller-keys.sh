#!/usr/bin/env bash
# The host keys of the agents, as they published them: an agent that was replaced is known again within a minute.
set -euo pipefail
# shellcheck source=jenkins/boot/lib.sh
. /opt/smallcase/lib.sh

KNOWN_HOSTS=/var/lib/jenkins/.ssh/known_hosts
preview=$(public_key preview/host-key)
deploy=$(public_key deploy/host-key)
if printf '%s\n' "$AGENT_PREVIEW_HOST $preview" "$AGENT_DEPLOY_HOST $deploy" | changed "$KNOWN_HOSTS" 0644; then
    chown jenkins:jenkins "$KNOWN_HOSTS"
    say "the agents' host keys have changed"
fi
