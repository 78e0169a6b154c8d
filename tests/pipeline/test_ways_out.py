"""Commands that the verbs' messages offer work as they stand."""

import os
from pathlib import Path

import pytest

from pipeline.checkout import Checkout
from pipeline.outcomes import Refused
from pipeline.pulumi import NO_SUCH_STACK, Answer, explain
from tests.commands import commands_in, run
from tests.engine.harness import Harness
from tests.pipeline.repository import IDENTITY, Repository, RunVerb, git, live, seen_live

STAGING = {"BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_BRANCH": "develop", "CHANGE_TARGET": "staging"}
FEATURE = {**STAGING, "CHANGE_BRANCH": "feature/x", "CHANGE_TARGET": "develop"}


def follow(message: str, clone: Path, **given: str) -> None:
    """Do what a message says, with what it leaves open filled in."""
    (command,) = commands_in(message, "git")
    for placeholder, value in given.items():
        assert placeholder in command
        command = command.replace(placeholder, value)
    run(command, clone, {**os.environ, **IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"})


def test_branches_that_a_clone_lacks_are_fetched(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("develop")
    git(clone, "update-ref", "-d", "refs/remotes/origin/develop")
    git(clone, "config", "--unset-all", "remote.origin.fetch")
    follow(run_verb(clone, "flow", **STAGING).stderr, clone)
    assert run_verb(clone, "flow", **STAGING).code == 0


def test_history_that_a_clone_lacks_is_fetched(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    clone = repository.server.parent / "shallow"
    arguments = ("--quiet", "--depth=1", "--no-single-branch", "--branch=develop", f"file://{repository.server}")
    git(repository.server.parent, "clone", *arguments, str(clone))
    follow(run_verb(clone, "flow", **STAGING).stderr, clone)
    assert run_verb(clone, "flow", **STAGING).code == 0


def test_commits_of_another_branch_are_left_behind(repository: Repository, run_verb: RunVerb) -> None:
    base = repository.commit("on staging alone", branch="staging")
    repository.branch("feature/x", "staging")
    repository.commit("mine", branch="feature/x")
    clone = repository.check_out("feature/x")
    refused = run_verb(clone, "flow", **FEATURE)
    assert refused.code == 3
    follow(refused.stderr, clone, COMMIT=base)
    assert run_verb(clone, "flow", **FEATURE).code == 0
    assert (clone / "mine.txt").exists()


def test_changes_are_put_away(repository: Repository) -> None:
    checkout = Checkout.find(repository.check_out("develop"))
    (checkout.root / "new file").touch()
    (checkout.root / "Pulumi.blue.yaml").write_text("changed", encoding="utf-8")
    with pytest.raises(Refused) as refused:
        checkout.require_clean("a plan")
    follow(str(refused.value), checkout.root)
    checkout.require_clean("a plan")


def test_what_origin_has_is_checked_out_and_released(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    clone = repository.check_out("develop")
    refused = run_verb(clone, "release", BRANCH_NAME="master")
    assert refused.code == 3
    follow(refused.stderr, clone)
    seen_live(clone, "blue")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0


def test_a_tag_gives_way_to_that_of_origin(repository: Repository, run_verb: RunVerb) -> None:
    clone = live(repository, "master")
    for place in (clone, repository.server):
        git(place, "tag", "--annotate", f"--message=of {place}", "v1.0.0", "HEAD")
    follow(run_verb(clone, "release", BRANCH_NAME="master").stderr, clone)
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0


def test_a_stack_that_is_missing_is_made(pulumi_cli: Path, tmp_path: Path) -> None:
    harness = Harness.create(tmp_path, pulumi_cli, {})
    ran = harness.pulumi("stack", "output", "--stack", "green")
    assert ran.code == NO_SUCH_STACK
    message = explain(Answer(code=ran.code, stdout=ran.stdout, stderr=ran.stderr), "It")
    (command,) = commands_in(message.way_out, "pulumi stack init")
    run(command.replace("NAME", "green"), harness.project, harness.environment)
    assert harness.pulumi("stack", "output", "--stack", "green").code == 0
