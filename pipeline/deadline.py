"""How long a verb may take: shorter than Jenkins's own time-out, so that it ends by itself and in order."""

import argparse
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar, final

T = TypeVar("T")

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([smh])")


@final
@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment that a verb has to end by."""

    seconds: float
    """From the start."""
    started: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """A deadline this many seconds from now."""
        return cls(seconds=seconds, started=time.monotonic())

    @property
    def remaining(self) -> float:
        """Seconds that are left, never less than none."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.remaining == 0

    def bound(self, ask: Callable[[], T]) -> T:
        """What a question is answered with, or its error. A time-out of a connection starts anew with each byte, so
        whoever drips them is waited for elsewhere.

        Raises:
            TimeoutError: it was not answered in time.
        """
        answered: Future[T] = Future()

        def answer() -> None:
            try:
                answered.set_result(ask())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                answered.set_exception(error)

        # One of an executor would be waited for when Python ends.
        threading.Thread(target=answer, daemon=True).start()
        try:
            return answered.result(self.remaining)
        except TimeoutError:
            if answered.done():
                raise
            raise TimeoutError(f"no whole answer within {self}") from None

    def __str__(self) -> str:
        return duration_text(self.seconds)


def duration(text: str) -> float:
    """Seconds of a duration such as `90s`, `35m` or `1h`, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write it as 90s, 35m or 1h")
    return float(int(found[1]) * _UNITS[found[2]])


def duration_text(seconds: float) -> str:
    """Seconds as a person says them: `35 min`, `90 s`."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:.0f} s"


def add_deadline_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """`--deadline`, for every verb that can hang."""
    parser.add_argument(
        "--deadline",
        type=duration,
        default=duration(default),
        metavar="DURATION",
        help=f"end after this long, in order, whatever is still missing (default: {default})",
    )
