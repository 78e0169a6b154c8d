"""How the VPC's address range is divided."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class ZoneAddresses:
    """The subnets of one availability zone."""

    private: IPv4Network
    """A quarter of the VPC: pods take an address each."""
    public: IPv4Network
    """A sixteenth: load balancers and NAT gateways live here."""


def divide(network: IPv4Network, zones: int) -> tuple[ZoneAddresses, ...]:
    """One private and one public range for each zone, which stay the same when a zone is added.

    Raises:
        ValueError: there is no room for that many zones.
    """
    if not 1 <= zones <= 3:
        raise ValueError(f"{network} is divided for 1 to 3 zones, not {zones}")
    *private, last = network.subnets(prefixlen_diff=2)
    public = list(last.subnets(prefixlen_diff=2))
    return tuple(ZoneAddresses(private=private[zone], public=public[zone]) for zone in range(zones))
