"""What is in no commit, on its way to production: by a cache in the registry, and by the agent's own."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from infra.image_reference import ImageReference
from pipeline.pulumi import PROJECT_VARIABLE
from rehearsal.node.files import node_files
from tests.e2e.conftest import ENVIRONMENTS, Change, Rehearsal
from tests.e2e.poison import Attacker
from tests.stack_files import CHECKOUT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PAGE = ("app/smallcase/templates/page.html", "<h1", "<h1 data-trial")


@pytest.fixture(scope="module")
def poisoned(rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Attacker:
    """Somebody who has poisoned the registry's cache."""
    somebody = Attacker(rehearsal=rehearsal, repository="smallcase-platform")
    # Of a layer that was built twice, the cache that is exported has both, and the one that is not poisoned serves too.
    somebody.forget()
    somebody.poison_registry(CHECKOUT, tmp_path_factory.mktemp("poison"))
    return somebody


@pytest.fixture
def attacker(change: Change, poisoned: Attacker) -> Generator[Attacker]:
    """The same, with an agent whose cache is empty before, and again before the change is taken back."""
    del change
    poisoned.forget()
    yield poisoned
    poisoned.forget()


def staged(change: Change) -> str:
    """The digest that staging runs of a commit of its own."""
    change.commit(*PAGE)
    up = change.up("green")
    assert up.code == 0, up.said
    return ImageReference.parse(str(change.pulumi.outputs("green")["image"])).digest


def reproduce(change: Change) -> "subprocess.CompletedProcess[str]":
    """What the build of `master` does with the commit before anybody is asked."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "reproduce", "--branch", "master"],
        cwd=change.clone,
        env={
            **change.pulumi.environment,
            "AWS_PROFILE": "deploy",
            PROJECT_VARIABLE: str(change.pulumi.project),
        },
        capture_output=True,
        encoding="utf-8",
        timeout=900,
        check=False,
    )


def test_whoever_decrypts_a_state_finds_no_password_in_it(rehearsal: Rehearsal) -> None:
    password = node_files().registry_password.read_text(encoding="utf-8").strip()
    for stack in ("platform", *ENVIRONMENTS):
        exported = rehearsal.shell("pulumi", "stack", "export", "--show-secrets", "--stack", stack)
        assert exported.returncode == 0, exported.stderr
        assert "deployment" in json.loads(exported.stdout)
        assert password not in exported.stdout


@pytest.mark.usefixtures("attacker")
def test_a_poisoned_cache_in_the_registry_changes_nothing(change: Change) -> None:
    digest = staged(change)
    ran = reproduce(change)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"built again without any cache, it is what `green` runs: `{digest}`" in ran.stdout


def test_a_poisoned_cache_of_the_agent_keeps_production_from_getting_it(
    change: Change, attacker: Attacker, tmp_path: Path
) -> None:
    attacker.poison_agent(CHECKOUT, tmp_path / "poison")
    digest = staged(change)
    ran = reproduce(change)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert f"green runs {digest}" in ran.stderr
    assert "The rule: production gets what was tested" in ran.stderr
