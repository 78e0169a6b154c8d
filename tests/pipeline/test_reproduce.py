"""What is said of an image before production gets it, whatever staging runs. Builds for real are in `tests/e2e`."""

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pytest

from infra.image_reference import tag
from tests.pipeline.repository import Ran, Repository, RunVerb
from tests.stack_files import CHECKOUT

REPOSITORY: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform"
TESTED: Final = f"sha256:{'a' * 64}"
OTHER: Final = f"sha256:{'b' * 64}"
BASE: Final = f"registry.test/base@sha256:{'c' * 64}"
PROJECT: Final = {
    "app/page": "hello",
    **{
        file.name: file.read_text(encoding="utf-8")
        for file in (*CHECKOUT.glob("Pulumi.*.yaml"), CHECKOUT / "Pulumi.yaml")
    },
}

PULUMI: Final = f"""#!{sys.executable}
import os
import sys

words = sys.argv[1:]
with open(os.environ["CALLS"], "a", encoding="utf-8") as calls:
    print(*words, os.environ.get("PULUMI_BACKEND_URL", ""), file=calls)
if words[:2] == ["stack", "output"]:
    print('{{"digest": "' + os.environ["BUILT"] + '"}}' if "again" in words else os.environ["RUNS"])
elif words[:2] == ["stack", "export"]:
    sys.exit(6)
elif words[0] == "up" and not os.environ["BUILT"]:
    sys.exit("error: failed to resolve source metadata for python:3.11-slim: no such host")
"""


@final
@dataclass(frozen=True, kw_only=True)
class Staged:
    """What was promoted to `master`, and a Pulumi that says what `green` runs and what a build gives."""

    repository: Repository
    clone: Path
    programs: Path
    run_verb: RunVerb

    def ask(self, runs: str, *arguments: str, built: str = TESTED, branch: str = "master") -> Ran:
        """Run the verb; `runs` is the image of `green`, and a build that gives nothing fails."""
        return self.run_verb(
            self.clone,
            "reproduce",
            *arguments,
            BRANCH_NAME=branch,
            BUILT=built,
            CALLS=str(self.programs / "calls"),
            PATH=os.pathsep.join([str(self.programs), os.environ["PATH"]]),
            PULUMI_BACKEND_URL="s3://the-real-one",
            RUNS=f'{{"image": "{runs}"}}' if runs else "{}",
        )

    def built(self) -> bool:
        return " --yes --skip-preview " in (self.programs / "calls").read_text(encoding="utf-8")

    def report(self) -> str:
        return (self.clone / "reports" / "preview.md").read_text(encoding="utf-8")


def image(commit: str, environment: str = "green", base: str | None = None, digest: str = TESTED) -> str:
    return f"{REPOSITORY}:{tag(environment, commit[:12], base)}@{digest}"


@pytest.fixture
def staged(repository: Repository, run_verb: RunVerb, tmp_path: Path) -> Staged:
    repository.promote("page", files=PROJECT)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pulumi").write_text(PULUMI, encoding="utf-8")
    (programs / "pulumi").chmod(stat.S_IRWXU)
    (programs / "calls").touch()
    return Staged(repository=repository, clone=repository.check_out("master"), programs=programs, run_verb=run_verb)


def test_what_staging_runs_is_said_to_be_what_the_commit_gives_and_whoever_approves_reads_it(staged: Staged) -> None:
    (staged.clone / "reports").mkdir()
    (staged.clone / "reports" / "preview.md").write_text("## `blue`\n", encoding="utf-8")
    ran = staged.ask(image(staged.repository.head("staging")))
    assert (ran.code, staged.built()) == (0, True)
    line = f"Image: built again without any cache, it is what `green` runs: `{TESTED}`.\n"
    assert ran.stdout == line
    assert staged.report() == f"## `blue`\n\n{line}"


def test_a_build_is_in_a_state_of_its_own(staged: Staged) -> None:
    staged.ask(image(staged.repository.head("staging")))
    calls = (staged.programs / "calls").read_text(encoding="utf-8").splitlines()
    assert {call.endswith("s3://the-real-one") for call in calls if "again" in call} == {False}
    assert {call.endswith("s3://the-real-one") for call in calls if "again" not in call} == {True}


def test_another_image_ends_with_3_and_both_digests(staged: Staged) -> None:
    ran = staged.ask(image(staged.repository.head("staging")), built=OTHER)
    assert ran.code == 3, ran.stderr
    for said in (ran.stderr, staged.report()):
        assert TESTED in said
        assert OTHER in said
        assert "The rule: production gets what was tested" in said
    assert "docs/recovery.md" in ran.stderr


def test_what_cannot_be_built_again_is_left_to_whoever_approves(staged: Staged) -> None:
    ran = staged.ask(image(staged.repository.head("staging")), built="")
    assert ran.code == 0
    assert "could not be built again, so it was compared with nothing. Whoever approves decides." in staged.report()
    assert "no such host" in staged.report()


def of_an_older_app(staged: Staged) -> str:
    old = staged.repository.head("staging")
    staged.repository.promote("newer", files={"app/page": "bye"})
    newer = staged.repository.check_out("master")
    staged.clone.rename(staged.clone.with_name("older"))
    newer.rename(staged.clone)
    return image(old)


NOT_COMPARED: Final[dict[str, tuple[Callable[[Staged], str], str]]] = {
    "staging runs nothing": (lambda _: "", "`green` runs nothing"),
    "staging has another environment's image": (
        lambda staged: image(staged.repository.head("staging"), "blue"),
        "which it did not build itself",
    ),
    "staging is built on another base": (
        lambda staged: image(staged.repository.head("staging"), base=BASE),
        "which is built on another base image",
    ),
    "staging has another app": (of_an_older_app, "whose app/ is not that of this commit"),
    "staging has files that were never committed": (
        lambda staged: image(staged.repository.head("staging")).replace("@", "-dirty-01234567@"),
        "whose app/ is not that of this commit",
    ),
    "staging runs a commit that nobody has": (lambda _: image("0123456789ab"), "whose app/ is not that of this commit"),
    "staging runs what is pinned by no digest": (
        lambda _: f"{REPOSITORY}:latest",
        "an image is named repository:tag@sha256:",
    ),
}


@pytest.mark.parametrize("why", NOT_COMPARED)
def test_what_may_well_be_another_image_is_not_built_and_is_left_to_whoever_approves(staged: Staged, why: str) -> None:
    prepare, reason = NOT_COMPARED[why]
    ran = staged.ask(prepare(staged), built=OTHER)
    assert (ran.code, staged.built()) == (0, False)
    assert reason in staged.report()
    assert "Whoever approves decides." in staged.report()


def test_files_that_differ_from_the_commit_are_not_taken_for_it(staged: Staged) -> None:
    (staged.clone / "app" / "page").write_text("changed", encoding="utf-8")
    ran = staged.ask(image(staged.repository.head("staging")), built=OTHER)
    assert (ran.code, staged.built()) == (0, False)
    assert "files differ here from the commit" in staged.report()


def test_an_image_that_a_person_names_in_an_emergency_is_not_built_and_that_is_said(staged: Staged) -> None:
    named = image("0123456789ab", "blue", digest=OTHER)
    with (staged.clone / "Pulumi.blue.yaml").open("a", encoding="utf-8") as settings:
        settings.write(f'  smallcase:image: "{named}"\n')
    ran = staged.ask(image(staged.repository.head("staging")), built=OTHER)
    assert (ran.code, staged.built()) == (0, False)
    assert f"`smallcase:image` names `{named}`" in staged.report()


@pytest.mark.parametrize("branch", ["staging", "develop"])
def test_nothing_is_tested_before_the_first_branch_of_a_trust_domain(staged: Staged, branch: str) -> None:
    ran = staged.ask(image(staged.repository.head("staging")), built=OTHER, branch=branch)
    assert (ran.code, staged.built()) == (0, False)
    assert f"Nothing is tested before {branch} by the same agent" in staged.report()


def test_a_branch_of_no_stack_has_nothing_to_build(staged: Staged) -> None:
    ran = staged.ask("", branch="feature/x")
    assert (ran.code, ran.stdout) == (0, "No stack deploys feature/x: there is nothing to build again.\n")
