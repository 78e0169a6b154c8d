"""What each role can do to the state: the real CLI, at a bucket and a key that let a role do what its policies say."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import pytest

from infra import state
from tests.engine import state_store
from tests.engine.harness import Harness, Outcome
from tests.engine.state_store import REGION, Store
from tests.engine.world import World, copy_of
from tests.pipeline.live import KUBECTL
from tests.policies import many
from tests.stack_files import CHECKOUT, STACKS, own_values

pytestmark = pytest.mark.timeout(300)

UP = ("up", "--yes", "--skip-preview")
DESTROY = ("destroy", "--yes", "--skip-preview")
ELSEWHERE = "elsewhere"
"""A stack of another platform."""


@final
@dataclass(frozen=True, kw_only=True)
class Agents:
    """A world whose state is in the store, and whoever reaches it."""

    world: World
    store: Store

    def run(self, who: str, *arguments: str) -> Outcome:
        """A command with the rights of a role."""
        harness: Harness = replace(
            self.world.harness, environment={**self.world.harness.environment, **self.store.variables(who)}
        )
        return harness.pulumi(*arguments)

    def verb(self, who: str, stack: str, *arguments: str) -> Outcome:
        """A verb of the pipeline, as Jenkins runs it for a push to the stack's branch on an agent of that role."""
        programs = self.world.directory / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "kubectl").write_text(KUBECTL, encoding="utf-8")
        (programs / "kubectl").chmod(0o755)
        own = self.world.harness.environment
        ran = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=self.world.checkout,
            env={
                **own,
                **self.store.variables(who),
                "PATH": os.pathsep.join([str(programs), own["PATH"]]),
                "BRANCH_NAME": str(own_values(stack)["smallcase:branch"]),
                "PYTHONPATH": str(CHECKOUT),
                "SMALLCASE_PROJECT": str(self.world.harness.project),
            },
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Outcome(code=ran.returncode, stdout=ran.stdout, stderr=ran.stderr, events=[])


@pytest.fixture(scope="module")
def kept(
    untouched: World, pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Agents, dict[str, bytes]]]:
    """The platform and `green` are up, `develop` and another platform's stack have just been made, all as the documents
    say; and what the bucket holds then."""
    directory = tmp_path_factory.mktemp("kept") / "world"
    with copy_of(untouched, directory, pulumi_cli) as world, state_store.serve() as store:
        files = {path: str(path.relative_to(directory / "state")) for path in (directory / "state").rglob("*.*")}
        store.hold(
            {key: path.read_bytes() for path, key in files.items() if path.is_file() and path.suffix != ".attrs"}
        )
        agents, provider = Agents(world=world, store=store), state.secrets_provider(REGION)
        for stack in ("platform", "green"):
            changed = agents.run("administrator", "stack", "change-secrets-provider", provider, "--stack", stack)
            assert changed.code == 0, changed.output
        for stack in ("develop", ELSEWHERE):
            made = agents.run("administrator", "stack", "init", stack, "--no-select", "--secrets-provider", provider)
            assert made.code == 0, made.output
        yield agents, store.objects()


@pytest.fixture
def agents(kept: tuple[Agents, dict[str, bytes]], pulumi_cli: Path, tmp_path: Path) -> Iterator[Agents]:
    """The same, to do anything with."""
    before, objects = kept
    with copy_of(before.world, tmp_path / "world", pulumi_cli) as world:
        before.store.hold(objects)
        before.store.cloud = world.cloud
        before.store.asked.clear()
        yield Agents(world=world, store=before.store)


VERBS = (
    ("preview", "--save-plan", "reports/plan.json"),
    ("deploy", "--plan", "reports/plan.json"),
    ("preview",),
    ("drift",),
    ("verify", "--deadline", "2s"),
)
"""In the order in which Jenkins runs them. The last finds no page, once it has read the state."""
COMMANDS = (("stack", "output", "--json"), ("stack", "export"), ("cancel", "--yes"), DESTROY)
"""What a person does besides with the role."""


@pytest.mark.parametrize(("role", "stack"), [("deploy", "green"), ("open", "develop")])
def test_a_role_does_everything_to_the_environments_of_its_domain_with_no_right_too_few_or_too_many(
    agents: Agents, role: str, stack: str, record_property: Callable[[str, object], None]
) -> None:
    for verb in VERBS:
        done = agents.verb(role, stack, *verb)
        assert verb[0] == "verify" or done.code == 0, (verb, done.output)
    for command in COMMANDS:
        done = agents.run(role, *command, "--stack", stack)
        assert done.code == 0, (command, done.output)
    store = agents.store
    assert store.refused() == []
    asked = set(store.asked)
    granted = [
        {**statement, "Action": action, "Resource": resource}
        for statement in store.held(role)
        for action in many(statement["Action"])
        if action.startswith(("s3:", "kms:"))
        for resource in many(statement["Resource"])
        if not any(f"/{other}" in resource for other in {*STACKS} - {stack})
    ]
    unused = {
        (action, str(one["Resource"]).removeprefix(f"{state_store.ARN}/.pulumi/"))
        for one in granted
        if not any(question.granted_by([one]) for question in asked)
        for action in many(one["Action"])
    }
    assert unused == set()
    record_property(
        "referee", f"moto: the role {role} used rights {len(store.asked)} times, on S3 and KMS for the most part"
    )


@pytest.mark.parametrize("stack", ["green", "develop"])
def test_a_preview_needs_no_more_than_to_read(agents: Agents, stack: str) -> None:
    before = agents.store.objects()
    done = agents.run("preview", "preview", "--stack", stack)
    assert done.code == 0, done.output
    assert agents.store.refused() == []
    assert agents.run("preview", *UP, "--stack", stack).code != 0
    assert {question.action for question in agents.store.refused()} == {"s3:PutObject"}
    assert agents.store.objects() == before


@pytest.mark.parametrize(
    ("action", "part", "command"),
    [
        ("s3:ListBucket", "", ("stack", "output")),
        ("s3:GetObject", "stacks/smallcase/green.json*", ("stack", "output")),
        ("s3:GetObject", "stacks/smallcase/platform.json*", ("preview",)),
        ("s3:PutObject", "locks/organization/smallcase/green/*", UP),
        ("s3:PutObject", "backups/smallcase/green/*", DESTROY),
        ("s3:DeleteObject", "locks/organization/smallcase/green/*", ("cancel", "--yes")),
        ("kms:Decrypt", "", ("stack", "output")),
        ("kms:GenerateDataKey", "", UP),
    ],
)
def test_a_right_that_is_taken_away_is_missed(agents: Agents, action: str, part: str, command: tuple[str, ...]) -> None:
    lock = {".pulumi/locks/organization/smallcase/green/1.json": b'{"pid": 1}'} if command[0] == "cancel" else {}
    agents.store.hold({**agents.store.objects(), **lock})
    taken = agents.store.take("deploy", action, part)
    assert taken
    agents.run("deploy", *command, "--stack", "green")
    refused = agents.store.refused()
    assert {question.action for question in refused} == {action}


@pytest.mark.parametrize(
    ("role", "stack"), [("open", "green"), ("deploy", "develop"), ("open", "platform"), ("deploy", ELSEWHERE)]
)
@pytest.mark.parametrize("command", [UP, DESTROY])
def test_a_stack_of_another_domain_is_refused_before_anything_is_written(
    agents: Agents, role: str, stack: str, command: tuple[str, ...]
) -> None:
    before, account = agents.store.objects(), agents.world.account()
    done = agents.run(role, *command, "--stack", stack)
    assert done.code != 0
    assert "AccessDenied" in done.output or "Forbidden" in done.output
    assert agents.store.refused()
    assert agents.store.objects() == before
    assert agents.world.account() == account


@pytest.mark.parametrize(("role", "stack"), [("open", "green"), ("deploy", "develop"), ("preview", ELSEWHERE)])
def test_the_state_of_another_domain_is_not_read_either(agents: Agents, role: str, stack: str) -> None:
    for command in (("stack", "export"), ("preview",)):
        done = agents.run(role, *command, "--stack", stack)
        assert done.code != 0
        assert "smallcase:environment" not in done.output
