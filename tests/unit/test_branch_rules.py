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
        raise AssertionError(f"no call is needed, not even {args.token}")


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
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="smallcase", stack="platform", preview=False)
    repository = github(approvals)

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


def test_a_release_stays_at_its_commit(registered: list[Registered]) -> None:
    assert at(rulesets(registered)["releases"], "rules") == {"deletion": True, "update": True}


def test_develop_takes_direct_commits(registered: list[Registered]) -> None:
    assert set(cast("dict[str, object]", at(rulesets(registered)["develop"], "rules"))) == {
        "nonFastForward",
        "deletion",
    }


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
    ],
)
def test_a_repository_that_cannot_be_right_is_refused(changes: dict[str, object], says: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(configuration("platform", OWNER, **(REPOSITORY | changes)))
    assert [text for text in says if text not in str(refused.value)] == []


def test_a_repository_without_an_owner_is_refused_with_the_command_that_mends_it() -> None:
    with pytest.raises(SettingsError, match="pulumi config set github:owner"):
        parse(configuration("platform", **REPOSITORY))


def github(approvals: int) -> GitHub:
    found = parse(configuration("platform", OWNER, **REPOSITORY, approvals=approvals)).github
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
