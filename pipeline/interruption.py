"""Being asked to stop."""

import signal
from types import FrameType


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

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
