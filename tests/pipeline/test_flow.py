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
