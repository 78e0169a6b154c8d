import os
import re
import subprocess
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pipeline import record
from pipeline.checkout import Checkout
from pipeline.deadline import Deadline
from pipeline.github import GitHub
from pipeline.release import TAGGER, Version, named_version, next_version, owed, sections
from tests.pipeline.fake_github import Answer, FakeGitHub
from tests.pipeline.repository import IDENTITY, Ran, Repository, RunVerb, git, live, seen_live
from tests.stack_files import CHECKOUT

CHANGELOG = """# Changelog

## Unreleased

### Added

- A door.

## [1.2.0] - 2026-11-01

- A window.
"""


def tag_as_the_pipeline(directory: Path, tag: str, revision: str) -> None:
    """What a run that was cut short leaves, or somebody who takes the pipeline's name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TAGGER.items():
            patch.setitem(IDENTITY, name, value)
        git(directory, "tag", "--annotate", f"--message={tag}", tag, revision)


def tag_by_hand(directory: Path, tag: str, revision: str) -> None:
    git(directory, "tag", "--annotate", "--message=mine", tag, revision)


@pytest.fixture
def github() -> Generator[FakeGitHub]:
    with FakeGitHub.serving() as fake:
        yield fake


def release(repository: Repository, run_verb: RunVerb, branch: str, **variables: str) -> str:
    """A build of a branch's head up to its release, and what that said."""
    ran = run_verb(live(repository, branch), "release", BRANCH_NAME=branch, **variables)
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
        tag_as_the_pipeline(repository.server, f"v0.1.0-beta.{number}", "staging")
    repository.commit("work", branch="develop")
    merge = repository.merge("develop", "staging")
    release(repository, run_verb, "staging")
    assert repository.tags()["v0.1.0-beta.11"] == merge


def notes(repository: Repository, tag: str) -> str:
    return git(repository.server, "for-each-ref", "--format=%(contents:body)", f"refs/tags/{tag}")


def test_commits_that_were_never_live_are_named_by_the_next_release_and_have_none(
    repository: Repository, run_verb: RunVerb
) -> None:
    """Refused by the approver, superseded, or their pods did not get ready."""
    _, first = repository.promote("first")
    release(repository, run_verb, "master")
    passed_over = [repository.promote(message)[1] for message in ("second", "third")]
    _, fourth = repository.promote("fourth", files={"CHANGELOG.md": CHANGELOG})
    release(repository, run_verb, "master")
    assert repository.tags() == {"v0.1.0": first, "v1.2.0": fourth}
    named = git(repository.server, "log", "--no-walk=unsorted", "--format=- %h %s", *reversed(passed_over))
    assert notes(repository, "v1.2.0") == f"- A window.\n\n### Never live by themselves\n\n{named}"
    _, fifth = repository.promote("fifth")
    release(repository, run_verb, "master")
    assert repository.tags()["v1.2.1"] == fifth
    assert "Never live" not in notes(repository, "v1.2.1")


@pytest.mark.parametrize("state", ["nothing ran", "not seen", "another commit", "another stack", "deployed again"])
def test_what_was_not_deployed_and_seen_live_by_this_build_is_not_released(
    repository: Repository, run_verb: RunVerb, state: str
) -> None:
    repository.promote("first")
    clone = repository.check_out("master")
    checkout = Checkout.find(clone)
    if state == "not seen":
        record.deployed(checkout, "blue")
    elif state == "another commit":
        seen_live(clone, "blue")
        git(clone, "checkout", "--quiet", "--detach", "HEAD^")
    elif state == "another stack":
        record.deployed(checkout, "blue")
        record.seen(checkout, "green")
    elif state == "deployed again":
        seen_live(clone, "blue")
        record.forget(checkout)
        record.seen(checkout, "blue")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 3
    assert "The rule: only what was deployed and seen live is released." in ran.stderr
    assert repository.tags() == {}


@pytest.mark.parametrize("how", [[], ["--annotate", "--message=by hand"]])
def test_the_first_release_in_a_repository_with_releases_by_hand_is_one(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, how: list[str]
) -> None:
    commits = [repository.promote(f"work-{number}")[1] for number in range(4)]
    git(repository.server, "tag", *how, "v0.1.0", commits[0])
    release(repository, run_verb, "master", **github.environment)
    assert git(repository.server, "tag").split() == ["v0.1.0", "v0.1.1"]
    assert git(repository.server, "rev-parse", "v0.1.1^{commit}") == commits[-1]
    assert [release["tag_name"] for release in github.releases] == ["v0.1.1"]


@pytest.mark.parametrize("where", ["master", "develop", "gone"])
@pytest.mark.parametrize("tag", ["v99.0.0", "v99.0.0-beta.1", "v1.0.1\uff13"])
def test_a_tag_of_anybody_decides_no_number_and_stops_nothing(
    repository: Repository, run_verb: RunVerb, where: str, tag: str
) -> None:
    _, first = repository.promote("first")
    release(repository, run_verb, "master")
    _, second = repository.promote("second")
    repository.commit("more", branch="develop")
    repository.branch("gone", "develop")
    repository.commit("gone", branch="gone")
    # On the line of master by somebody; elsewhere in the pipeline's name, too.
    (tag_by_hand if where == "master" else tag_as_the_pipeline)(repository.server, tag, where)
    release(repository, run_verb, "master")
    release(repository, run_verb, "staging")
    tags = repository.tags()
    del tags[tag]
    assert tags == {"v0.1.0": first, "v0.1.1": second, "v0.1.2-beta.1": repository.head("staging")}


def test_a_name_that_somebody_took_is_passed_over_and_said(repository: Repository, run_verb: RunVerb) -> None:
    for tag in ("v1.2.0", "v1.2.1-beta.1"):
        tag_by_hand(repository.server, tag, "develop")
    repository.promote("work", files={"CHANGELOG.md": CHANGELOG})
    assert "v1.2.0 is a tag that this pipeline did not make: passed over." in release(repository, run_verb, "master")
    assert repository.tags()["v1.2.1"] == repository.head("master")
    repository.promote("more")
    assert "v1.2.2-beta.1" in release(repository, run_verb, "staging")


def test_the_first_release_is_of_the_newest_commit_alone(repository: Repository, run_verb: RunVerb) -> None:
    for message in ("one", "two"):
        repository.promote(message)
    release(repository, run_verb, "staging")
    assert list(repository.tags().values()) == [repository.head("staging")]


def test_a_build_releases_nothing_that_came_after_it(repository: Repository, run_verb: RunVerb) -> None:
    _, first = repository.promote("first")
    older = live(repository, "master")
    repository.promote("second")
    assert run_verb(older, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": first}


def test_a_second_run_does_nothing(repository: Repository, run_verb: RunVerb, github: FakeGitHub) -> None:
    repository.promote("work")
    release(repository, run_verb, "master", **github.environment)
    before = (repository.tags(), list(github.releases))
    assert "has a release already." in release(repository, run_verb, "master", **github.environment)
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
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master", **github.environment)
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
        live(repository, "master"),
        "release",
        **{**github.environment, "BRANCH_NAME": "master", "GITHUB_API_URL": "http://127.0.0.1:1"},
    )
    assert ran.code == 1
    assert "GitHub did not answer" in ran.stderr


def test_a_missing_token_is_refused_before_anything_is_tagged(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master", GITHUB_REPOSITORY="someone/smallcase")
    assert ran.code == 2
    assert "GITHUB_TOKEN is not set" in ran.stderr
    assert repository.tags() == {}


def test_a_dirty_tree_releases_nothing(repository: Repository, run_verb: RunVerb) -> None:
    clone = live(repository, "master")
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
        ran = run_verb(live(repository, revision, "master"), "release", BRANCH_NAME="master")
        assert ran.code == 3
        assert "is not on master" in ran.stderr
    repository.merge("staging", "master")
    assert run_verb(live(repository, "develop", "master"), "release", BRANCH_NAME="master").code == 3
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
    assert run_verb(live(repository, "staging"), "release", **jenkins).code == 3
    assert repository.tags() == {}


def test_tags_that_origin_does_not_take_are_not_kept_either(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    hook = repository.server / ".git" / "hooks" / "pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho no tags today >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    clone = live(repository, "master")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "no tags today" in ran.stderr
    assert git(clone, "tag") == ""
    hook.unlink()
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert set(repository.tags()) == {"v0.1.0"}


def test_a_version_that_was_given_meanwhile_is_not_given_again(repository: Repository, run_verb: RunVerb) -> None:
    repository.promote("work")
    staging = live(repository, "staging")
    release(repository, run_verb, "master")
    assert run_verb(staging, "release", BRANCH_NAME="staging").code == 0
    assert set(repository.tags()) == {"v0.1.0", "v0.1.1-beta.1"}


def test_origin_takes_all_versions_or_none(repository: Repository, run_verb: RunVerb) -> None:
    _, first = repository.promote("first")
    repository.promote("second")
    hook = repository.server / ".git" / "hooks" / "update"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\n[ "$1" != refs/tags/v0.1.1 ]\n', encoding="utf-8")
    hook.chmod(0o755)
    clone = live(repository, "master")
    tag_as_the_pipeline(clone, "v0.1.0", first)
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 1
    assert repository.tags() == {}
    hook.unlink()
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": first, "v0.1.1": repository.head("master")}


def test_a_shallow_clone_releases_nothing_and_is_told_to_fetch_its_history(
    repository: Repository, run_verb: RunVerb
) -> None:
    repository.promote("first")
    clone = repository.server.parent / "shallow"
    arguments = ("--quiet", "--depth=1", "--no-single-branch", "--branch=master", f"file://{repository.server}")
    git(repository.server.parent, "clone", *arguments, str(clone))
    seen_live(clone, "blue")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 2
    assert "This clone is shallow" in ran.stderr
    assert "git fetch --unshallow" in ran.stderr
    assert repository.tags() == {}
    git(clone, "fetch", "--quiet", "--unshallow")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert set(repository.tags()) == {"v0.1.0"}


def test_a_tag_that_is_another_one_on_origin_is_named_with_the_way_out(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = live(repository, "master")
    for place in (clone, repository.server):
        git(place, "tag", "--annotate", f"--message=of {place}", "v1.0.0", "HEAD")
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "This clone's v1.0.0 is not what origin has" in ran.stderr
    assert "`git tag --delete v1.0.0`" in ran.stderr
    git(clone, "tag", "--delete", "v1.0.0")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0


def test_an_origin_out_of_reach_is_a_failure_with_the_reason(repository: Repository, run_verb: RunVerb) -> None:
    clone = live(repository, "master")
    git(clone, "remote", "set-url", "origin", str(repository.server.parent / "nowhere"))
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 1
    assert "could not be fetched" in ran.stderr
    assert "nowhere" in ran.stderr


def test_a_version_that_somebody_tagged_in_the_clone_is_no_release_and_stays_there(
    repository: Repository, run_verb: RunVerb
) -> None:
    _, merge = repository.promote("work")
    clone = live(repository, "master")
    git(clone, "tag", "--annotate", "--message=mine", "v9.9.9")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": merge}


def test_a_version_that_a_run_made_and_did_not_push_is_pushed_by_the_next(
    repository: Repository, run_verb: RunVerb
) -> None:
    _, merge = repository.promote("work")
    clone = live(repository, "master")
    tag_as_the_pipeline(clone, "v0.1.0", "HEAD")
    assert run_verb(clone, "release", BRANCH_NAME="master").code == 0
    assert repository.tags() == {"v0.1.0": merge}


def test_git_signs_in_to_github_alone_with_the_token_from_the_environment(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    github = GitHub.configured(
        {"GITHUB_REPOSITORY": "someone/smallcase", "GITHUB_TOKEN": "a-token"}, Deadline.after(60)
    )
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
    assert next_version(existing, "1.3.0", (), beta=True).tag == "v1.3.0-beta.5"
    assert next_version(existing, "1.3.0", (), beta=False).tag == "v1.3.0"
    assert next_version(existing, "1.2.0", (), beta=False).tag == "v1.2.1"
    assert next_version(existing, None, (), beta=True).tag == "v1.2.1-beta.1"
    assert next_version([], None, (), beta=False).tag == "v0.1.0"
    assert next_version(existing, None, {"v1.2.1", "v1.2.2-beta.1"}, beta=True).tag == "v1.2.2-beta.2"


@pytest.mark.parametrize(
    "tag", ["v1.2", "v01.2.3", "v1.2.3-rc.1", "v1.2.3-beta.0", "1.2.3", "v1.2.3-beta.1x", "v1.0.1\uff13"]
)
def test_tags_of_another_kind_are_no_versions(tag: str) -> None:
    assert Version.parse(tag) is None


def test_a_changelog_is_read_by_its_headings() -> None:
    assert sections(CHANGELOG) == {"Unreleased": "### Added\n\n- A door.", "1.2.0": "- A window."}
    assert sections("") == {}


@pytest.mark.parametrize(
    "heading", ["## v1.3.0", "## [v1.3.0] - 2026-11-01", "##  V1.3.0", "  ##\t1.3.0", "## [1.3.0](https://example.org)"]
)
def test_a_heading_names_its_version_in_any_of_the_usual_ways(heading: str) -> None:
    changelog = sections(f"# Changelog\n\n## Unreleased\n\n- A door.\n\n{heading}\n\n- A roof.\n{CHANGELOG}")
    assert named_version(changelog) == "1.3.0"
    assert changelog["1.3.0"] == "- A roof.\n# Changelog"


@pytest.mark.parametrize("heading", ["## Version 1.3.0", "## 1.3", "## [1.3.0-beta.1]", "## 1.3.0\uff13", "## Notes"])
def test_a_heading_that_names_no_version_releases_nothing_and_is_quoted(
    repository: Repository, run_verb: RunVerb, heading: str
) -> None:
    repository.promote("work", files={"CHANGELOG.md": f"# Changelog\n\n## Unreleased\n\n{heading}\n\n- A roof.\n"})
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master")
    assert ran.code == 3
    assert (
        f"begins with {heading.removeprefix('## ').strip('[]').partition(' ')[0]!r}, which is no version" in ran.stderr
    )
    assert "`## [1.3.0]`" in ran.stderr
    assert repository.tags() == {}


def test_the_changelog_of_this_project_can_be_released() -> None:
    changelog = sections((CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8"))
    named_version(changelog)
    assert changelog["Unreleased"]


def test_a_head_without_a_release_is_owed_one(repository: Repository, run_verb: RunVerb) -> None:
    _, merge = repository.promote("work")
    checkout = Checkout.find(live(repository, "master"))
    assert owed(checkout, "master") == (
        f"{merge[:7]} (Merge staging into master) of master has no release: "
        "it was not seen live yet, was not approved, or failed."
    )
    tag_by_hand(checkout.root, "v9.9.9", merge)
    tag_as_the_pipeline(checkout.root, "v0.1.0-beta.1", merge)
    assert owed(checkout, "master")
    assert run_verb(checkout.root, "release", BRANCH_NAME="master").code == 0
    assert owed(checkout, "master") == ""
    assert owed(checkout, "develop") == ""


def published(repository: Repository, run_verb: RunVerb, github: FakeGitHub, *answers: Answer) -> Ran:
    """A release whose requests to GitHub are answered so."""
    repository.promote("work")
    github.answers = list(answers)
    return run_verb(
        live(repository, "master"), "release", "--deadline", "4s", BRANCH_NAME="master", **github.environment
    )


NO_RELEASES: Answer = (200, {}, [])


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("request_", ["GET", "POST"])
def test_a_redirection_is_followed_by_nothing_and_the_token_stays_here(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, code: int, request_: str
) -> None:
    with FakeGitHub.serving() as elsewhere:
        address = elsewhere.environment["GITHUB_API_URL"] + "/repos/someone/smallcase/releases?per_page=1&page=1"
        moved: Answer = (code, {"Location": address}, {"message": "Moved"})
        answers = [moved] if request_ == "GET" else [NO_RELEASES, moved]
        ran = published(repository, run_verb, github, *answers)
        assert elsewhere.requests == []
        assert elsewhere.tokens == set()
    assert ran.code == 1
    assert f"GitHub refused ({code})" in ran.stderr
    assert f"It leads to {address}. Let GITHUB_REPOSITORY and GITHUB_API_URL say where it is now." in ran.stderr
    assert "Published" not in ran.stdout
    release(repository, run_verb, "master", **github.environment)
    assert [entry["tag_name"] for entry in github.releases] == ["v0.1.0"]


def test_a_draft_is_no_release(repository: Repository, run_verb: RunVerb, github: FakeGitHub) -> None:
    repository.promote("work")
    github.releases.append({"tag_name": "v0.1.0", "draft": True})
    assert "Published v0.1.0" in release(repository, run_verb, "master", **github.environment)


SAYS_SOMETHING_ELSE: list[list[Answer]] = [
    [(200, {}, {"message": "Server error"})],
    [(200, {}, ["a release"])],
    [(200, {}, [{"message": "no tag"}])],
    [NO_RELEASES, (200, {}, {"message": "Server error"})],
    [NO_RELEASES, (200, {}, [])],
    [NO_RELEASES, (201, {}, {"tag_name": "v0.1.0", "draft": True})],
    [NO_RELEASES, (201, {}, {"tag_name": "v0.0.9"})],
]


@pytest.mark.parametrize("answers", SAYS_SOMETHING_ELSE)
def test_an_answer_that_says_something_else_is_no_publication(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, answers: list[Answer]
) -> None:
    ran = published(repository, run_verb, github, *answers)
    assert ran.code == 1
    assert "GitHub did not answer with" in ran.stderr
    assert "run it again, it publishes what is missing" in ran.stderr
    assert "Published" not in ran.stdout


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        (403, {"Retry-After": "1"}),
        (429, {"Retry-After": "1"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
    ],
)
def test_a_limit_of_requests_that_ends_in_time_is_waited_for(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, code: int, headers: dict[str, str]
) -> None:
    limited: Answer = (code, headers, {"message": "API rate limit exceeded"})
    ran = published(repository, run_verb, github, NO_RELEASES, limited)
    assert ran.code == 0, ran.stderr
    assert [entry["tag_name"] for entry in github.releases] == ["v0.1.0"]
    assert github.requests.count("POST /repos/someone/smallcase/releases") == 2


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        (403, {"Retry-After": "3600"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}),
        (403, {}),
        (429, {"Retry-After": "Thu, 26 Nov 2099 00:00:00 GMT"}),
    ],
)
def test_a_limit_of_requests_that_outlasts_the_deadline_is_told_at_once(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, code: int, headers: dict[str, str]
) -> None:
    limited: Answer = (code, headers, {"message": "You have exceeded a secondary rate limit"})
    started = time.monotonic()
    ran = published(repository, run_verb, github, limited)
    assert ran.code == 1
    assert re.search(r"takes requests for someone/smallcase again in \d+ seconds, .* within 4 s", ran.stderr)
    assert "the right to write" not in ran.stderr
    assert time.monotonic() - started < 4


def test_an_answer_that_drips_ends_at_the_deadline(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub
) -> None:
    github.pause = 0.5
    started = time.monotonic()
    ran = published(repository, run_verb, github, (200, {}, ["x" * 1000]))
    assert ran.code == 1
    assert "no whole answer within 4 s" in ran.stderr
    assert time.monotonic() - started < 8


def test_an_origin_that_never_answers_ends_at_the_deadline(
    repository: Repository, run_verb: RunVerb, tmp_path: Path
) -> None:
    clone = live(repository, "master")
    (tmp_path / "ssh").write_text("#!/bin/sh\nexec sleep 20\n", encoding="utf-8")
    (tmp_path / "ssh").chmod(0o755)
    git(clone, "remote", "set-url", "origin", "ssh://nowhere.invalid/smallcase")
    started = time.monotonic()
    ran = run_verb(clone, "release", "--deadline", "1s", BRANCH_NAME="master", GIT_SSH_COMMAND=str(tmp_path / "ssh"))
    assert ran.code == 1
    assert "did not end within 1 seconds" in ran.stderr
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("token", ["two\nlines-of-it", "with space", "é-token"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(
    repository: Repository, run_verb: RunVerb, github: FakeGitHub, token: str
) -> None:
    variables = {**github.environment, "GITHUB_TOKEN": token, "BRANCH_NAME": "master"}
    ran = run_verb(live(repository, "master"), "release", **variables)
    assert ran.code == 2
    assert "GITHUB_TOKEN has a space, a line end" in ran.stderr
    assert not any(part in ran.stdout + ran.stderr for part in ("lines-of-it", "with space", "é"))
