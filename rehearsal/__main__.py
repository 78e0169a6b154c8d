"""`python -m rehearsal`: the commands behind `make rehearse`, `make rehearse-down`, `make shell` and `make status`."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from rich.console import Console

from rehearsal import rehearse
from rehearsal.progress import Progress, exit_code

COMMANDS: Final[dict[str, tuple[str, Callable[[Progress], int | None]]]] = {}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 if it did what it says, 1 if it could not, 2 for a command it does not know."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    ...
    return 0


if __name__ == "__main__":
    sys.exit(main())
