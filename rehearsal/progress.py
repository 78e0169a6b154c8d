"""Progress on the terminal and errors without a stack trace, the same for every part of the rehearsal."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TextIO, final

from rich.console import Console
from rich.markup import escape

from pipeline.outcomes import INTERRUPTED, Stopped

STILL_EVERY: Final = 15.0
"""Seconds between two lines about a step that goes on, where there is no terminal to animate."""


@final
class RehearsalError(Stopped):
    """Something that the user can mend: what is wrong, and the way out. Printed without a stack trace."""

    code = 1


@final
class Progress:
    """One line a step with its seconds: animated on a terminal, plain lines elsewhere."""

    def __init__(self, stream: TextIO | None = None, still_every: float = STILL_EVERY) -> None:
        self._console: Final = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._still_every: Final = still_every
        self._depth = 0

    @contextmanager
    def step(self, title: str) -> Generator[None]:
        """Report `title` as under way until the block ends, then as done or failed with its seconds."""
        started = time.monotonic()
        indent = "  " * self._depth
        animated = self._console.is_terminal and self._depth == 0
        if not animated:
            self._console.print(f"{indent}{escape(title)} …")
        finished = threading.Event()

        def elapsed() -> str:
            return f"{time.monotonic() - started:.1f} s"

        status = self._console.status(escape(title)) if animated else None

        def tell() -> None:
            while not finished.wait(0.5 if status else self._still_every):
                if status:
                    status.update(f"{escape(title)} [dim]{elapsed()}[/dim]")
                else:
                    self._console.print(f"{indent}… still {escape(title)} ({elapsed()})")

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        if status:
            status.start()
        self._depth += 1
        mark = "[red]✗[/red]"
        try:
            yield
            mark = "[green]✓[/green]"
        finally:
            self._depth -= 1
            finished.set()
            teller.join()
            if status:
                status.stop()
            self._console.print(f"{indent}{mark} {escape(title)} [dim]{elapsed()}[/dim]")

    def note(self, text: str) -> None:
        """One line about something that needed no work or that the user should know."""
        self._console.print(f"{'  ' * self._depth}{escape(text)}")

    def failure(self, error: Stopped) -> None:
        """The message of `error` and its way out."""
        self._console.print(f"[red]error:[/red] {escape(error.message)}")
        self._console.print(escape(error.way_out))


def exit_code(progress: Progress, command: Callable[[], int | None]) -> int:
    """Run `command`; 0 or its own code when it returns, what stopped it says where something did, 130 when
    interrupted."""
    try:
        return command() or 0
    except Stopped as stopped:
        progress.failure(stopped)
        return stopped.code
    except (OSError, subprocess.SubprocessError) as error:
        # Of this machine: a full disk, a file that may not be read, a program that fails.
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
        detail = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
        progress.failure(
            RehearsalError(
                "\n".join([f"{type(error).__name__}: {error}", *detail.strip().splitlines()[-10:]]),
                "Mend that on this machine and run the same command again: it goes on from where it was.",
            )
        )
        return 1
    except KeyboardInterrupt:
        progress.note("interrupted; the same command goes on from here")
        return INTERRUPTED
