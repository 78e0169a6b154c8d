"""`python3 -m smallcase` serves; a missing or malformed setting is one line on stderr and exit code 2."""

import os
import sys

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

    # Imported late: a refused setting is told at once, without Flask and gunicorn.
    from smallcase.server import Server

    Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
