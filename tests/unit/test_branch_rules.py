"""The branch rules as the program registers them, under mocks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from infra.branch_rules import OWNERS, BranchRules, require_owners
from infra.settings import GitHub, SettingsError, parse
from tests.graph import environment, platform
from tests.stack_files import CHECKOUT, configuration

RULESET: Final = "github:index/repositoryRuleset:RepositoryRuleset"
REPOSITORY: Final = {"githubRepository": "someone/smallcase", "githubApp": "4711"}
OWNER: Final = {"github:owner": "someone"}


@final
@dataclass(frozen=True, kw_only=True)
class Registered:
    type: str
    name: str
    inputs: dict[str, object]


@final
class Recorder(Mocks):
    """Takes every resource as it is: the stand-in cloud knows AWS, not GitHub."""

    def __init__(self) -> None:
        self.resources: list[Registered] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, object]]:
        inputs = cast("dict[str, object]", args.inputs)
        self.resources.append(Registered(type=args.typ, name=args.name, inputs=inputs))
        return args.name, inputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        assert args.token == "github:index/getTeam:getTeam", f"no call is needed, not even {args.token}"
        return {"id": {"committers": "42"}[cast("str", args.args["slug"])]}, []


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """A checkout that says who owns the code."""
    (tmp_path / OWNERS).parent.mkdir()
    (tmp_path / OWNERS).write_text("# Who approves.\n* @someone/team\n", encoding="utf-8")
    return tmp_path


def at(tree: object, *path: str | int) -> object:
    """What stands at a path of keys and positions."""
    for step in path:
        tree = cast("dict[str | int, object]", tree)[step]
    return tree


@pytest.fixture(params=[1, 0], ids=["one approval", "nobody else to approve"])
def approvals(request: pytest.FixtureRequest) -> int:
    return cast("int", request.param)


@pytest.fixture
def registered(approvals: int, owned: Path, monkeypatch: pytest.MonkeyPatch) -> list[Registered]:
    monkeypatch.setenv("GITHUB_TOKEN", "a-token-of-the-person-who-runs-it")
    return register(github(approvals=approvals), owned)


def register(repository: GitHub, owned: Path) -> list[Registered]:
    """What the program registers for a repository."""
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="smallcase", stack="platform", preview=False)

    def program() -> None:
        BranchRules("branch-rules", repository, owned)

    run_under_mocks = cast("Callable[[Callable[[], None]], Callable[[], None]]", pulumi.runtime.test)  # pyright: ignore[reportUnknownMemberType]
    run_under_mocks(program)()
    return mocks.resources


def rulesets(registered: list[Registered]) -> dict[str, object]:
    return {resource.name: resource.inputs for resource in registered if resource.type == RULESET}


def test_every_branch_and_the_tags_of_releases_have_rules_that_are_in_force(registered: list[Registered]) -> None:
    refs = {
        str(at(ruleset, "conditions", "refName", "includes", 0)): at(ruleset, "target")
        for ruleset in rulesets(registered).values()
        if at(ruleset, "enforcement") == "active" and at(ruleset, "repository") == "smallcase"
    }
    branches = {f"refs/heads/{branch}": "branch" for branch in ("develop", "staging", "master")}
    assert refs == branches | {"refs/tags/v*": "tag"}


@pytest.mark.parametrize("branch", ["staging", "master"])
def test_a_protected_branch_takes_merged_and_reviewed_pull_requests_only(
    registered: list[Registered], approvals: int, branch: str
) -> None:
    review = at(rulesets(registered)[branch], "rules", "pullRequest")
    assert at(review, "allowedMergeMethods") == ["merge"]
    assert at(review, "requiredApprovingReviewCount") == approvals
    assert at(review, "requireCodeOwnerReview") is (approvals > 0)
    assert at(review, "dismissStaleReviewsOnPush") is True
    # Nobody approves what they pushed last themselves.
    assert at(review, "requireLastPushApproval") is (approvals > 0)
    assert at(review, "requiredReviewThreadResolution") is True


@pytest.mark.parametrize("branch", ["develop", "staging", "master"])
def test_no_branch_is_rewritten_or_deleted(registered: list[Registered], branch: str) -> None:
    rules = at(rulesets(registered)[branch], "rules")
    assert (at(rules, "nonFastForward"), at(rules, "deletion")) == (True, True)


APP: Final = ("Integration", 4711)
WRITER: Final = ("RepositoryRole", 4)
MAINTAINER: Final = ("RepositoryRole", 2)
ADMINISTRATOR: Final = ("RepositoryRole", 5)
COMMITTER: Final = ("Team", 42)
PUSHERS: Final = (WRITER, MAINTAINER, ADMINISTRATOR)
DEVELOP: Final = "refs/heads/develop"
RELEASE: Final = "refs/tags/v*"


def may(registered: list[Registered], actor: tuple[str, int], rule: str, ref: str) -> bool:
    """Whether GitHub lets somebody who has the permission do what a rule is about.

    Every ruleset of the ref has a say, and only who is on its list passes it: an app as itself, never by a role.
    """
    for ruleset in rulesets(registered).values():
        if ref in cast("list[str]", at(ruleset, "conditions", "refName", "includes")):
            bypass = cast("list[dict[str, object]]", cast("dict[str, object]", ruleset).get("bypassActors", []))
            listed = actor in {(entry["actorType"], entry["actorId"]) for entry in bypass}
            if cast("dict[str, object]", at(ruleset, "rules")).get(rule) and not listed:
                return False
    return True


def test_nobody_moves_or_deletes_a_release(registered: list[Registered]) -> None:
    for actor in (*PUSHERS, APP):
        assert not may(registered, actor, "update", RELEASE)
        assert not may(registered, actor, "deletion", RELEASE)


def test_a_release_is_made_by_the_app_alone(registered: list[Registered]) -> None:
    assert may(registered, APP, "creation", RELEASE)
    assert not any(may(registered, actor, "creation", RELEASE) for actor in PUSHERS)


def test_develop_takes_direct_commits_of_whoever_may_push(registered: list[Registered]) -> None:
    assert all(may(registered, actor, "update", DEVELOP) for actor in PUSHERS)


def test_a_token_of_the_app_pushes_to_no_branch_that_is_deployed(registered: list[Registered]) -> None:
    """Code of a pull request may get hold of one: whatever it can write, it is not deployed."""
    assert not may(registered, APP, "update", DEVELOP)
    for branch in ("staging", "master"):
        assert "pullRequest" in cast("dict[str, object]", at(rulesets(registered)[branch], "rules"))
        assert "bypassActors" not in cast("dict[str, object]", rulesets(registered)[branch])


def test_nobody_who_may_push_to_develop_rewrites_or_deletes_it(registered: list[Registered]) -> None:
    for actor in (*PUSHERS, APP):
        assert not may(registered, actor, "nonFastForward", DEVELOP)
        assert not may(registered, actor, "deletion", DEVELOP)


def test_a_team_that_is_named_is_the_only_one_to_commit_to_develop(owned: Path) -> None:
    registered = register(github(developers="committers"), owned)
    assert may(registered, COMMITTER, "update", DEVELOP)
    assert not any(may(registered, actor, "update", DEVELOP) for actor in (*PUSHERS, APP))


@pytest.mark.parametrize("branch", ["staging", "master"])
def test_a_protected_branch_requires_the_check_of_jenkins_that_names_it(
    registered: list[Registered], branch: str
) -> None:
    checks = at(rulesets(registered)[branch], "rules", "requiredStatusChecks")
    assert at(checks, "requiredChecks") == [{"context": f"ready-for-{branch}", "integrationId": 4711}]
    assert at(checks, "strictRequiredStatusChecksPolicy") is False


def test_the_jenkinsfile_reports_the_check_under_that_name() -> None:
    assert '"ready-for-${env.CHANGE_TARGET ' in (CHECKOUT / "Jenkinsfile").read_text(encoding="utf-8")


def test_the_token_of_the_environment_is_in_no_resource(registered: list[Registered]) -> None:
    assert [resource.type for resource in registered if resource.type.startswith("pulumi:providers:")] == []
    assert "a-token" not in str([resource.inputs for resource in registered])


def test_without_a_repository_there_are_no_branch_rules() -> None:
    assert [node.type for node in (*platform(), *environment("green")) if node.type.startswith("github:")] == []


def test_an_environment_makes_no_branch_rules_even_with_a_repository() -> None:
    assert parse(configuration("green", OWNER, **REPOSITORY)).github is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"githubRepository": "smallcase"}, ["smallcase:githubRepository", "owner/name"]),
        ({"githubRepository": "else/smallcase"}, ["github:owner is 'someone'", "'else/smallcase'"]),
        ({"githubApp": ""}, ["smallcase:githubApp is ''", "number"]),
        ({"githubApp": "jenkins"}, ["smallcase:githubApp is 'jenkins'", "number"]),
        ({"approvals": 7}, ["'7'", "from 0 to 6"]),
        ({"developers": "@someone/committers"}, ["smallcase:developers", "slug"]),
    ],
)
def test_a_repository_that_cannot_be_right_is_refused(changes: dict[str, object], says: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configuration("platform", OWNER, **(REPOSITORY | changes)))
    assert [text for text in says if text not in str(refused.value)] == []


def test_a_repository_without_an_owner_is_refused_with_the_command_that_mends_it() -> None:
    with pytest.raises(SettingsError, match="pulumi config set github:owner"):
        parse(configuration("platform", **REPOSITORY))


def github(**changes: object) -> GitHub:
    found = parse(configuration("platform", OWNER, **REPOSITORY, **changes)).github
    assert found
    return found


@pytest.mark.parametrize("text", [None, "", "# * @someone/team\n"])
def test_a_review_by_owners_that_nobody_is_named_for_is_refused_with_the_command_that_names_them(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / OWNERS).parent.mkdir()
        (tmp_path / OWNERS).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"echo '\* @someone/TEAM' > \.github/CODEOWNERS"):
        require_owners(github(approvals=1), tmp_path)
    require_owners(github(approvals=0), tmp_path)


def test_owners_that_are_named_are_enough(owned: Path) -> None:
    require_owners(github(approvals=1), owned)
