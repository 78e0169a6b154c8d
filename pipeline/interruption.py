"""Being asked to stop."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def interrupt_once() -> None:
    """Take SIGTERM, which is what Jenkins sends, for Ctrl-C, and only the first of either: a second one would cut off
    the wait for Pulumi, which then leaves the stack locked."""
    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            return
        asked = True
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, stop)


@final
class Signals:
    """SIGINT and SIGTERM, which are held back or let in.

    Only the main thread is ever interrupted, so in another there is nothing to hold. Handlers are exchanged and nothing
    is masked: a process that is started meanwhile would inherit the mask, and other threads would still let signals in.
    """

    def __init__(self) -> None:
        ours = threading.current_thread() is threading.main_thread()
        found = {number: signal.getsignal(number) for number in _SIGNALS if ours}
        self._handlers: Final = {number: handler for number, handler in found.items() if handler is not None}
        self._came: Final[list[int]] = []

    def hold(self) -> None:
        """Keep what comes for later."""
        for number in self._handlers:
            signal.signal(number, lambda number, _frame: self._came.append(number))

    def let_in(self) -> None:
        """Let signals act again; one that came meanwhile acts at once."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._came:
            signal.raise_signal(self._came.pop())


@contextmanager
def held_back() -> Generator[Signals]:
    """Let no signal in until the end of the block, unless the block does."""
    signals = Signals()
    try:
        signals.hold()
        yield signals
    finally:
        signals.let_in()
