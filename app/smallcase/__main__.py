"""`python3 -m smallcase` serves; a missing or malformed setting is one line on stderr and exit code 2."""

import os
import signal
import sys
from types import FrameType

from smallcase import drain
from smallcase.settings import Settings, SettingsError


def main() -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"smallcase: {error}", file=sys.stderr)
        return 2
    drain.clear()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)

    # Imported late: a refused setting is told at once, without Flask and uvicorn.
    from smallcase.server import serve

    serve(settings)
    return 0


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End at once.

    Without a handler the first process of a container gets no signal at all, so this one is there while it starts. Then
    the server has its own, ends in order and raises the signal again. What is left by then are threads that are past
    their time, and Python would wait for them.
    """
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
