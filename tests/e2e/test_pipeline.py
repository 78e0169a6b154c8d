"""A change on its way to production, and some that do not get there: each build runs what the Jenkinsfile says."""

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Final, NamedTuple

import pytest

from pipeline import flow
from tests.e2e.conftest import ENVIRONMENTS, Rehearsal, make
from tests.e2e.jenkins import Finished, Jenkins
from tests.jenkins.builds import pull_request, push
from tests.pipeline.fake_github import FakeGitHub
from tests.pipeline.repository import Repository, git
from tests.stack_files import CHECKOUT, own_values

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

STACKS: Final = {"develop": "develop", "staging": "green", "master": "blue"}
"""The stack of each branch, in the order of promotion."""

INTO_DEVELOP: Final = pull_request("feature/page", "develop")
INTO_STAGING: Final = pull_request("develop", "staging")
INTO_MASTER: Final = pull_request("staging", "master")
STRAIGHT_INTO_MASTER: Final = pull_request("feature/page", "master")
OF_A_FORK: Final = pull_request("develop", "staging", fork="mallory")
NIGHT: Final = push("staging", cause="TimerTriggerCause")
PUSHES: Final = {branch: push(branch) for branch in STACKS}

TESTED: Final = ("flow", "test")
PREVIEWED: Final = [(verb, "preview") for verb in (*TESTED, "preview")]
DELIVERED: Final = [(verb, "open") for verb in (*TESTED, "preview", "deploy", "verify")]
RELEASED: Final = [(verb, "deploy") for verb in (*TESTED, "preview", "deploy", "verify", "release")]
APPROVED: Final = [(verb, "deploy") for verb in (*TESTED, "preview", "reproduce", "deploy", "verify", "release")]
VERBS: Final = {"develop": DELIVERED, "staging": RELEASED, "master": APPROVED}


@pytest.fixture(scope="module")
def jenkins(rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Generator[Jenkins]:
    """Jenkins with a repository of this program; afterwards every environment is back at the checkout's version."""
    directory = tmp_path_factory.mktemp("jenkins")
    server = directory / "repository" / "server"
    server.mkdir(parents=True)
    git(server, "init", "--quiet", "--initial-branch=master", "--template=")
    git(server, "fetch", "--quiet", "--no-tags", str(CHECKOUT), "HEAD")
    git(server, "reset", "--quiet", "--hard", "FETCH_HEAD")
    for branch in ("staging", "develop"):
        git(server, "branch", branch)
    scenarios = (INTO_DEVELOP, INTO_STAGING, INTO_MASTER, STRAIGHT_INTO_MASTER, OF_A_FORK, NIGHT, *PUSHES.values())
    with FakeGitHub.serving() as github:
        repository = Repository(server=server)
        yield Jenkins.create(repository, github, directory, rehearsal.standing, *scenarios)
    make("rehearse")


def change(repository: Repository, file: str, before: str, after: str, *, branch: str) -> None:
    """A commit on a branch that changes a file."""
    text = git(repository.server, "show", f"{branch}:{file}") + "\n"
    assert before in text, f"{file} no longer has {before!r}"
    repository.commit(f"change {file}", branch=branch, files={file: text.replace(before, after)})


def versions(rehearsal: Rehearsal) -> Mapping[str, str]:
    """The version that each environment's page shows."""
    return {stack: rehearsal.page(stack).version for stack in ENVIRONMENTS}


def succeeded(build: Finished) -> Finished:
    assert build.failed is None, build.failed
    return build


def preview_of(stack: str, build: Finished) -> None:
    """A pull request was shown what merging would do to a stack, by somebody who may not do it."""
    assert succeeded(build).verbs == PREVIEWED
    report = build.archived["reports/preview.md"]
    assert report.startswith(f"## `{stack}` ")
    assert re.search(r"^\| changed \| `deployment` \|", report, re.MULTILINE), report
    assert re.search(rf"^Image: `\S+:{stack}-[\w-]+` → `\S+:{stack}-[\w-]+`$", report, re.MULTILINE), report
    assert "Previewed without the right to change anything" in report


def test_a_change_reaches_production_branch_by_branch_and_page_by_page(rehearsal: Rehearsal, jenkins: Jenkins) -> None:
    repository = jenkins.repository
    live = versions(rehearsal)
    repository.branch("feature/page", "develop")
    change(repository, "app/smallcase/templates/page.html", "<h1", "<h1 data-promoted", branch="feature/page")

    for number, (branch, stack) in enumerate(STACKS.items()):
        asked = (INTO_DEVELOP, INTO_STAGING, INTO_MASTER)[number]
        preview_of(stack, jenkins.build(asked))
        assert versions(rehearsal) == live

        merge = repository.merge(str(asked.source), branch)
        delivered = succeeded(jenkins.build(PUSHES[branch]))
        assert delivered.verbs == VERBS[branch]
        assert delivered.said("verify").splitlines()[-1] == rehearsal.url(stack)
        live = {**live, stack: merge[:12]}
        assert versions(rehearsal) == live
        assert rehearsal.page(stack).colour == own_values(stack)["smallcase:colour"]
        shown = [report.splitlines()[0] for report in delivered.approved]
        assert shown == ([f"## `blue` (branch master) at `{merge[:12]}`"] if branch == "master" else [])
        tested = f"it is what `green` runs: `{rehearsal.page('green').digest}`"
        assert [tested in report for report in delivered.approved] == [True] * len(shown)

    assert len({rehearsal.page(stack).digest for stack in ENVIRONMENTS}) == 1
    betas, stable = (repository.head(branch) for branch in ("staging", "master"))
    released = {release["tag_name"]: release["prerelease"] for release in jenkins.github.releases}
    assert repository.tags() == {"v0.1.0-beta.1": betas, "v0.1.0": stable}
    assert released == {"v0.1.0-beta.1": True, "v0.1.0": False}


def test_what_somebody_changed_by_hand_is_found_at_night_until_it_is_undone(
    rehearsal: Rehearsal, jenkins: Jenkins
) -> None:
    def scale(replicas: int) -> None:
        to = ("--namespace=smallcase-green", "deployment/smallcase", f"--replicas={replicas}")
        scaled = rehearsal.shell("kubectl", "scale", *to)
        assert scaled.returncode == 0, scaled.stderr

    assert succeeded(jenkins.build(NIGHT)).verbs == [("drift", "deploy"), ("hooks", "deploy")]
    scale(3)
    try:
        found = jenkins.build(NIGHT).failed
    finally:
        scale(2)
    assert found
    assert found.ran.code == 4
    assert "| changed | `deployment` | kubernetes:apps/v1:Deployment | `spec.replicas` |" in found.ran.stdout
    succeeded(jenkins.build(NIGHT))


DAMAGE: Final[Mapping[str, Sequence[str]]] = {
    "the namespace is gone": ("delete", "namespace", "smallcase-develop"),
    "the Deployment is gone": ("delete", "--namespace=smallcase-develop", "deployment/smallcase"),
    "Service and Ingress are gone": (
        "delete",
        "--namespace=smallcase-develop",
        "service/smallcase",
        "ingress/smallcase",
    ),
    "no pod is wanted": ("scale", "--namespace=smallcase-develop", "deployment/smallcase", "--replicas=0"),
    "another image is wanted": (
        *("set", "image", "--namespace=smallcase-develop", "deployment/smallcase"),
        f"smallcase=localhost:1/smallcase:hotfix@sha256:{'b' * 64}",
    ),
}
"""What people do with kubectl."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_somebody_did_by_hand_is_undone_by_the_next_build_of_the_same_commit(
    rehearsal: Rehearsal, jenkins: Jenkins, damage: str
) -> None:
    live = versions(rehearsal)
    done = rehearsal.shell("kubectl", *DAMAGE[damage])
    assert done.returncode == 0, done.stderr
    build = succeeded(jenkins.build(PUSHES["develop"]))
    assert build.verbs == DELIVERED
    assert "somebody changed the cluster by hand" in build.archived["reports/preview.md"]
    assert versions(rehearsal) == live
    again = succeeded(jenkins.build(PUSHES["develop"]))
    assert "by hand" not in again.archived["reports/preview.md"]


def test_a_pull_request_past_staging_is_refused_before_anything_else_runs(jenkins: Jenkins) -> None:
    build = jenkins.build(STRAIGHT_INTO_MASTER)
    assert build.failed
    assert (build.verbs, build.failed.ran.code) == ([("flow", "preview")], 3)
    assert f"The rule: {flow.RULES['master']}." in build.failed.ran.stderr


def test_a_pull_request_of_a_fork_runs_nothing(jenkins: Jenkins) -> None:
    assert jenkins.build(OF_A_FORK).commands == []


def test_a_failing_test_keeps_a_change_from_every_environment(rehearsal: Rehearsal, jenkins: Jenkins) -> None:
    live = versions(rehearsal)
    change(jenkins.repository, "app/smallcase/colour.py", "def ", "broken = 1 / 0\n\n\ndef ", branch="develop")
    build = jenkins.build(PUSHES["develop"])
    assert build.failed
    assert (build.verbs, build.failed.ran.code) == (DELIVERED[:2], 1)
    assert versions(rehearsal) == live
    change(jenkins.repository, "app/smallcase/colour.py", "broken = 1 / 0\n\n\n", "", branch="develop")


class Broken(NamedTuple):
    """A change that does not run, and what its build says of it."""

    file: str
    before: str
    after: str
    says: Sequence[str]


NO_IMAGE: Final = Broken("app/Dockerfile", "USER 10001", "RUN echo on purpose && false\nUSER 10001", ["on purpose"])
NEVER_READY: Final = Broken(
    "app/smallcase/web.py",
    "if drain.is_draining():\n            return Response(",
    "if True:\n            return Response(",
    # The role of `develop` reads no logs.
    ["\n  event Unhealthy: Readiness probe failed", "\n  its log is not for this role: kubectl logs "],
)


@pytest.mark.parametrize("broken", [NO_IMAGE, NEVER_READY], ids=["no image", "never ready"])
def test_a_version_that_does_not_run_fails_its_build_and_the_one_before_serves(
    rehearsal: Rehearsal, jenkins: Jenkins, broken: Broken
) -> None:
    live = versions(rehearsal)
    change(jenkins.repository, broken.file, broken.before, broken.after, branch="develop")
    build = jenkins.build(PUSHES["develop"])
    assert build.failed
    assert (build.verbs, build.failed.ran.code) == (DELIVERED[:4], 1)
    said = build.failed.ran.stderr
    assert [words for words in broken.says if words not in said] == [], said
    assert "The previous version serves." in said
    assert "Traceback" not in said
    assert versions(rehearsal) == live
    change(jenkins.repository, broken.file, broken.after, broken.before, branch="develop")
