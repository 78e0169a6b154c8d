"""Which loopback address a load balancer has: its own, and the same one after a restart."""

import hashlib
import json
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network
from pathlib import Path

from rehearsal.load_balancer.objects import Json, strings


class AddressesExhaustedError(Exception):
    """More load balancers than the network has addresses."""


def assign(network: IPv4Network, owners: Collection[str], known: Mapping[str, str]) -> Mapping[str, str]:
    """An address for each owner: the one it has, or else the first free one from a place that its name decides.

    Owners that are gone lose theirs. So an environment that is taken down and brought up again comes back at the same
    address, unless another has taken it.

    Raises:
        AddressesExhaustedError: too many owners.
    """
    hosts = [str(address) for address in network.hosts()]
    if len(owners) > len(hosts):
        raise AddressesExhaustedError(
            f"{len(owners)} load balancers, but {network} has only {len(hosts)} addresses. Take some down first."
        )
    assigned = {owner: known[owner] for owner in owners if known.get(owner) in hosts}
    taken = set(assigned.values())
    for owner in sorted(set(owners) - set(assigned)):
        place = int(hashlib.sha256(owner.encode()).hexdigest(), 16) % len(hosts)
        address = next(host for host in hosts[place:] + hosts[:place] if host not in taken)
        assigned[owner] = address
        taken.add(address)
    return assigned


def read(path: Path) -> Mapping[str, str]:
    """What was assigned before; nothing if there is no such file or it is broken: it only keeps addresses stable."""
    try:
        content: Json = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return strings(content)


def write(path: Path, assigned: Mapping[str, str]) -> None:
    """Keep what is assigned, atomically."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(assigned, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
