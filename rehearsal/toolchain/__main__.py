"""`python -m rehearsal.toolchain`: fetch or build what is missing, with progress, before something else needs it."""

import argparse
import sys

from pipeline.streams import print_anything
from rehearsal.progress import Progress, exit_code
from rehearsal.toolchain import ensure_cli, ensure_rehearsal_tools
from rehearsal.toolchain.pulumi_tools import ensure_pulumi


def main() -> int:
    """Exit with 0 once all of it is there, with 1 where it cannot be had; the message says why."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.toolchain", description=__doc__)
    parser.add_argument("what", choices=("cli", "all"), help="the Pulumi CLI alone, or all that a rehearsal runs")
    what = parser.parse_args().what
    progress = Progress()

    def ensure() -> None:
        if what == "cli":
            ensure_cli(progress)
        else:
            ensure_pulumi(progress)
            ensure_rehearsal_tools(progress)

    return exit_code(progress, ensure)


if __name__ == "__main__":
    print_anything()
    sys.exit(main())
