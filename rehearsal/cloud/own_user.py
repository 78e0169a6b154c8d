"""Who is at the other end of a connection, so that a stand-in answers its own user alone.

The engine reaches a provider over TCP on loopback, as every user of the machine can, and TCP says nothing of users. But
the kernel lists whose each socket is: https://docs.kernel.org/networking/proc_net_tcp.html
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, TypeVar, final

import grpc

LOG: Final = logging.getLogger("rehearsal.cloud")

Request = TypeVar("Request")
Response = TypeVar("Response")
Address = tuple[str, int]
"""A host and a port."""

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED: Final = "01"
_ATTEMPTS: Final = 3
"""The tables are read by the page, and a row can be missed where others go meanwhile."""


def owner(peer: Address, own: Address) -> int | None:
    """The user whose socket is at `peer` of a connection to `own`; None where that cannot be told, as of one that was
    closed."""
    for _ in range(_ATTEMPTS):
        for table in _TABLES:
            if (
                table.exists()
                and (user := owner_in(table.read_text(encoding="ascii").splitlines(), peer, own)) is not None
            ):
                return user
    return None


def owner_in(rows: Iterable[str], peer: Address, own: Address) -> int | None:
    """The same, from the rows of a table.

    A socket that was closed, or was not accepted yet, is listed as of user 0 and without an inode.
    """
    ends = {(_written(*peer, mapped=mapped), _written(*own, mapped=mapped)) for mapped in (False, True)}
    for row in rows:
        fields = row.split()
        if (fields[1], fields[2]) in ends and fields[3] == _ESTABLISHED and fields[9] != "0":
            return int(fields[7])
    return None


def _written(host: str, port: int, *, mapped: bool) -> str:
    """An end as the tables have it: words of 32 bits in the machine's own order, in hexadecimal. A socket for both
    versions of IP has IPv4's addresses mapped into IPv6's."""
    address = ip_address(host)
    if mapped and isinstance(address, IPv4Address):
        address = IPv6Address(f"::ffff:{host}")
    words = (address.packed[start : start + 4] for start in range(0, len(address.packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


@final
class OwnUserOnly(grpc.ServerInterceptor):
    """Refuses every call over a connection that is not of the user that runs this process."""

    def __init__(self) -> None:
        self.address: Address = ("", 0)
        """Where the server listens; to be set before it starts."""

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Request, Response] | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Request, Response] | None":
        handler = continuation(handler_call_details)
        behaviour = handler and handler.unary_unary
        if handler is None or behaviour is None:
            # No call that is answered here is a stream.
            return None

        def answer(request: Request, context: grpc.ServicerContext) -> Response:
            user = self._user(context.peer())
            if user != os.geteuid():
                LOG.info("refused %s of user %s", handler_call_details.method, user)
                context.abort(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"The stand-in cloud answers user {os.geteuid()} alone, who runs it.",
                )
            return behaviour(request, context)

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)

    def _user(self, peer: str) -> int | None:
        """The user behind what gRPC calls a peer, such as `ipv4:127.0.0.1:40123`."""
        version, _, end = peer.partition(":")
        host, _, port = end.rpartition(":")
        return owner((host, int(port)), self.address) if version == "ipv4" else None
