"""Whether GitHub's web hooks still come from where the load balancer lets them in."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from infra import github_hooks
from tests.pipeline.fake_github import FakeGitHub
from tests.stack_files import CHECKOUT

SIX: list[str] = ["2a0a:a440::/29"]
OURS: list[str] = [*map(str, github_hooks.RANGES)]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub.serving() as fake:
        yield fake


def hooks(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "hooks"],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin", "GITHUB_API_URL": environment["GITHUB_API_URL"]},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_a_list_that_is_githubs_is_said_to_be(github: FakeGitHub) -> None:
    github.meta = {"hooks": [*reversed(OURS), *SIX]}
    ran = hooks(github.environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"GitHub's web hooks come from the {len(OURS)} ranges of the list.\n"


def test_every_range_that_came_or_went_is_named_with_what_it_means_and_what_to_do(github: FakeGitHub) -> None:
    github.meta = {"hooks": [*OURS[1:], "203.0.113.0/24", "198.51.100.0/24", *SIX]}
    ran = hooks(github.environment)
    assert ran.returncode == 4
    assert (
        "2 that are not let in, so that their pushes are found by a scan: 198.51.100.0/24, 203.0.113.0/24" in ran.stderr
    )
    assert f"1 that are let in and are not GitHub's any more: {OURS[0]}." in ran.stderr
    assert f"the list of {github_hooks.AS_OF}" in ran.stderr
    assert "infra/github_hooks.py" in ran.stderr


@pytest.mark.parametrize("meta", [{"web": []}, {"hooks": ["somewhere"]}, [], {"hooks": None}])
def test_an_answer_that_is_none_is_a_failure_and_no_drift(github: FakeGitHub, meta: object) -> None:
    github.meta = meta
    ran = hooks(github.environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith("hooks: GitHub did not say at http://127.0.0.1:")
    assert "Traceback" not in ran.stderr


def test_a_github_that_does_not_answer_is_a_failure_and_no_drift() -> None:
    ran = hooks({"GITHUB_API_URL": "http://127.0.0.1:9"})
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
