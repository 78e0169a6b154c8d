"""One private PID and mount namespace for every process of the rehearsal.

Its first process only waits. When that one is killed the kernel ends all the others, containers included, and every
mount made inside is gone with them: nothing has to be remembered to be undone. The network is the machine's own.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal.progress import RehearsalError

_START_TIME_FIELD: Final = 22
"""Of /proc/PID/stat, in clock ticks since boot: with the process id it names one process of a boot (proc(5))."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@final
@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of the machine, by its id and its start time, so that a number used anew is not mistaken for it."""

    pid: int
    started: int

    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def kill(self, number: signal.Signals) -> None:
        """Send the signal, unless the process is gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, patience: float = 10) -> None:
        """Ask it to end, and make it end after `patience` seconds."""
        self.kill(signal.SIGTERM)
        if not self.wait(patience):
            self.kill(signal.SIGKILL)
            self.wait(patience)

    def wait(self, seconds: float) -> bool:
        """Whether the process was gone within that time."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def start_time(pid: int) -> int | None:
    """When the process began, or None if there is none or only its exit status is left."""
    try:
        # The second field is the command in brackets, which may hold blanks and brackets itself.
        state, *rest = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="surrogateescape").rpartition(")")[2].split()
        )
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in ("Z", "X") else int(rest[_START_TIME_FIELD - 4])


def boot_id() -> str:
    """Of the machine, another after each boot (random(4))."""
    return _BOOT_ID.read_text(encoding="utf-8").strip()


def read_process(record: Path) -> Process | None:
    """The process that a record names by its id, its start time and the boot, if it lives."""
    try:
        pid, started, *boot = record.read_text(encoding="utf-8").split()
        process = Process(pid=int(pid), started=int(started))
    except (FileNotFoundError, ValueError):
        return None
    # One without a boot is of a rehearsal that an older clone has started.
    return process if boot in ([], [boot_id()]) and process.alive() else None


def _program(name: str) -> str:
    return shutil.which(name) or name


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text(encoding="utf-8").split()
    ]


@final
@dataclass(frozen=True, kw_only=True)
class Namespace:
    """The private namespaces, held open by `holder`, whose only child is their first process."""

    holder: Process
    init: int

    @classmethod
    def find(cls, record: Path) -> "Namespace | None":
        """The one that `record` names, if it lives."""
        holder = read_process(record)
        children = _children(holder.pid) if holder else []
        return cls(holder=holder, init=children[0]) if holder and len(children) == 1 else None

    @classmethod
    def create(cls, record: Path, waiter: Path, hidden: Sequence[Path]) -> "Namespace":
        """Start the first process, with an empty private directory mounted on each path of `hidden`.

        The holder writes itself into `record` before it makes anything, so that it is found whenever the caller dies.
        """
        mounts = "".join(f"mount -t tmpfs -o mode=755 smallcase '{path}' && " for path in hidden)
        ready = record.with_name("namespace-ready")
        ready.unlink(missing_ok=True)
        inside = f"{mounts}: >'{ready}' && exec '{waiter}'"
        holder = (
            f"read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ started _ </proc/$$/stat && "
            f"""echo "$$ $started $(cat {_BOOT_ID})" >'{record}' && """
            "exec unshare --fork --kill-child --pid --mount --propagation private --mount-proc "
            'sh -c "$0"'
        )
        log = record.with_name("namespace.log")
        with log.open("wb") as output:
            started = subprocess.Popen(
                ["sh", "-c", holder, inside],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and started.poll() is None:
            found = cls.find(record)
            if found and ready.exists():
                return found
            time.sleep(0.01)
        started.kill()
        started.wait()
        said = log.read_text(encoding="utf-8", errors="replace").strip() or "no answer"
        raise RehearsalError(
            f"A private process and mount namespace cannot be made here: {said}",
            "The rehearsal needs CAP_SYS_ADMIN, as root has it on a machine of its own (not in an ordinary container).",
        )

    def start(self, record: Path, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
        """Start a process inside that outlives the caller, its output appended to `log`, and write it into `record`."""
        # The shell stays outside and its child is inside: so `$!` is the process id as the machine counts.
        # All by absolute paths: the PATH in `environment` is the process's, and may lack them.
        # Without a mask of its own a process would make the caller's modes part of images and containers.
        script = f'umask 022; log=$0; {_program("setsid")} "$@" </dev/null >>"$log" 2>&1 & echo $!'
        enter = [_program("nsenter"), "--no-fork", "--target", str(self.init), "--pid", "--mount", "--"]
        done = subprocess.run(
            [*enter, _program("sh"), "-c", script, str(log), *argv],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        pid = int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 0
        process = Process(pid=pid, started=start_time(pid) or 0 if pid else 0)
        if not pid:
            raise RehearsalError(f"{argv[0]} cannot be started: {done.stderr.strip()}", f"Its log is {log}.")
        record.write_text(f"{process.pid} {process.started} {boot_id()}\n", encoding="utf-8")
        return process

    def destroy(self) -> None:
        """End every process inside at once and wait until the kernel has taken them all away."""
        Process(pid=self.init, started=start_time(self.init) or 0).kill(signal.SIGKILL)
        if not self.holder.wait(20):
            raise RehearsalError(
                f"The processes below {self.holder.pid} do not end although they were killed.",
                "One of them waits for the kernel (state D in `ps`); wait or restart the machine, then try again.",
            )
