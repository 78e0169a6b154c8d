"""The program itself, its stacks and an account for them: what the rehearsal runs, without the machine it needs."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal import project
from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.server import serve
from rehearsal.places import ACCOUNT
from rehearsal.project import LINKED, Overlay
from tests.engine.harness import Harness, Outcome
from tests.stack_files import CHECKOUT

PASSWORD: Final = "a-registry-password"

OVERLAY: Final = Overlay(
    platform={"aws:allowedAccountIds": [ACCOUNT], "smallcase:apiAllowList": ["203.0.113.7/32"]},
    environment={"aws:allowedAccountIds": [ACCOUNT]},
)

_AUTHOR: Final = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A. Developer"), ("EMAIL", "developer@example.org"), ("DATE", "2026-01-02T03:04:05Z"))
}


@final
@dataclass(frozen=True, kw_only=True)
class World:
    """A checkout of its own, a project directory that links to it, and one account."""

    checkout: Path
    harness: Harness
    cloud: Cloud

    def create(self, *stacks: str) -> None:
        for stack in stacks:
            created = self.harness.pulumi("stack", "init", stack, "--no-select")
            assert created.code == 0, created.output

    def configure(self, stack: str, key: str, value: str) -> None:
        done = self.harness.pulumi("config", "set", key, value, "--stack", stack)
        assert done.code == 0, done.output

    def preview(self, stack: str, *arguments: str) -> Outcome:
        return self.harness.pulumi("preview", "--stack", stack, *arguments, events=True)

    def up(self, stack: str, *arguments: str) -> Outcome:
        return self.harness.pulumi("up", "--stack", stack, "--yes", "--skip-preview", *arguments, events=True)

    def refresh(self, stack: str, *arguments: str) -> Outcome:
        return self.harness.pulumi("refresh", "--stack", stack, "--yes", "--skip-preview", *arguments, events=True)

    def destroy(self, stack: str) -> Outcome:
        return self.harness.pulumi("destroy", "--stack", stack, "--yes", "--skip-preview", events=True)


def make_checkout(directory: Path) -> Path:
    """The program as it is in the working tree, committed in a repository of its own."""
    directory.mkdir(parents=True)
    for name in (*LINKED, *(path.name for path in CHECKOUT.glob("Pulumi.*.yaml"))):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        else:
            shutil.copy2(source, directory / name)
    git(directory, "init", "--quiet")
    commit(directory, "the program")
    return directory


def commit(checkout: Path, message: str) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", message)


def git(checkout: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", checkout, *arguments],
        env={"HOME": str(checkout), "PATH": "/usr/bin:/bin", **_AUTHOR},
        check=True,
        timeout=30,
    )


@contextmanager
def found(directory: Path, checkout: Path, pulumi: Path) -> Generator[World]:
    cloud = Cloud(Settings(registry_password=PASSWORD), state=directory / "cloud.json")
    with serve(cloud) as ports:
        harness = Harness.create(directory, pulumi, ports, name="smallcase")
        (harness.project / "Pulumi.yaml").unlink()
        project.generate(checkout, harness.project, OVERLAY)
        yield World(checkout=checkout, harness=harness, cloud=cloud)
