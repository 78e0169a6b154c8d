"""Where GitHub's web hooks come from, so that Jenkins's load balancer takes them and nobody else's."""

from ipaddress import IPv4Network
from typing import Final

RANGES: Final = tuple(map(IPv4Network, ("192.30.252.0/22", "185.199.108.0/22", "140.82.112.0/20", "143.55.64.0/20")))
"""`hooks` of https://api.github.com/meta, without IPv6, by which nobody reaches the load balancer.

GitHub adds to it now and then. The verb `hooks` compares it every night: what a hook does not tell, the scan finds, a
quarter of an hour late.
"""
AS_OF: Final = "2026-09"
"""Of the list. Three ranges that GitHub added in October 2026 are not in it yet: the first night names them."""
PATH: Final = "/github-webhook/"
"""Of Jenkins's plugin for GitHub, and all that GitHub may ask for."""
