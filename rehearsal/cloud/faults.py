"""Failures on order: which calls to the stand-in cloud fail or are slow, and how."""

# `type` and `id` are the words of the protocol.

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, final

Operation = Literal["create", "read", "update", "delete", "invoke"]
When = Literal["before", "after"]

THROTTLING = "api error ThrottlingException: Rate exceeded"


@final
@dataclass(frozen=True, kw_only=True)
class Fault:
    """Calls of one operation on one type that fail with a message.

    `skip` calls succeed first, then `times` calls fail. `when` says whether the call fails before it changes
    anything, or after it: then the resource exists, half-way, and the engine is told so. `seconds` is how long the call
    takes before it does either; without a message it then succeeds.
    """

    type: str
    message: str = ""
    seconds: float = 0
    operation: Operation = "create"
    when: When = "before"
    skip: int = 0
    times: int = 1


class FaultError(Exception):
    """A call that failed on order, before it changed anything."""


class Faults:
    """The faults on order, from the tests themselves or from a JSON file that is read again when it changes.

    The file holds a list of objects with the fields of `Fault`.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._read_at = 0
        self._lock = threading.Lock()
        self._seen: dict[Fault, int] = {}
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)
            self._seen[fault] = 0

    def throttle(self, type: str, times: int, operation: Operation = "create") -> None:
        """The next `times` calls are refused as AWS refuses a caller that is too quick."""
        self.order(Fault(type=type, operation=operation, times=times, message=THROTTLING))

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def calls(self, fault: Fault) -> int:
        """How many calls of its operation and type there have been since the fault was ordered."""
        with self._lock:
            return self._seen.get(fault, 0)

    def strike(self, operation: Operation, type: str) -> Fault | None:
        """Counts one call, and says which fault it meets, if any."""
        self._read_file()
        struck: Fault | None = None
        with self._lock:
            for fault in self._faults:
                if (fault.operation, fault.type) == (operation, type):
                    self._seen[fault] += 1
                    if fault.skip < self._seen[fault] <= fault.skip + fault.times:
                        struck = struck or fault
        return struck

    def _read_file(self) -> None:
        if self._file is None or not self._file.exists():
            return
        changed_at = self._file.stat().st_mtime_ns
        if changed_at == self._read_at:
            return
        entries = cast(list[dict[str, str]], json.loads(self._file.read_bytes()))
        with self._lock:
            self._read_at = changed_at
            self._faults = [Fault(**entry) for entry in entries]  # pyright: ignore[reportArgumentType]
            self._seen = dict.fromkeys(self._faults, 0)
