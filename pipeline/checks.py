"""The verb `test`: the tests that need no cluster and no cloud, with a report for Jenkins."""

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, TextIO
from xml.sax.saxutils import quoteattr

from pipeline.checkout import Checkout
from pipeline.outcomes import Failed

HELP: Final = "run the tests, and leave reports/junit.xml"

JUNIT: Final = "junit.xml"

GRACE: Final = 20.0
"""Seconds that interrupted tests have to clean up, before they are killed."""

_NO_TESTS: Final = 5
"""pytest's exit code where it finds none: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tests", nargs="*", metavar="TEST", help="files or folders, as pytest takes them (default: all)"
    )


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Run the tests; pytest's own lines are the progress.

    Raises:
        Failed: a test failed, or none was found.
    """
    checkout = Checkout.find()
    report = checkout.reports / JUNIT
    report.unlink(missing_ok=True)
    tests: list[str] = options.tests
    command = [sys.executable, "-m", "pytest", f"--junit-xml={report}", *tests]
    code = _wait(subprocess.Popen(command, cwd=checkout.root, stdin=subprocess.DEVNULL))
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


def _wait(tests: subprocess.Popen[bytes]) -> int:
    try:
        return tests.wait()
    except KeyboardInterrupt:
        tests.send_signal(signal.SIGINT)
        try:
            tests.wait(GRACE)
        except subprocess.TimeoutExpired:
            tests.kill()
            tests.wait()
        raise


def _write_report(path: Path, message: str) -> None:
    case = f'<testcase classname="pytest" name="run"><error message={quoteattr(message)}/></testcase>'
    path.write_text(f'<testsuites><testsuite name="pytest" tests="1" errors="1">{case}</testsuite></testsuites>\n')
