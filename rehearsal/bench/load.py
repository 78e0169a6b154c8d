"""Visitors, as `wrk` plays them, and how many of their requests were lost."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

CONNECTIONS: Final = 20

_REQUESTS: Final = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_SOCKET_ERRORS: Final = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_REFUSED: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)")


@final
@dataclass(frozen=True, kw_only=True)
class Visits:
    """What became of the requests."""

    requests: int
    lost: int
    """Those with an error instead of an answer, or with an answer that is an error."""


def visitors(wrk: Path, url: str, seconds: int) -> list[str]:
    """The command that sends requests over CONNECTIONS connections, one after the other on each."""
    return [str(wrk), "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", f"{url}/"]


def visits(said: str) -> Visits:
    """Read the report of `wrk`, which has lines about errors only where there were any.

    Raises:
        ValueError: it is no such report.
    """
    requests = _REQUESTS.search(said)
    if requests is None:
        raise ValueError(f"this is no report of wrk: {said!r}")
    errors = _SOCKET_ERRORS.search(said)
    refused = _REFUSED.search(said)
    lost = sum(map(int, errors.groups())) if errors else 0
    return Visits(requests=int(requests[1]), lost=lost + (int(refused[1]) if refused else 0))
