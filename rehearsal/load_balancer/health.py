"""The load balancer's own health checks of its targets.

HAProxy's checks would not do: they take `rise` successes for a new server where AWS takes one, and a server that a
reload brings back counts as healthy before it was checked.
"""

import http.client
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, final

from rehearsal.load_balancer.ingress import HealthCheck
from rehearsal.load_balancer.targets import Place

_AT_ONCE: Final = 16
TargetKey = tuple[str, Place]
"""ARN of the target group and place of the target."""


@final
@dataclass(frozen=True, kw_only=True)
class Result:
    """How a check went."""

    target: TargetKey
    passed: bool


def check(place: Place, how: HealthCheck) -> bool:
    """Ask a target once, over a connection of its own as AWS does."""
    connection = http.client.HTTPConnection(place.address, how.port or place.port, timeout=how.timeout)
    try:
        connection.request("GET", how.path, headers={"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"})
        return how.accepts(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@final
class Checks:
    """Checks each target on its interval, the first time at once; `changed` is set when a result is there."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed
        self._pool = ThreadPoolExecutor(_AT_ONCE, "health")
        self._due: dict[TargetKey, float] = {}
        self._running: set[TargetKey] = set()
        self._results: list[Result] = []
        self._lock = threading.Lock()

    def results(self) -> Sequence[Result]:
        """What has come in since the last call."""
        with self._lock:
            results, self._results = self._results, []
        return results

    def run(self, wanted: Mapping[TargetKey, HealthCheck | None], now: float) -> float:
        """Begin the checks that are due; when the next one is. A target without a check cannot be reached and fails."""
        self._due = {target: self._due.get(target, now) for target in wanted}
        for target, how in wanted.items():
            with self._lock:
                if self._due[target] > now or target in self._running:
                    continue
                self._running.add(target)
            self._due[target] = now + (how or HealthCheck()).interval
            self._pool.submit(self._run, target, how)
        return min(self._due.values(), default=now + 3600)

    def stop(self) -> None:
        """Begin no more checks."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, target: TargetKey, how: HealthCheck | None) -> None:
        passed = how is not None and check(target[1], how)
        with self._lock:
            self._running.discard(target)
            self._results.append(Result(target=target, passed=passed))
        self._changed.set()


def monotonic() -> float:
    """Seconds of the clock that all times here are in."""
    return time.monotonic()
