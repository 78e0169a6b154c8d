import os
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pipeline.github import GitHub
from pipeline.release import TAGGER, Version, next_version, sections, unreleased
from tests.pipeline.fake_github import FakeGitHub
from tests.pipeline.repository import Repository, RunVerb, git

CHANGELOG = """# Changelog

## Unreleased

### Added

- A door.

## [1.2.0] - 2026-11-01

- A window.
"""


@pytest.fixture
def github() -> Generator[FakeGitHub]:
    with FakeGitHub.serving() as fake:
        yield fake


def release(repository: Repository, run_verb: RunVerb, branch: str, **variables: str) -> str:
    """A build of a branch's head up to its release, and what that said."""
    ran = run_verb(repository.check_out(branch), "release", BRANCH_NAME=branch, **variables)
    assert ran.code == 0, ran.stderr
    return ran.stdout


def test_staging_gets_betas_and_master_the_version_they_were_for(repository: Repository, run_verb: RunVerb) -> None:
    expected: dict[str, str] = {}
    for number in range(2):
        on_staging, on_master = repository.promote(f"work-{number}")
        release(repository, run_verb, "staging")
        release(repository, run_verb, "master")
        expected |= {f"v0.1.{number}-beta.1": on_staging, f"v0.1.{number}": on_master}
    assert repository.tags() == expected


def test_betas_of_a_version_are_counted(repository: Repository, run_verb: RunVerb) -> None:
    for number in (2, 9, 10):
        git(repository.server, "tag", "--annotate", "--message=a beta", f"v0.1.0-beta.{number}", "staging")
    repository.commit("work", branch="develop")
    merge = repository.merge("develop", "staging")
    release(repository, run_verb, "staging")
    assert repository.tags()["v0.1.0-beta.11"] == merge


def test_commits_whose_build_gave_way_to_a_newer_one_are_released_too(
    repository: Repository, run_verb: RunVerb
) -> None:
    _, first = repository.promote("first")
    release(repository, run_verb, "master")
    _, second = repository.promote("second")
    _, third = repository.promote("third")
    release(repository, run_verb, "master")
    assert repository.tags() == {"v0.1.0": first, "v0.1.1": second, "v0.1.2": third}


def test_the_first_release_is_of_the_newest_commit_alone(repository: Repository, run_verb: RunVerb) -> None:
    for message in ("one", "two"):
        repository.promote(message)
    release(repository, run_verb, "staging")
    assert list(repository.tags().values()) == [repository.head("staging")]


def test_a_build_releases_nothing_that_came_after_it(repository: Repository, run_verb: RunVerb) -> None:
    _, first = repository.promote("first")
    older = repository.check_out("master")
    repository.promote("second")
    assert run_verb(older, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": first}


def test_a_second_run_does_nothing(repository: Repository, run_verb: RunVerb, github: FakeGitHub) -> None:
    repository.promote("work")
    release(repository, run_verb, "master", **github.environment)
    before = (repository.tags(), list(github.releases))
    assert "Every commit of master has a release already." in release(
        repository, run_verb, "master", **github.environment
    )
    assert (repository.tags(), github.releases) == before


def test_a_commit_that_heads_both_branches_has_a_release_of_each_kind(
    repository: Repository, run_verb: RunVerb
) -> None:
    release(repository, run_verb, "staging")
    release(repository, run_verb, "master")
    assert set(repository.tags()) == {"v0.1.0-beta.1", "v0.1.0"}
    assert len(set(repository.tags().values())) == 1


def test_a_new_version_in_the_changelog_is_taken_with_its_part(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work", files={"CHANGELOG.md": CHANGELOG})
    release(repository, run_verb, "master")
    repository.promote("more")
    release(repository, run_verb, "master")
    assert set(repository.tags()) == {"v1.2.0", "v1.2.1"}
    messages = [
        git(repository.server, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
        for tag in ("v1.2.0", "v1.2.1")
    ]
    assert messages == ["v1.2.0\n\n- A window.", "v1.2.1\n\n### Added\n\n- A door."]


def test_a_beta_is_published_as_a_pre_release_with_the_changelog(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub
) -> None:
    repository.promote("work", files={"CHANGELOG.md": CHANGELOG})
    release(repository, run_verb, "staging", **github.environment)
    release(repository, run_verb, "master", **github.environment)
    assert github.releases == [
        {"tag_name": "v1.2.0", "name": "v1.2.0", "body": "- A window.", "prerelease": False},
        {"tag_name": "v1.2.0-beta.1", "name": "v1.2.0-beta.1", "body": "- A window.", "prerelease": True},
    ]
    assert github.tokens == {"Bearer a-token"}


def test_what_github_refused_is_published_by_the_next_run(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub
) -> None:
    repository.promote("work")
    github.refuse = 403
    ran = run_verb(repository.check_out("master"), "release", BRANCH_NAME="master", **github.environment)
    assert ran.code == 1
    assert "Resource not accessible by integration" in ran.stderr
    assert "GITHUB_TOKEN" in ran.stderr
    github.refuse = 0
    release(repository, run_verb, "master", **github.environment)
    assert [entry["tag_name"] for entry in github.releases] == ["v0.1.0"]


def test_releases_beyond_githubs_first_page_are_known(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub
) -> None:
    repository.promote("work")
    release(repository, run_verb, "master")
    for tag in [*(f"v0.0.{number}" for number in range(100)), "v0.1.0"]:
        github.releases.append({"tag_name": tag})
    assert "Published" not in release(repository, run_verb, "master", **github.environment)


def test_a_github_out_of_reach_is_a_failure_with_a_way_out(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub
) -> None:
    ran = run_verb(
        repository.check_out("master"),
        "release",
        **{**github.environment, "BRANCH_NAME": "master", "GITHUB_API_URL": "http://127.0.0.1:1"},
    )
    assert ran.code == 1
    assert "GitHub did not answer" in ran.stderr


def test_a_missing_token_is_refused_before_anything_is_tagged(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(
        repository.check_out("master"), "release", BRANCH_NAME="master", GITHUB_REPOSITORY="someone/smallcase"
    )
    assert ran.code == 2
    assert "GITHUB_TOKEN is not set" in ran.stderr
    assert repository.tags() == {}


def test_a_dirty_tree_releases_nothing(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("master")
    (clone / "Pulumi.blue.yaml").write_text(
        "config:\n  smallcase:branch: master\n  smallcase:replicas: 9\n", encoding="utf-8"
    )
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 3
    assert "Pulumi.blue.yaml" in ran.stderr
    assert repository.tags() == {}


def test_a_commit_of_another_branch_is_not_released_as_this_one(repository: Repository, run_verb: RunVerb) -> None:
    repository.commit("work", branch="develop")
    repository.merge("develop", "staging")
    for revision in ("develop", "staging"):
        ran = run_verb(repository.check_out(revision), "release", BRANCH_NAME="master")
        assert ran.code == 3
        assert "is not on master" in ran.stderr
    repository.merge("staging", "master")
    assert run_verb(repository.check_out("develop"), "release", BRANCH_NAME="master").code == 3
    assert repository.tags() == {}


def test_a_branch_that_no_stack_deploys_releases_nothing(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("stop", files={"Pulumi.blue.yaml": "config: {}\n"})
    assert "No stack deploys master" in release(repository, run_verb, "master")
    assert repository.tags() == {}


@pytest.mark.parametrize("branch", ["develop", "feature/x"])
def test_a_branch_without_releases_says_so(repository: Repository, run_verb: RunVerb, branch: str) -> None:
    ran = run_verb(repository.check_out("develop"), "release", BRANCH_NAME=branch)
    assert ran.code == 0
    assert "there is nothing to" in ran.stdout
    assert repository.tags() == {}


def test_a_pull_request_releases_nothing(repository: Repository, run_verb: RunVerb) -> None:
    jenkins = {"CHANGE_ID": "7", "CHANGE_BRANCH": "staging", "CHANGE_TARGET": "master"}
    assert run_verb(repository.check_out("staging"), "release", **jenkins).code == 3
    assert repository.tags() == {}


def test_tags_that_origin_does_not_take_are_not_kept_either(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    hook = repository.server / ".git" / "hooks" / "pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho no tags today >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    clone = repository.check_out("master")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "no tags today" in ran.stderr
    assert git(clone, "tag") == ""
    hook.unlink()
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert set(repository.tags()) == {"v0.1.0"}


def test_a_version_that_was_given_meanwhile_is_not_given_again(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    staging = repository.check_out("staging")
    release(repository, run_verb, "master")
    assert run_verb(staging, "release", BRANCH_NAME="staging").code == 0
    assert set(repository.tags()) == {"v0.1.0", "v0.1.1-beta.1"}


def test_a_version_of_a_branch_that_is_gone_is_not_given_again(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("master")
    repository.branch("gone", "master")
    repository.commit("old work", branch="gone")
    git(repository.server, "tag", "--annotate", "--message=old", "v5.0.0", "gone")
    git(repository.server, "checkout", "--quiet", "--force", "master")
    git(repository.server, "branch", "-D", "gone")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert set(repository.tags()) == {"v5.0.0", "v5.0.1"}


def test_origin_takes_all_versions_or_none(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("first")
    release(repository, run_verb, "master")
    repository.promote("second")
    repository.promote("third")
    hook = repository.server / ".git" / "hooks" / "update"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\n[ "$1" != refs/tags/v0.1.2 ]\n', encoding="utf-8")
    hook.chmod(0o755)
    assert run_verb(repository.check_out("master"), "release", BRANCH_NAME="master").code == 1
    assert set(repository.tags()) == {"v0.1.0"}


def test_a_shallow_clone_releases_nothing_and_is_told_to_fetch_its_history(
    repository: Repository, run_verb: RunVerb
) -> None:
    repository.promote("first")
    release(repository, run_verb, "master")
    expected = {"v0.1.0", "v0.1.1", "v0.1.2"}
    for work in ("second", "third"):
        repository.promote(work)
    clone = repository.server.parent / "shallow"
    arguments = ("--quiet", "--depth=1", "--no-single-branch", "--branch=master", f"file://{repository.server}")
    git(repository.server.parent, "clone", *arguments, str(clone))
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 2
    assert "This clone is shallow" in ran.stderr
    assert "git fetch --unshallow" in ran.stderr
    assert set(repository.tags()) == {"v0.1.0"}
    git(clone, "fetch", "--quiet", "--unshallow")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert set(repository.tags()) == expected


def test_a_tag_that_is_another_one_on_origin_is_named_with_the_way_out(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = repository.check_out("master")
    for place in (clone, repository.server):
        git(place, "tag", "--annotate", f"--message=of {place}", "v1.0.0", "HEAD")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "This clone's v1.0.0 is not what origin has" in ran.stderr
    assert "`git tag --delete v1.0.0`" in ran.stderr
    git(clone, "tag", "--delete", "v1.0.0")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0


def test_an_origin_out_of_reach_is_a_failure_with_the_reason(repository: Repository, run_verb: RunVerb) -> None:
    clone = repository.check_out("master")
    git(clone, "remote", "set-url", "origin", str(repository.server.parent / "nowhere"))
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "could not be fetched" in ran.stderr
    assert "nowhere" in ran.stderr


def test_a_version_that_somebody_tagged_in_the_clone_is_no_release_and_stays_there(
    repository: Repository, run_verb: RunVerb
) -> None:
    _, merge = repository.promote("work")
    clone = repository.check_out("master")
    git(clone, "tag", "--annotate", "--message=mine", "v9.9.9")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": merge}


def test_a_version_that_a_run_made_and_did_not_push_is_pushed_by_the_next(
    repository: Repository, run_verb: RunVerb
) -> None:
    _, merge = repository.promote("work")
    clone = repository.check_out("master")
    made = ("-c", f"user.name={TAGGER['GIT_COMMITTER_NAME']}", "-c", f"user.email={TAGGER['GIT_COMMITTER_EMAIL']}")
    subprocess.run(
        ["git", *made, "tag", "--annotate", "--message=cut short", "v0.1.0"], cwd=clone, check=True, timeout=30
    )
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": merge}


def test_git_signs_in_to_github_alone_with_the_token_from_the_environment(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    github = GitHub.configured({"GITHUB_REPOSITORY": "someone/smallcase", "GITHUB_TOKEN": "a-token"})
    assert github
    options = github.git_options()
    assert not any("a-token" in option for option in options)
    # A machine may have a sign-in of its own, which is not ours to use.
    helper = "!f() { echo username=machine; echo password=machine; }; f"
    git(tmp_path, "config", "credential.helper", helper)
    answers: dict[str, str] = {}
    for host in ("github.com", "example.org"):
        answers[host] = _credential(tmp_path, host, options)
    assert "username=x-access-token\npassword=a-token" in answers["github.com"]
    assert "a-token" not in answers["example.org"]


def _credential(directory: Path, host: str, options: Sequence[str]) -> str:
    """What Git would sign in to a host with."""
    ran = subprocess.run(
        ["git", *options, "credential", "fill"],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "GITHUB_TOKEN": "a-token",
            "GIT_ASKPASS": "true",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        },
        input=f"protocol=https\nhost={host}\n\n",
        capture_output=True,
        encoding="utf-8",
        timeout=10,
        check=False,
    )
    return ran.stdout


def test_the_next_version_is_the_one_the_changelog_names_if_it_is_new() -> None:
    existing = [Version(number=(1, 2, 0), beta=None), Version(number=(1, 3, 0), beta=4)]
    assert next_version(existing, "1.3.0", beta=True).tag == "v1.3.0-beta.5"
    assert next_version(existing, "1.3.0", beta=False).tag == "v1.3.0"
    assert next_version(existing, "1.2.0", beta=False).tag == "v1.2.1"
    assert next_version(existing, None, beta=True).tag == "v1.2.1-beta.1"
    assert next_version([], None, beta=False).tag == "v0.1.0"


@pytest.mark.parametrize("tag", ["v1.2", "v01.2.3", "v1.2.3-rc.1", "v1.2.3-beta.0", "1.2.3", "v1.2.3-beta.1x"])
def test_tags_of_another_kind_are_no_versions(tag: str) -> None:
    assert Version.parse(tag) is None


def test_a_changelog_is_read_by_its_headings() -> None:
    assert sections(CHANGELOG) == {"Unreleased": "### Added\n\n- A door.", "1.2.0": "- A window."}
    assert sections("") == {}


def test_only_what_came_after_the_first_release_is_owed_one() -> None:
    assert unreleased(["a", "b", "c", "d"], ["b"]) == ["c", "d"]
    assert unreleased(["a", "b", "c", "d"], ["b", "d"]) == ["c"]
    assert unreleased(["a", "b"], ["elsewhere"]) == ["b"]
