"""What is logged about a request, and the id that ties the line to those of other services."""

import re
import uuid
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, final

from werkzeug.datastructures import Headers

from smallcase.settings import Settings

PROBES: Final = frozenset({"/healthz", "/readyz"})
_MOST: Final = 256
"""Characters of what a client writes that are logged; each may take twelve bytes."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:;=-]{1,200}")


@final
@dataclass(frozen=True, kw_only=True)
class Request:
    """The facts of one request that was answered."""

    method: str
    path: str
    status: int
    milliseconds: float
    bytes: int
    remote_address: str
    user_agent: str
    request_id: str


def is_logged(request: Request) -> bool:
    """Every request but a probe that went well: those come every few seconds and say nothing."""
    return not (request.path in PROBES and request.status == 200)


def fields(request: Request, settings: Settings) -> dict[str, object]:
    """The members of the log line besides its time, level and message."""
    return {
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "milliseconds": round(request.milliseconds, 3),
        "bytes": request.bytes,
        "remote_address": request.remote_address,
        "user_agent": request.user_agent,
        "environment": settings.environment.value,
        "version": settings.version,
        "request_id": request.request_id,
    }


def shortened(text: str) -> str:
    """A client's text, or its beginning and a mark that there was more."""
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def request_id(headers: Headers) -> str:
    """The id the caller or the load balancer gave, if it is harmless to repeat, or else a new one."""
    for name in ("X-Request-Id", "X-Amzn-Trace-Id"):
        given = headers.get(name, "")
        if _REQUEST_ID.fullmatch(given):
            return given
    return uuid.uuid4().hex


def remote_address(headers: Headers, peer: str) -> str:
    """The client's address.

    The last entry of X-Forwarded-For is the one that the load balancer in front added; earlier ones are the client's
    own words. Without a proxy, or with nonsense in the header, it is the peer of the connection.
    """
    last = headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return peer
