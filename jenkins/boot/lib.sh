# shellcheck shell=bash
# What the hosts' scripts have in common. Every step may run again: a boot that fails is tried again by systemd.

# The host's settings: names, addresses and versions, none of them secret.
set -a
# shellcheck source=/dev/null
. /etc/smallcase/host.env
set +a

say() { echo "smallcase: $*"; }

# A system user with the same number on every host: JENKINS_HOME outlives the host that wrote it.
ensure_user() { # name, number, home
    getent group "$1" >/dev/null || groupadd --gid "$2" "$1"
    id "$1" >/dev/null 2>&1 || useradd --uid "$2" --gid "$2" --home-dir "$3" --no-create-home --shell /bin/bash "$1"
}

fetch() { # url, file
    curl --fail --silent --show-error --location --retry 5 --retry-all-errors --output "$2" "$1" && return
    say "cannot fetch $1" >&2
    return 1
}

# A file from the internet, kept only if it has the checksum.
download() { # url, sha256, file
    fetch "$1" "$3.new" || return
    if ! echo "$2  $3.new" | sha256sum --check --status; then
        rm "$3.new"
        say "$1 does not have the checksum '$2', so it is not used" >&2
        return 1
    fi
    mv "$3.new" "$3"
}

# Write standard input to a file, and say whether that changed it.
changed() { # file, mode
    local new
    new=$(mktemp "$1.XXXXXX")
    cat >"$new"
    chmod "$2" "$new"
    if cmp --silent "$new" "$1"; then
        rm "$new"
        return 1
    fi
    mv "$new" "$1"
}

parameter() { # name
    aws ssm get-parameter --name "$PARAMETERS/$1" --query Parameter.Value --output text
}

# A key that another host published, and nothing else: it becomes a line of a file that says who is trusted.
public_key() { # name
    local key
    key=$(parameter "$1")
    if ! [[ $key = pending || $key =~ ^ssh-ed25519\ [A-Za-z0-9+/]+=*$ ]]; then
        say "the parameter $1 holds no public key, and is not believed" >&2
        return 1
    fi
    echo "$key"
}

# What this host tells the others: public keys only.
publish() { # name, value
    [ "$(parameter "$1")" = "$2" ] || aws ssm put-parameter --overwrite --name "$PARAMETERS/$1" --value "$2" >/dev/null
}
