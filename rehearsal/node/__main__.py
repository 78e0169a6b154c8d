"""`python -m rehearsal.node up|down`: the node alone, for trials."""

import os
import sys

from pipeline.proxy import around
from pipeline.streams import print_anything
from rehearsal import places
from rehearsal.node import start, stop
from rehearsal.progress import Progress, exit_code
from rehearsal.toolchain.tools import ensure_rehearsal_tools


def main(arguments: list[str]) -> int:
    progress = Progress()
    if arguments == ["up"]:
        return exit_code(progress, lambda: print(start(ensure_rehearsal_tools(progress), progress).base_image))
    if arguments == ["down"]:
        return exit_code(progress, lambda: stop(progress))
    print("usage: python -m rehearsal.node up|down", file=sys.stderr)
    return 2


if __name__ == "__main__":
    print_anything()
    os.environ |= around(os.environ, *places.REACHED_DIRECTLY)
    sys.exit(main(sys.argv[1:]))
