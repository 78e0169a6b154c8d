"""What each role can do to the state: the real CLI, at a bucket that lets a role do what its policies say."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import pytest

from tests.engine.bucket import Bucket, serve
from tests.engine.harness import Harness, Outcome
from tests.engine.world import World
from tests.iam import permits
from tests.policies import many

pytestmark = pytest.mark.timeout(300)

UP = ("up", "--yes", "--skip-preview")
DESTROY = ("destroy", "--yes", "--skip-preview")


@final
@dataclass(frozen=True, kw_only=True)
class Store:
    """A world whose state is in the bucket."""

    world: World
    bucket: Bucket
    backend: str

    def run(self, who: str, *arguments: str) -> Outcome:
        """A command with the rights of a role."""
        environment = {
            **self.world.harness.environment,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PULUMI_BACKEND_URL": self.backend,
        }
        harness: Harness = replace(self.world.harness, environment=environment)
        return harness.pulumi(*arguments)


@pytest.fixture
def store(live: World) -> Iterator[Store]:
    """The platform and `green` are up; `develop` has just been made by an administrator."""
    bucket = Bucket(directory=live.directory / "state", cloud=live.cloud)
    with serve(bucket) as backend:
        store = Store(world=live, bucket=bucket, backend=backend)
        made = store.run("administrator", "stack", "init", "develop", "--no-select")
        assert made.code == 0, made.output
        bucket.asked.clear()
        yield store


@pytest.mark.parametrize(("role", "stack"), [("deploy", "green"), ("open", "develop")])
def test_a_role_does_everything_to_the_environments_of_its_domain_with_no_right_too_few_or_too_many(
    store: Store, role: str, stack: str
) -> None:
    for command in (
        ("preview",),
        UP,
        (*UP, "--expect-no-changes"),
        ("preview", "--refresh", "--run-program", "--expect-no-changes"),
        ("stack", "output", "--json"),
        ("stack", "export"),
        ("cancel", "--yes"),
        DESTROY,
    ):
        done = store.run(role, *command, "--stack", stack)
        assert done.code == 0, (command, done.output)
    assert store.bucket.refused() == []
    granted = [
        {**statement, "Resource": resource}
        for statement in store.bucket.held(role)
        if any(action.startswith("s3:") for action in many(statement["Action"]))
        for resource in many(statement["Resource"])
        if f"/{stack}" in resource or "/platform" in resource
    ]
    unused = [
        one["Resource"]
        for one in granted
        if not any(permits([one], question.action, question.resource) for question in store.bucket.asked)
    ]
    # Of the platform, Pulumi reads the outputs alone; who looks at it also reads its tags.
    assert [resource for resource in unused if "platform.pulumi-tags" not in str(resource)] == []


@pytest.mark.parametrize("stack", ["green", "develop"])
def test_a_preview_needs_no_more_than_to_read(store: Store, stack: str) -> None:
    before = store.bucket.objects()
    done = store.run("preview", "preview", "--stack", stack)
    assert done.code == 0, done.output
    assert store.bucket.refused() == []
    assert store.run("preview", *UP, "--stack", stack).code != 0
    assert {question.action for question in store.bucket.refused()} == {"s3:PutObject"}
    assert store.bucket.objects() == before


@pytest.mark.parametrize(("role", "stack"), [("open", "green"), ("deploy", "develop"), ("open", "platform")])
@pytest.mark.parametrize("command", [UP, DESTROY])
def test_a_stack_of_another_domain_is_refused_before_anything_is_written(
    store: Store, role: str, stack: str, command: tuple[str, ...]
) -> None:
    before, account = store.bucket.objects(), store.world.account()
    done = store.run(role, *command, "--stack", stack)
    assert done.code != 0
    assert "AccessDenied" in done.output or "Forbidden" in done.output
    assert store.bucket.refused()
    assert store.bucket.objects() == before
    assert store.world.account() == account


@pytest.mark.parametrize(("role", "stack"), [("open", "green"), ("deploy", "develop")])
def test_the_state_of_another_domain_is_not_read_either(store: Store, role: str, stack: str) -> None:
    for command in (("stack", "export"), ("preview",)):
        done = store.run(role, *command, "--stack", stack)
        assert done.code != 0
        assert "smallcase:environment" not in done.output
