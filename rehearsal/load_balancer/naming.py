"""Names of what the stand-in makes: the same every time for the same Ingress, as readable as AWS's own or more.

The controller names a load balancer `k8s-<8 of the namespace>-<8 of the name>-<10 hash>`. With eight characters, the
namespaces of all environments would read alike, so twenty are kept here.
"""

import hashlib
import re
from typing import Final

from rehearsal import places
from rehearsal.load_balancer.objects import Key

DOMAIN: Final = f"{places.REGION}.{places.DOMAIN}"
"""`test` is reserved for this by RFC 6761. `localhost` would not do: curl and browsers take every name below it to be
127.0.0.1 without a look into the hosts file."""


def _legible(value: str) -> str:
    return re.sub(r"[^a-z0-9]", "", value.lower())[:20]


def _named(owner: Key, *hashed: str) -> str:
    digest = hashlib.sha256("\0".join((*owner, *hashed)).encode()).hexdigest()[:10]
    return f"k8s-{_legible(owner[0])}-{_legible(owner[1])}-{digest}"


def host_name(ingress: Key, *, internal: bool) -> str:
    """The DNS name of an Ingress's load balancer; an internal one's begins with `internal-`, as AWS names them."""
    return f"{'internal-' if internal else ''}{_named(ingress)}.{DOMAIN}"


def binding_name(ingress: Key, service: str, port: str) -> str:
    """The TargetGroupBinding, target group and readiness gate of one Service port behind one Ingress."""
    return _named((ingress[0], service), ingress[1], port)


def target_group_arn(name: str) -> str:
    """The ARN that AWS would give the target group; the last part is a hash of the name here."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"arn:aws:elasticloadbalancing:{places.REGION}:{places.ACCOUNT}:targetgroup/{name}/{digest}"
