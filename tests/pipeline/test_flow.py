import os
import re
import shutil
from pathlib import Path

import pytest

from tests.pipeline.repository import IDENTITY, Repository, RunVerb, git


def change(source: str, target: str, **variables: str) -> dict[str, str]:
    """What Jenkins sets for a pull request."""
    jenkins = {"BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_BRANCH": source, "CHANGE_TARGET": target}
    return {**jenkins, **variables}


@pytest.mark.parametrize(
    "source",
    [
        "feature/x",
        "bugfix/y",
        "devfix-z",
        "revert-12-feature/x",
        "renovate/flask-3.x",
        "dependabot/pip/flask-3.1.3",
        "dependabot-pip-flask-3.1.3",
    ],
)
def test_branches_of_people_of_bots_and_of_githubs_button_may_go_into_develop(
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


FROM_STAGING = "master takes pull requests from staging and, where production is broken, from hotfix/… only"
FROM_DEVELOP = "staging takes pull requests from develop, and master back, only"
WORK = "develop takes pull requests from feature/…, bugfix/… and devfix/…, from revert-…, renovate/… and dependabot/…"


@pytest.mark.parametrize(
    ("source", "target", "rule"),
    [
        ("feature/x", "master", FROM_STAGING),
        ("develop", "master", FROM_STAGING),
        ("hotfix", "master", FROM_STAGING),
        ("feature/x", "staging", FROM_DEVELOP),
        ("experiment", "develop", WORK),
        ("feature/x", "feature/y", "pull requests go into develop, staging or master only"),
    ],
)
def test_every_other_way_is_refused_and_the_rule_quoted(
    repository: Repository, run_verb: RunVerb, source: str, target: str, rule: str
) -> None:
    ran = run_verb(repository.check_out("develop"), "flow", **change(source, target))
    assert ran.code == 3
    assert f"The rule: {rule}" in ran.stderr
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


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        ("revert-34-staging", "master", "deploy the last image, or push it as hotfix/…"),
        ("revert-33-develop", "staging", "Open it into develop, and promote that"),
        ("renovate/flask-3.x", "master", "Merge it into develop, and promote that"),
        ("dependabot/pip/flask", "staging", "a bot is told its target"),
        ("hotfix/x", "develop", "Open it into master. What was merged there goes back"),
        ("hotfix/x", "staging", "Open it into master. What was merged there goes back"),
        ("develop", "master", "docs/recovery.md, Production is broken"),
    ],
)
def test_what_may_not_go_this_way_is_told_which_it_may(
    repository: Repository, run_verb: RunVerb, source: str, target: str, way: str
) -> None:
    ran = run_verb(repository.check_out("develop"), "flow", **change(source, target))
    assert ran.code == 3
    assert way in ran.stderr


def may(repository: Repository, run_verb: RunVerb, source: str, target: str) -> str:
    """Empty where a pull request may be merged, which it then is; else what it is told."""
    ran = run_verb(repository.check_out(source), "flow", **change(source, target))
    if ran.code == 0:
        repository.merge(source, target)
    return ran.stderr


def shown(repository: Repository, branch: str, name: str) -> str:
    """A file as a branch has it; empty where it has none."""
    listed = git(repository.server, "ls-tree", "--name-only", branch, name)
    return git(repository.server, "show", f"{branch}:{name}") if listed else ""


def test_a_fix_made_on_staging_and_copied_to_develop_is_promoted(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    fix = repository.commit("fix", branch="staging")
    repository.branch("bugfix/copy", "develop")
    git(repository.server, "checkout", "--quiet", "--force", "bugfix/copy")
    git(repository.server, "cherry-pick", fix)
    assert "fix" in may(repository, run_verb, "staging", "master")
    for source, target in (("bugfix/copy", "develop"), ("develop", "staging"), ("staging", "master")):
        assert may(repository, run_verb, source, target) == ""
    repository.commit("more", branch="develop")
    assert may(repository, run_verb, "develop", "staging") == ""
    assert may(repository, run_verb, "staging", "master") == ""


@pytest.mark.parametrize("came", ["as a commit", "with a merge"])
@pytest.mark.parametrize("wanted", [True, False])
def test_what_was_made_on_staging_is_merged_back_kept_or_taken_out_and_promoted_as_the_message_says(
    repository: Repository, run_verb: RunVerb, came: str, wanted: bool
) -> None:
    repository.promote("work")
    if came == "as a commit":
        repository.commit("slipped", branch="staging", files={"slipped": "in"})
    else:
        repository.commit("more", branch="develop")
        merge_by_hand(repository, slipped="in")
    told = may(repository, run_verb, "staging", "master")
    assert "Merge staging back into develop in a pull request, take out there what should not be" in told
    assert may(repository, run_verb, "staging", "develop") == ""
    if not wanted:
        repository.branch("bugfix/out", "develop")
        git(repository.server, "checkout", "--quiet", "--force", "bugfix/out")
        git(repository.server, "rm", "--quiet", "slipped")
        git(repository.server, "commit", "--quiet", "--message", "Take it out")
        assert may(repository, run_verb, "bugfix/out", "develop") == ""
    assert may(repository, run_verb, "develop", "staging") == ""
    assert may(repository, run_verb, "staging", "master") == ""
    assert shown(repository, "master", "slipped") == ("in" if wanted else "")


@pytest.mark.parametrize("fast_forward", [True, False])
def test_a_branch_that_starts_from_develop_merges_staging_back(
    repository: Repository, run_verb: RunVerb, fast_forward: bool
) -> None:
    """Where the pull request of staging itself conflicts; or where nothing is new, whatever its name."""
    repository.promote("work")
    repository.branch("bugfix/back", "develop")
    if not fast_forward:
        repository.commit("conflict", branch="staging", files={"page": "staging's"})
        repository.commit("conflict", branch="bugfix/back", files={"page": "develop's"})
    git(repository.server, "checkout", "--quiet", "--force", "bugfix/back")
    git(repository.server, "merge", "--quiet", "--strategy-option=theirs", "--message", "Merge staging back", "staging")
    assert may(repository, run_verb, "bugfix/back", "develop") == ""
    assert may(repository, run_verb, "develop", "staging") == ""
    assert may(repository, run_verb, "staging", "master") == ""


def test_what_is_merged_back_under_a_branchs_name_is_what_origin_has(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    repository.branch("forged", "master")
    repository.commit("forged work", branch="forged")
    for target in ("develop", "staging"):
        ran = run_verb(repository.check_out("forged"), "flow", **change("master", target))
        assert ran.code == 3
        assert "forged work" in ran.stderr
        assert "a branch is merged back as origin has it" in ran.stderr


def broken(repository: Repository) -> None:
    """Production is broken, staging is ahead of it and develop ahead of both, neither of them ready."""
    repository.promote("good", files={"page": "good"})
    repository.promote("bad", files={"page": "bad"})
    repository.commit("next", branch="develop")
    repository.merge("develop", "staging")
    repository.commit("unready", branch="develop", files={"unready": "work"})


def test_a_broken_production_is_mended_by_a_hotfix_that_goes_back_to_develop_before_anything_is_promoted(
    repository: Repository, run_verb: RunVerb
) -> None:
    broken(repository)
    repository.branch("hotfix/page", "master")
    repository.commit("mend", branch="hotfix/page", files={"page": "mended"})
    assert may(repository, run_verb, "hotfix/page", "master") == ""
    assert (shown(repository, "master", "page"), shown(repository, "master", "unready")) == ("mended", "")
    told = may(repository, run_verb, "develop", "staging")
    assert re.search("develop lacks what is on master: [0-9a-f]+ mend", told)
    assert "The rule: a hotfix is merged back into develop before anything is promoted again" in told
    assert may(repository, run_verb, "master", "develop") == ""
    assert may(repository, run_verb, "master", "staging") == ""
    # What was on staging before goes on, without what develop has since.
    assert may(repository, run_verb, "staging", "master") == ""
    assert (shown(repository, "master", "next.txt"), shown(repository, "master", "unready")) == ("next", "")
    assert may(repository, run_verb, "develop", "staging") == ""
    assert may(repository, run_verb, "staging", "master") == ""
    for branch in ("develop", "staging", "master"):
        assert (shown(repository, branch, "page"), shown(repository, branch, "unready")) == ("mended", "work")


@pytest.mark.parametrize(
    ("start", "brought"), [("develop", "unready"), ("staging", "next"), ("work merged in", "unready")]
)
def test_a_hotfix_brings_nothing_that_is_on_develop_or_staging_alone(
    repository: Repository, run_verb: RunVerb, start: str, brought: str
) -> None:
    broken(repository)
    repository.branch("hotfix/page", "master" if start == "work merged in" else start)
    repository.commit("mend", branch="hotfix/page", files={"page": "mended"})
    if start == "work merged in":
        repository.merge("develop", "hotfix/page")
    told = may(repository, run_verb, "hotfix/page", "master")
    assert brought in told
    assert "mend;" not in told
    assert "The rule: a hotfix starts from master and brings its own commits alone" in told


def test_dates_of_commits_change_no_answer(repository: Repository, run_verb: RunVerb) -> None:
    """The initial commit is dated in the future, as on a machine whose clock was wrong."""
    git(repository.server, "checkout", "--quiet", "--force", "master")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            patch.setitem(IDENTITY, name, "2099-01-01T00:00:00Z")
        git(repository.server, "commit", "--quiet", "--amend", "--no-edit", "--date=2099-01-01T00:00:00Z")
    for branch in ("staging", "develop"):
        git(repository.server, "branch", "--force", branch, "master")
    for number in range(12):
        repository.commit(f"work-{number}", branch="develop")
    for source, target in (("develop", "staging"), ("staging", "master")):
        assert may(repository, run_verb, source, target) == ""
    repository.branch("feature/x", "develop")
    repository.commit("more", branch="feature/x")
    assert may(repository, run_verb, "feature/x", "develop") == ""


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
