"""How much memory each part of a Pulumi command takes at its peak."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal.bench.command import Running

ENGINE: Final = "the engine"
PROGRAM: Final = "the program and its host"
_PROVIDER: Final = "pulumi-resource-"
_EVERY: Final = 0.05
"""Seconds between two looks. The kernel keeps each process's peak, so that only a process that starts and ends between
two looks is missed."""


@final
@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as the kernel shows it."""

    pid: int
    parent: int
    argv: tuple[str, ...]
    peak: float
    """MiB that were resident at most so far."""


def peaks(command: Running) -> dict[str, float]:
    """Watch a command to its end; MiB of each of its parts, each process at its own peak."""
    highest: dict[int, tuple[str, float]] = {}
    while command.is_running:
        for process in family(command.pid, processes()):
            part = part_of(process.argv)
            if part is not None:
                highest[process.pid] = (part, max(process.peak, highest.get(process.pid, (part, 0.0))[1]))
        time.sleep(_EVERY)
    return added_up(highest.values())


def added_up(measured: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The sum of each part's processes."""
    sums: dict[str, float] = {}
    for part, peak in measured:
        sums[part] = sums.get(part, 0.0) + peak
    return sums


def part_of(argv: tuple[str, ...]) -> str | None:
    """Which part of a Pulumi command a process is; None for what the parts themselves call."""
    names = [Path(argument).name for argument in argv]
    if not names:
        return None
    if names[0] == "pulumi":
        return ENGINE
    if names[0].startswith(_PROVIDER):
        return f"provider {names[0].removeprefix(_PROVIDER)}"
    if any(name.startswith(("pulumi-language-python", "language_host")) for name in names):
        return PROGRAM
    return None


def family(root: int, table: Mapping[int, Process]) -> list[Process]:
    """A process and all that descend from it."""
    members: list[Process] = []
    for process in table.values():
        ancestor = process
        while ancestor.pid != root and ancestor.parent in table:
            ancestor = table[ancestor.parent]
        if ancestor.pid == root:
            members.append(process)
    return members


def processes() -> dict[int, Process]:
    """All processes, but for those that are gone by the time they are looked at."""
    found: dict[int, Process] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            try:
                argv = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
                status = (directory / "status").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            pid = int(directory.name)
            # Zombies have no peak.
            peak = _number(status, "VmHWM") / 1024
            found[pid] = Process(pid=pid, parent=_number(status, "PPid"), argv=tuple(filter(None, argv)), peak=peak)
    return found


def _number(status: str, name: str) -> int:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
