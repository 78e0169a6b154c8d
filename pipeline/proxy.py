"""Proxies of the caller: nothing on this machine is asked through one, and what is asked through one says so.

Go leaves loopback addresses out by itself, Python and gRPC do not: with `http_proxy` set and no `no_proxy`, a Pulumi
program in Python asks the proxy for the engine beside it, and ends with "HTTP proxy returned response code"
(https://github.com/grpc/grpc/blob/v1.71.0/src/core/handshaker/http_connect/http_proxy_mapper.cc).
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

THIS_MACHINE: Final = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")

_NAMES: Final = ("no_proxy", "NO_PROXY")
"""Some programs read the one, some the other."""


def around(environment: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """The variables, under which this machine and these hosts (names with all below them, addresses, networks) are
    reached without a proxy, and those that the caller says."""
    said = [host.strip() for name in _NAMES for host in environment.get(name, "").split(",")]
    bypassed = ",".join(dict.fromkeys(filter(None, [*said, *THIS_MACHINE, *hosts])))
    return {**environment, **dict.fromkeys(_NAMES, bypassed)}


def through(url: str) -> str:
    """By which proxy an address is reached from here, to be said after what was asked: ` through the proxy …`; nothing
    where there is none. What signs in to it is left out."""
    parts = urlsplit(url)
    used = getproxies().get(parts.scheme)
    if not used or proxy_bypass(parts.hostname or ""):
        return ""
    scheme, separator, rest = used.rpartition("://")
    return f" through the proxy {scheme}{separator}{rest.rpartition('@')[2]}"
