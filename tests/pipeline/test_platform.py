"""Bringing a platform up: only what was reviewed, and only by a person."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.repository import Ran, Repository, RunVerb, git

PULUMI = f"""#!{sys.executable}
# A state without stacks that notes what it is asked to do.
import sys
from pathlib import Path
if sys.argv[1:3] == ["stack", "export"]:
    print("{{}}")
else:
    with (Path(__file__).parent / "done").open("a") as done:
        print(*sys.argv[1:], file=done)
    print('{{"steps": []}}')
"""

BringUp = Callable[..., tuple[Ran, list[str]]]


@pytest.fixture
def clone(repository: Repository) -> Path:
    """A clean clone of master."""
    declared = {"Pulumi.yaml": "name: smallcase\nconfig:\n  smallcase:platform: {default: platform}\n"}
    repository.promote("the program", files=declared)
    return repository.check_out("master")


@pytest.fixture
def bring_up(clone: Path, run_verb: RunVerb, tmp_path: Path) -> BringUp:
    """Runs the verb in the clone; what Pulumi was asked to do."""
    program = tmp_path / "programs" / "pulumi"
    program.parent.mkdir()
    program.write_text(PULUMI, encoding="utf-8")
    program.chmod(0o755)

    def run(*arguments: str, **variables: str) -> tuple[Ran, list[str]]:
        done = program.parent / "done"
        done.unlink(missing_ok=True)
        path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
        ran = run_verb(clone, "platform", *arguments, PATH=path, **variables)
        return ran, [line.split()[0] for line in done.read_text(encoding="utf-8").splitlines()] if done.exists() else []

    return run


def test_the_head_of_master_is_shown_first_and_comes_up_where_the_name_is_said_twice(bring_up: BringUp) -> None:
    ran, done = bring_up("platform")
    assert (ran.code, done) == (0, ["preview"]), ran.stderr
    assert "--really platform" in ran.stdout
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (0, ["up"]), ran.stderr


def test_a_commit_that_is_not_masters_head_on_the_server_is_refused(
    bring_up: BringUp, repository: Repository, clone: Path
) -> None:
    newer = repository.promote("newer")[1]
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (3, [])
    assert newer[:12] in ran.stderr
    unreviewed = repository.commit("unreviewed", branch="develop")
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "checkout", "--quiet", "--detach", unreviewed)
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (3, [])
    assert "what was reviewed" in ran.stderr


def test_a_masters_head_that_somebody_made_up_in_this_clone_is_refused(bring_up: BringUp, clone: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "mine")
    git(clone, "update-ref", "refs/remotes/origin/master", "HEAD")
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (3, [])


@pytest.mark.parametrize("file", ["Pulumi.platform.yaml", "infra/new.py"])
def test_a_file_that_differs_from_the_commit_is_refused(bring_up: BringUp, clone: Path, file: str) -> None:
    (clone / file).parent.mkdir(exist_ok=True)
    (clone / file).write_text("config: {}\n", encoding="utf-8")
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (3, [])
    assert "infra" in ran.stderr or file in ran.stderr


def test_an_origin_that_does_not_answer_is_a_failure(bring_up: BringUp, clone: Path, tmp_path: Path) -> None:
    git(clone, "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    ran, done = bring_up("platform", "--really", "platform")
    assert (ran.code, done) == (1, [])
    assert "Traceback" not in ran.stderr


def test_jenkins_is_refused(bring_up: BringUp) -> None:
    ran, done = bring_up("platform", "--really", "platform", JENKINS_URL="https://jenkins.example.org/")
    assert (ran.code, done) == (3, [])


def test_an_environment_another_name_and_an_unknown_stack_are_refused(bring_up: BringUp) -> None:
    assert bring_up("green", "--really", "green")[0].code == 3
    assert bring_up("platform", "--really", "green")[0].code == 3
    assert bring_up("platfrom", "--really", "platfrom")[0].code == 2
