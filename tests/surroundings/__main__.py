"""`python -m tests.surroundings`: try all surroundings, and write docs/surroundings.md if each is as it says."""

import argparse
import sys
from collections.abc import Sequence

import pytest

from pipeline.streams import print_anything
from tests.surroundings.page import PAGE, page


class Untried:
    """The tests that could not be run here."""

    def __init__(self) -> None:
        self.tests: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.tests.append(report.nodeid)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if the page is written, 1 if something is otherwise or could not be tried."""
    description = "Try the project in other surroundings, and write docs/surroundings.md if each is as it says."
    argparse.ArgumentParser(prog="python -m tests.surroundings", description=description).parse_args(arguments)
    untried = Untried()
    code = pytest.main(["-m", "surroundings", str(PAGE.parent.parent / "tests" / "surroundings")], plugins=[untried])
    if code != 0 or untried.tests:
        lacking = f"\nNot tried: {', '.join(untried.tests)}; what it takes is said above." if untried.tests else ""
        print(f"{PAGE} is left as it is.{lacking}", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} is written.")
    return 0


if __name__ == "__main__":
    print_anything()
    sys.exit(main())
