"""The verb `test`: the tests that need no cluster and no cloud, with a report for Jenkins."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO
from xml.sax.saxutils import quoteattr

from pipeline.checkout import Checkout
from pipeline.outcomes import Failed, WrongUse

HELP: Final = "run the tests, and leave reports/junit.xml"

JUNIT: Final = "junit.xml"

PREPARATION: Final = ("rehearsal.toolchain", "cli")
"""Gets the Pulumi CLI where it is missing, which can take minutes: a test that waited for it would be stopped."""

WORKERS: Final = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")
"""For all of the tests. The tests of a file share what is dear to make, so they share a worker."""

GRACE: Final = 20.0
"""Seconds that interrupted tests have to clean up, before they are killed."""

_NO_TESTS: Final = 5
"""pytest's exit code where it finds none: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tests", nargs="*", metavar="TEST", help="files or folders, as pytest takes them (default: all, on every core)"
    )


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Run the tests; pytest's own lines are the progress.

    Raises:
        Failed: a test failed, or none was found, or what all of them need cannot be had.
        WrongUse: a file is named that is not there.
    """
    checkout = Checkout.find()
    tests: list[str] = options.tests
    missing = [test for test in tests if not (checkout.root / test.partition("::")[0]).exists()]
    if missing:
        raise WrongUse(f"{checkout.root} has no {', '.join(missing)}.", "Name files or folders as seen from there.")
    report = checkout.reports / JUNIT
    report.unlink(missing_ok=True)
    if not tests:
        _prepare(checkout.root, report)
    code = _python(checkout.root, "pytest", f"--junit-xml={report}", *(tests or WORKERS))
    if not report.exists():
        # Jenkins takes a missing report for a failure of its own and hides this one.
        _write_report(report, f"pytest ended with {code} and no report: see the build's log")
    if code == _NO_TESTS:
        raise Failed(
            "No test was found.", "Is this the root of a clone? `testpaths` in pyproject.toml says where they are."
        )
    if code != 0:
        raise Failed(f"Tests failed (pytest ended with {code}).", f"They are above and in {report}.")
    print(f"All tests passed; {report} has each.", file=out)


def _prepare(root: Path, report: Path) -> None:
    code = _python(root, *PREPARATION)
    if code != 0:
        command = f"`python -m {' '.join(PREPARATION)}`"
        _write_report(report, f"{command} ended with {code}: see the build's log")
        raise Failed(
            f"The Pulumi CLI, which tests need, cannot be had: {command} ended with {code}.",
            "It said above why. Tests that are named run without: `test tests/app`.",
        )


def _python(root: Path, *module: str) -> int:
    """Run a module in the root of the checkout; its exit code."""
    command: Sequence[str] = (sys.executable, "-m", *module)
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _write_report(path: Path, message: str) -> None:
    case = f'<testcase classname="pytest" name="run"><error message={quoteattr(message)}/></testcase>'
    path.write_text(
        f'<testsuites><testsuite name="pytest" tests="1" errors="1">{case}</testsuite></testsuites>\n', encoding="utf-8"
    )
