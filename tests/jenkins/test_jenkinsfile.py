"""The Jenkinsfile does what it should, and each part of it is missed when it is changed (`mistakes.txt`)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.jenkins.builds import HARNESS, JENKINSFILE, Builds, run
from tests.jenkins.claims import CLAIMS, DEPLOYING, INSTALL, SCENARIOS, VERB
from tests.stack_files import CHECKOUT

COMMITTED: Final = "as committed"
CLAIM: Final = {claim.__name__: claim for claim in CLAIMS}


class Mistake(NamedTuple):
    name: str
    behind: str
    old: str
    new: str
    noticed_by: str

    def made_in(self, text: str) -> str:
        assert self.behind in text, f"{self.name}: {self.behind!r} is not in the Jenkinsfile any more"
        before, behind, rest = text.partition(self.behind)
        old = r"\s+".join(re.escape(word) for word in self.old.split())
        changed, count = re.subn(old, lambda _: self.new, behind + rest, count=1)
        assert count == 1, f"{self.name}: no {self.old!r} behind {self.behind!r} any more"
        return before + changed


MISTAKES: Final = [
    Mistake(*(cell.strip() for cell in line.split("|")))
    for line in Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.fixture(scope="module")
def builds() -> dict[str, Builds]:
    """The builds of the Jenkinsfile as committed and with each of the mistakes, by their names."""
    text = JENKINSFILE.read_text(encoding="utf-8")
    return run({COMMITTED: text} | {mistake.name: mistake.made_in(text) for mistake in MISTAKES}, SCENARIOS)


@pytest.mark.parametrize("claim", CLAIMS, ids=CLAIM)
def test_it_is_true_that(builds: dict[str, Builds], claim: Callable[[Builds], None]) -> None:
    claim(builds[COMMITTED])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_it_is_noticed_when(builds: dict[str, Builds], mistake: Mistake) -> None:
    with pytest.raises(AssertionError):
        CLAIM[mistake.noticed_by](builds[mistake.name])


def test_every_claim_notices_something() -> None:
    assert {mistake.noticed_by for mistake in MISTAKES} == set(CLAIM)


def test_what_jenkins_would_refuse_is_refused_with_its_line(builds: dict[str, Builds]) -> None:
    refusal = builds["a misspelt step"]["push to master"].refusal
    line = next(
        number
        for number, text in enumerate(JENKINSFILE.read_text(encoding="utf-8").splitlines(), 1)
        if "unstash" in text
    )
    assert refusal == f"line {line}: `unstahs` is no word of Image, push, deploy"


def test_every_call_of_a_verb_is_documented(builds: dict[str, Builds]) -> None:
    documented = (CHECKOUT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    commands = {command for build in builds[COMMITTED].values() for command in build.commands} - {INSTALL}
    called = {command.removeprefix(DEPLOYING).removeprefix(VERB) for command in commands}
    assert [call for call in sorted(called) if f"| `{call}` |" not in documented] == []


def test_the_harness_stays_small_enough_to_be_read() -> None:
    assert len(HARNESS.read_text(encoding="utf-8").splitlines()) <= 300
