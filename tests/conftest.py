import os
from pathlib import Path
from typing import cast

import pytest

from pipeline.proxy import around
from rehearsal import places
from rehearsal.progress import Progress
from rehearsal.toolchain import RehearsalTools, ensure_cli, ensure_rehearsal_tools

# A hook of Git's runs with variables that lead each `git` of a test into the repository of whoever commits.
for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]
os.environ |= around(os.environ, *places.REACHED_DIRECTLY)


@pytest.fixture(scope="session")
def pulumi_cli() -> Path:
    """The real CLI in the pinned version: found, installed or built."""
    return ensure_cli(Progress()) / "pulumi"


@pytest.fixture(scope="session")
def tools() -> RehearsalTools:
    """The programs of the cluster; building them takes minutes where the cache has none."""
    return ensure_rehearsal_tools(Progress())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the referees that nobody here wrote, and what each of them looked at (`record_property("referee", …)`)."""
    passed = cast("list[pytest.TestReport]", terminalreporter.stats.get("passed") or [])
    said = [f"{value}" for report in passed for name, value in report.user_properties if name == "referee"]
    if said:
        terminalreporter.section("referees")
        for line in sorted(said):
            terminalreporter.line(line)
