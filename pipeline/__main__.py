"""The pipeline's verbs, one a stage of the Jenkinsfile. They run the same on a laptop, from the root of a clone."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TextIO

from pipeline import (
    checks,
    deploy,
    drift,
    flow,
    hooks,
    inspection,
    platform,
    preview,
    release,
    reproduce,
    teardown,
    verify,
)
from pipeline.interruption import interrupt_once
from pipeline.outcomes import INTERRUPTED, Stopped, WrongUse
from pipeline.streams import print_anything

EXIT_CODES: Final = """\
exit codes:
  0    done, or nothing to do, which it says
  1    it failed: a test, an image, a deployment, a page
  2    wrong use: an unknown argument, no branch, a missing file, program or credential
  3    a rule refuses it, and is quoted
  4    drift: the cloud, or GitHub's addresses, are not what they were
  5    somebody else held the stack's lock until the deadline
  130  interrupted; the previous version served when last seen, and a rollout that has begun may still finish
"""


class Verb(Protocol):
    """What a verb's module offers."""

    HELP: Final[str]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace, out: TextIO) -> None: ...


VERBS: Final[Mapping[str, Verb]] = {
    "flow": flow,
    "test": checks,
    "preview": preview,
    "reproduce": reproduce,
    "deploy": deploy,
    "verify": verify,
    "release": release,
    "drift": drift,
    "hooks": hooks,
    "platform": platform,
    "teardown": teardown,
    "inspect": inspection,
}


def command_line() -> argparse.ArgumentParser:
    """What the verbs take."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    for name, verb in VERBS.items():
        verb.add_arguments(verbs.add_parser(name, help=verb.HELP, description=verb.HELP))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb, and answer with its exit code."""
    options = command_line().parse_args(arguments)
    try:
        if not sys.stdout:
            raise WrongUse(
                "Standard output is closed.", "Leave it open, or lead it to a file: verbs say there what is."
            )
        VERBS[options.verb].run(options, sys.stdout)
        sys.stdout.flush()
    except Stopped as stopped:
        return _told(options.verb, stopped)
    except OSError as error:
        return _told(options.verb, _unusable(error))
    except KeyboardInterrupt:
        _let_go()
        print(f"{options.verb}: interrupted.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _told(verb: str, stopped: Stopped) -> int:
    _let_go()
    print(f"{verb}: {stopped.message}", file=sys.stderr)
    if stopped.way_out:
        print(stopped.way_out, file=sys.stderr)
    return stopped.code


def _unusable(error: OSError) -> WrongUse:
    """What a file, a folder or a program that does not do its part means; one without a name is what is printed to."""
    what = error.filename if error.filename is not None else "standard output, or a file that was open,"
    return WrongUse(f"{what} cannot be used: {error.strerror or error}.", "Mend that and run it again.")


def _let_go() -> None:
    """Say what is still to be said. Where nobody takes it, drop it: Python would complain of it in the end."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    print_anything()
    interrupt_once()
    sys.exit(main())
