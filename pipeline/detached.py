"""Running a command that must be told to stop once, and by us alone.

Jenkins stops a step by sending SIGTERM to all of its processes, found by a cookie in their environment and as children
of one another, and SIGKILL five seconds later (`hudson.util.ProcessTree`, `SoftKillWaitSeconds`). Pulumi would be told
twice, its providers would end under it, and the stack would stay locked. So the command is nobody's child, has no
cookie, and writes to files: it ends in order even where we are killed.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO, final

from pipeline.outcomes import Failed

PAUSE: Final = 0.05
"""Seconds between two looks at what the command said."""
STARTS_WITHIN: Final = 10.0
"""Seconds within which it is known which process the command is."""

_COOKIES: Final = ("BUILD_ID", "HUDSON_COOKIE", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE")

_STREAMS: Final = ("stdout", "stderr")

_KEEPER: Final = """
{
    "$@" </dev/null >"$0/stdout" 2>"$0/stderr" &
    { echo $! >"$0/pid.new" && mv "$0/pid.new" "$0/pid"; } || kill $!
    wait $!
    echo $? >"$0/code.new" && mv "$0/code.new" "$0/code"
} &
"""
"""For a shell in a session of its own, which ends at once and leaves the command and this group to process 1."""


@final
@dataclass(frozen=True, kw_only=True)
class Detached:
    """A command that runs by itself."""

    directory: Path
    pid: int

    @property
    def code(self) -> int | None:
        """How it ended; None as long as it runs."""
        found = _read(self.directory / "code")
        return int(found) if found else None

    @property
    def stdout(self) -> str:
        return _read(self.directory / "stdout")

    @property
    def stderr(self) -> str:
        return _read(self.directory / "stderr")

    def wait(
        self, seconds: float, show: Callable[[], None], *, until: Callable[[], bool] = lambda: False
    ) -> int | None:
        """Its code once it has ended, None where it still runs after so many seconds, or when something else has come
        to be; `show` is called all along."""
        end = time.monotonic() + seconds
        while True:
            code = self.code
            show()
            if code is not None or until() or time.monotonic() >= end:
                return code
            time.sleep(PAUSE)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.code is None:
            with suppress(ProcessLookupError):  # It has just ended.
                os.kill(self.pid, number)


@contextmanager
def started(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Generator[Detached]:
    """A command under way in a directory, for the length of a `with` block.

    Raises:
        Failed: it could not be started.
    """
    kept = {name: value for name, value in environment.items() if name not in _COOKIES}
    with tempfile.TemporaryDirectory(prefix="smallcase-", ignore_cleanup_errors=True) as said:
        for name in _STREAMS:
            (Path(said) / name).touch()
        keeper = subprocess.run(
            ["/bin/sh", "-c", _KEEPER, said, *command],
            cwd=directory,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        pid, end = Path(said) / "pid", time.monotonic() + STARTS_WITHIN
        while not pid.exists():
            if keeper.returncode != 0 or time.monotonic() >= end:
                raise Failed(f"{command[0]} could not be started from {said}.", "Is there room on the disk?")
            time.sleep(PAUSE / 10)
        yield Detached(directory=Path(said), pid=int(pid.read_text(encoding="utf-8")))


@final
class Follower:
    """Shows what a command says, as it comes."""

    def __init__(self, command: Detached, out: TextIO) -> None:
        self._files: Final = [command.directory / name for name in _STREAMS]
        self._shown = [0, 0]
        self._out: Final = out

    def __call__(self) -> None:
        # The command goes on where nobody takes what it says; the verb finds that out again when it ends.
        with suppress(OSError):
            self._show()

    def _show(self) -> None:
        for index, file in enumerate(self._files):
            with file.open("rb") as stream:
                stream.seek(self._shown[index])
                new = stream.read()
            # Whole lines, so that none is cut by one of the other stream.
            new = new[: new.rfind(b"\n") + 1]
            self._shown[index] += len(new)
            self._out.writelines(f"{line}\n" for line in new.decode(errors="replace").splitlines() if line.strip())
        self._out.flush()


def _read(path: Path) -> str:
    return path.read_text(errors="replace", encoding="utf-8") if path.exists() else ""
