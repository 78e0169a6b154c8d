"""What is printed where the locale cannot show it."""

import io
import sys
from typing import cast


def print_anything() -> None:
    """Let standard output escape what its encoding lacks, as Python's standard error does: no `→` ends a command."""
    if sys.stdout:  # It may be closed.
        cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="backslashreplace")
