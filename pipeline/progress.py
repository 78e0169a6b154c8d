"""A sign of life for whoever watches a verb that is silent for long: on standard error, apart from what it answers."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TextIO

EVERY: Final = 15.0
"""Seconds between two signs."""


@contextmanager
def under_way(what: str, stream: TextIO | None = None, every: float = EVERY) -> Generator[None]:
    """Say what begins, and every so often that it goes on, until the block ends."""
    out, started, ended = stream or sys.stderr, time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(every):
            print(f"… still {what} ({time.monotonic() - started:.0f} s)", file=out, flush=True)

    print(f"{what} …", file=out, flush=True)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
