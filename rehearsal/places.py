"""Where everything of the rehearsal is: one table of the paths, addresses and ports it owns.

Every address is in 127.77.0.0/16, which any Linux machine answers on its loopback device, so nothing is reachable from
outside and nothing collides with a service on 127.0.0.1. The registry and the providers are the exceptions: BuildKit,
containerd and the Pulumi engine take plain HTTP from `localhost` without further settings.
"""

import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final, final


@final
@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A loopback address and a TCP port that one process of the rehearsal listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


API_SERVER: Final = Endpoint(host="127.77.0.1", port=6443)
ETCD: Final = Endpoint(host="127.77.0.2", port=2379)
ETCD_PEER: Final = Endpoint(host="127.77.0.2", port=2380)
CONTROLLER_MANAGER: Final = Endpoint(host="127.77.0.3", port=10257)
SCHEDULER: Final = Endpoint(host="127.77.0.3", port=10259)
KUBELET: Final = Endpoint(host="127.77.0.4", port=10250)
KUBELET_HEALTH: Final = Endpoint(host="127.77.0.4", port=10248)
KUBE_PROXY_HEALTH: Final = Endpoint(host="127.77.0.4", port=10256)
KUBE_PROXY_METRICS: Final = Endpoint(host="127.77.0.4", port=10249)
CONTAINERD_STREAM: Final = Endpoint(host="127.77.0.4", port=10010)
WEBHOOK: Final = Endpoint(host="127.77.0.5", port=9443)
REGISTRY: Final = Endpoint(host="localhost", port=5077)
AWS_PROVIDER: Final = Endpoint(host="127.0.0.1", port=17701)
EKS_PROVIDER: Final = Endpoint(host="127.0.0.1", port=17702)

LOAD_BALANCERS: Final = IPv4Network("127.77.1.0/24")
"""One address of this range for each Ingress, on port 80 and 443 as an ALB has them."""

PODS: Final = IPv4Network("10.213.77.0/24")
SERVICES: Final = IPv4Network("10.213.78.0/24")
BRIDGE: Final = "smallcase0"
"""The network device that the pods hang on; the only one the rehearsal makes that outlives a pod."""
BRIDGE_ADDRESS: Final = IPv4Address("10.213.77.1")
NODE_NAME: Final = "smallcase-node"

HAPROXY_USER: Final = 65530
"""A user and group that no machine has, and nobody else is: https://systemd.io/UIDS-GIDS/ lists it as unused."""

DOMAIN: Final = "elb.test"
"""All names of load balancers are below it."""
REACHED_DIRECTLY: Final = (DOMAIN, NODE_NAME, str(PODS), str(SERVICES))
"""What no proxy is asked for, besides the machine's own addresses."""

HOSTS_FILE: Final = Path("/etc/hosts")
"""Names of the node and the load balancers are kept here, in lines with a mark, and taken out again."""

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"
ZONES: Final = {"a": "use1-az1", "b": "use1-az2", "c": "use1-az4", "d": "use1-az3"}
"""Ids of the region's zones by the last letter of their names, which differ from account to account."""


def cache_directory() -> Path:
    """What may be kept for the next time: programs built or unpacked, keyed by their pins. Safe to delete."""
    return _base("XDG_CACHE_HOME", ".cache") / "smallcase"


def state_directory() -> Path:
    """What one rehearsal owns, all of it removed by `make rehearse-down`."""
    return _base("XDG_STATE_HOME", ".local/state") / "smallcase-rehearsal"


def _base(variable: str, usual: str) -> Path:
    """Where a user's files of a kind are; a path that is not absolute does not count:
    https://specifications.freedesktop.org/basedir-spec/latest/"""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / usual
