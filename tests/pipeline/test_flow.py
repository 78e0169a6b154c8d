import os
import re
import shutil
from pathlib import Path

import pytest

from tests.pipeline.repository import Repository, RunVerb, git


def change(source: str, target: str, **variables: str) -> dict[str, str]:
    """What Jenkins sets for a pull request."""
    jenkins = {"BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_BRANCH": source, "CHANGE_TARGET": target}
    return {**jenkins, **variables}


@pytest.mark.parametrize("source", ["feature/x", "bugfix/y", "devfix-z"])
def test_feature_and_bug_fix_branches_may_go_into_develop(
    repository: Repository, run_verb: RunVerb, source: str
) -> None:
    repository.branch(source, "develop")
    repository.commit("work", branch=source)
    ran = run_verb(repository.check_out(source), "flow", **change(source, "develop"))
    assert (ran.code, ran.stdout) == (0, f"{source} may go into develop.\n")


def test_develop_goes_into_staging_and_staging_into_master_round_after_round(
    repository: Repository, run_verb: RunVerb
) -> None:
    for number in range(3):
        repository.commit(f"work-{number}", branch="develop")
        for source, target in (("develop", "staging"), ("staging", "master")):
            assert run_verb(repository.check_out(source), "flow", **change(source, target)).code == 0
            repository.merge(source, target)
    repository.branch("feature/x", "develop")
    repository.commit("more", branch="feature/x")
    assert run_verb(repository.check_out("feature/x"), "flow", **change("feature/x", "develop")).code == 0


@pytest.mark.parametrize(
    ("source", "target", "rule"),
    [
        ("feature/x", "master", "master takes pull requests from staging only"),
        ("develop", "master", "master takes pull requests from staging only"),
        ("feature/x", "staging", "staging takes pull requests from develop only"),
        ("master", "staging", "staging takes pull requests from develop only"),
        ("staging", "develop", "develop takes pull requests from feature/…, bugfix/… and devfix/… only"),
        ("master", "develop", "develop takes pull requests from feature/…, bugfix/… and devfix/… only"),
        ("experiment", "develop", "develop takes pull requests from feature/…, bugfix/… and devfix/… only"),
        ("feature/x", "feature/y", "pull requests go into develop, staging or master only"),
    ],
)
def test_every_other_way_is_refused_and_the_rule_quoted(
    repository: Repository, run_verb: RunVerb, source: str, target: str, rule: str
) -> None:
    ran = run_verb(repository.check_out("develop"), "flow", **change(source, target))
    assert ran.code == 3
    assert f"The rule: {rule}." in ran.stderr
    assert f"{source} must not go into {target}" in ran.stderr


@pytest.mark.parametrize(
    ("source", "target"), [("feature/x", "develop"), ("develop", "staging"), ("staging", "master")]
)
def test_a_fork_is_refused_even_where_its_branch_has_the_right_name(
    repository: Repository, run_verb: RunVerb, source: str, target: str
) -> None:
    ran = run_verb(repository.check_out("develop"), "flow", **change(source, target, CHANGE_FORK="mallory"))
    assert ran.code == 3
    assert f"{source} of the fork mallory" in ran.stderr
    assert "never from a fork" in ran.stderr


@pytest.mark.parametrize(
    ("start", "brought"), [("staging", "Merge develop into staging"), ("master", "Merge staging into master")]
)
def test_a_branch_that_starts_from_staging_or_master_is_refused(
    repository: Repository, run_verb: RunVerb, start: str, brought: str
) -> None:
    repository.commit("work", branch="develop")
    repository.merge("develop", "staging")
    if start == "master":
        repository.merge("staging", "master")
    repository.branch("bugfix/late", start)
    repository.commit("mend", branch="bugfix/late")
    ran = run_verb(repository.check_out("bugfix/late"), "flow", **change("bugfix/late", "develop"))
    assert ran.code == 3
    assert brought in ran.stderr
    assert "mend" not in ran.stderr
    assert "branches start from develop" in ran.stderr


def test_a_commit_made_on_staging_never_reaches_master(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    repository.commit("hasty", branch="staging")
    ran = run_verb(repository.check_out("staging"), "flow", **change("staging", "master"))
    assert ran.code == 3
    assert "hasty" in ran.stderr


def test_a_push_has_nothing_to_check(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(repository.check_out("master"), "flow", BRANCH_NAME="master")
    assert (ran.code, ran.stdout) == (0, "master is no pull request: there is nothing to check.\n")


def test_a_laptop_asks_before_it_opens_a_pull_request(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("develop")
    assert run_verb(clone, "flow", "--branch", "develop", "--target", "staging").code == 0
    assert run_verb(clone, "flow", "--branch", "develop", "--target", "master").code == 3


def test_a_clone_of_one_branch_alone_is_told_what_it_lacks(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("develop")
    git(clone, "update-ref", "-d", "refs/remotes/origin/develop")
    ran = run_verb(clone, "flow", **change("develop", "staging"))
    assert ran.code == 2
    assert "does not have the branch 'develop'" in ran.stderr
    assert "git fetch origin" in ran.stderr


def shallow(repository: Repository, revision: str) -> Path:
    """A clone of the newest commits alone."""
    clone = repository.server.parent / "shallow"
    arguments = ("--quiet", "--depth=1", "--no-single-branch", f"--branch={revision}", f"file://{repository.server}")
    git(repository.server.parent, "clone", *arguments, str(clone))
    return clone


@pytest.mark.parametrize(("source", "target"), [("develop", "staging"), ("staging", "master")])
def test_a_shallow_clone_is_told_to_fetch_its_history(
    repository: Repository, run_verb: RunVerb, source: str, target: str
) -> None:
    repository.promote("work")
    clone = shallow(repository, source)
    ran = run_verb(clone, "flow", **change(source, target))
    assert ran.code == 2
    assert "This clone is shallow" in ran.stderr
    assert "git fetch --unshallow" in ran.stderr
    git(clone, "fetch", "--quiet", "--unshallow")
    assert run_verb(clone, "flow", **change(source, target)).code == 0


def merge_by_hand(repository: Repository, **files: str) -> None:
    """Merge develop into staging, with these files changed in the merge."""
    git(repository.server, "checkout", "--quiet", "--force", "staging")
    git(repository.server, "merge", "--quiet", "--no-ff", "--no-commit", "--strategy-option=theirs", "develop")
    for name, text in files.items():
        (repository.server / name).write_text(text, encoding="utf-8")
    git(repository.server, "add", "--all")
    git(repository.server, "commit", "--quiet", "--message", "Merge with more")


def old_git(directory: Path) -> str:
    """A PATH with a Git that has no `merge-tree --write-tree`."""
    directory.mkdir()
    real = shutil.which("git")
    script = f'#!/bin/sh\n[ "$1" != merge-tree ] || {{ echo usage: git merge-tree >&2; exit 129; }}\nexec {real} "$@"\n'
    (directory / "git").write_text(script, encoding="utf-8")
    (directory / "git").chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("git_is", ["new", "old"])
def test_content_that_came_in_with_a_merge_into_staging_never_reaches_master(
    repository: Repository, run_verb: RunVerb, tmp_path: Path, git_is: str
) -> None:
    path = {"PATH": old_git(tmp_path / "old")} if git_is == "old" else {}
    repository.promote("before")
    repository.commit("work", branch="develop")
    merge_by_hand(repository)
    assert run_verb(repository.check_out("staging"), "flow", **change("staging", "master"), **path).code == 0
    repository.commit("more", branch="develop")
    merge_by_hand(repository, slipped="in")
    ran = run_verb(repository.check_out("staging"), "flow", **change("staging", "master"), **path)
    assert ran.code == 3
    assert re.search("merges with content of their own.*: [0-9a-f]+ Merge with more", ran.stderr)
    assert "The rule: what is on staging or master came through develop" in ran.stderr


@pytest.mark.parametrize(("solved", "code"), [("develop's", 0), ("staging's", 3)])
def test_a_conflict_is_solved_as_develop_has_it_or_not_at_all(
    repository: Repository, run_verb: RunVerb, solved: str, code: int
) -> None:
    for branch in ("staging", "develop"):
        repository.commit("the same work", branch=branch, files={"page": f"{branch}'s"})
    merge_by_hand(repository, page=solved)
    # What staging had of its own is on develop by now, so only the merge is in question.
    git(repository.server, "checkout", "--quiet", "--force", "develop")
    git(repository.server, "merge", "--quiet", "--no-ff", "--strategy=ours", "--message", "Merge back", "staging^1")
    assert run_verb(repository.check_out("staging"), "flow", **change("staging", "master")).code == code


def test_what_is_on_master_already_is_not_looked_at_again(repository: Repository, run_verb: RunVerb) -> None:
    repository.commit("work", branch="develop")
    merge_by_hand(repository, slipped="in")
    repository.merge("staging", "master")
    repository.commit("more", branch="develop")
    repository.merge("develop", "staging")
    assert run_verb(repository.check_out("staging"), "flow", **change("staging", "master")).code == 0


def test_a_fork_is_a_fork_where_the_target_is_named_too(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(
        repository.check_out("develop"),
        "flow",
        "--target",
        "staging",
        **change("develop", "staging", CHANGE_FORK="ada"),
    )
    assert ran.code == 3
    assert "develop of the fork ada" in ran.stderr


@pytest.mark.parametrize("option", ["--target", "--branch"])
def test_a_branch_without_a_name_is_wrong_use(
    repository: Repository, run_verb: RunVerb, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_verb(repository.check_out("develop"), "flow", option, "", BRANCH_NAME="develop")
    assert ended.value.code == 2
    assert f"argument {option}: it is empty" in capsys.readouterr().err
