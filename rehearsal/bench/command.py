"""Commands that are measured while they run, and that end with the bench if it is interrupted."""

import os
import signal
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, final

from rehearsal.progress import RehearsalError

PATIENCE: Final = 300.0
"""Seconds after which a command is taken to hang."""
_LAST_WORDS: Final = 30.0
"""Seconds that an interrupted command has to put things in order."""


@final
@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has done what it should."""

    seconds: float
    output: str


@final
class Running:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], argv: Sequence[str], output: IO[bytes]) -> None:
        self._process: Final = process
        self._argv: Final = argv
        self._output: Final = output
        self._began: Final = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> Finished:
        """Wait for its end.

        Raises:
            RehearsalError: it failed or hangs; the message holds the end of what it said.
        """
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        seconds = time.monotonic() - self._began
        self._output.seek(0)
        said = self._output.read().decode(errors="replace")
        if code != 0:
            what = f"did not end within {PATIENCE:.0f} seconds" if code is None else "failed"
            raise RehearsalError(
                "\n".join([f"`{' '.join(self._argv)}` {what}:", *said.strip().splitlines()[-30:]]),
                "`make status` shows whether the rehearsal is well. What is left of this bench the next one removes.",
            )
        return Finished(seconds=seconds, output=said)


@contextmanager
def running(argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], stdin: str = "") -> Generator[Running]:
    """Start a command in a process group of its own; one that still runs at the end of the block is interrupted.

    `pulumi` ends in good order on one interrupt and leaves its state locked when it is killed, so it gets time.
    """
    with TemporaryFile() as output, TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(environment),
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Running(process, argv, output)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(_LAST_WORDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def run(argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], stdin: str = "") -> Finished:
    """Run a command to its end. Raises RehearsalError if it fails or hangs."""
    with running(argv, cwd=cwd, environment=environment, stdin=stdin) as command:
        return command.finish()
