"""The rehearsal, from nothing to nothing. It uses the one place that it has on a machine, and empties it first."""

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest

from pipeline.deadline import Deadline
from pipeline.pulumi import Answer, Pulumi
from pipeline.verify import Page, look
from rehearsal import project, rehearse
from rehearsal.cluster import Standing
from rehearsal.node.traces import differences, snapshot
from rehearsal.progress import Progress
from rehearsal.toolchain import RehearsalTools
from tests.stack_files import CHECKOUT
from tests.surroundings.proxy import hostile_proxy

ENVIRONMENTS = ("develop", "green", "blue")


def make(target: str, **variables: str) -> str:
    """What `make TARGET` says; the test fails if it does."""
    done = subprocess.run(
        ["make", target],
        cwd=CHECKOUT,
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@final
@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """A rehearsal that is up."""

    said: str
    """What `make rehearse` printed."""
    asked: Sequence[str]
    """What the proxy was asked for that its caller had set."""
    standing: Standing

    def shell(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person would in `make shell`."""
        return subprocess.run(
            [sys.executable, "-m", "rehearsal", "shell", *command],
            cwd=CHECKOUT,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )

    def pulumi(self, directory: Path) -> Pulumi:
        return Pulumi(project=directory, environment=self.standing.variables, out=io.StringIO())

    def url(self, stack: str) -> str:
        return str(self.pulumi(rehearse.project_directory()).outputs(stack)["url"])

    def page(self, stack: str, *, unlike: Page | None = None) -> Page:
        """What an environment shows; a pod that leaves may show the page before for some seconds more."""
        url, end = self.url(stack), time.monotonic() + 20
        while (page := look(url)[0]) == unlike and time.monotonic() < end:
            time.sleep(0.2)
        return page


@final
@dataclass(frozen=True, kw_only=True)
class Change:
    """A clone of the checkout in which the application can be changed, with a project directory of its own."""

    clone: Path
    pulumi: Pulumi

    def up(self, stack: str, *options: str) -> Answer:
        """Bring a stack up with it, as a person does."""
        command = ("up", "--stack", stack, "--yes", "--skip-preview", *options)
        return self.pulumi.run(*command, deadline=Deadline.after(600))

    def configure(self, stack: str, key: str, value: str) -> None:
        answer = self.pulumi.run("config", "set", key, value, "--stack", stack, deadline=Deadline.after(60))
        assert answer.code == 0, answer.said

    def commit(self, file: str, before: str, after: str) -> None:
        path = self.clone / file
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{file} no longer has {before!r}"
        path.write_text(text.replace(before, after), encoding="utf-8")
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", self.clone, *identity, "commit", "--quiet", "--all", "-m", "change"], check=True)


@pytest.fixture(scope="session")
def before(tools: RehearsalTools) -> dict[str, list[str]]:
    """The machine without a rehearsal."""
    make("rehearse-down")
    return snapshot(tools.debian / "nft")


@pytest.fixture(scope="package")
def rehearsal(before: dict[str, list[str]], tools: RehearsalTools) -> Generator[Rehearsal]:
    with hostile_proxy() as proxy:
        said = make("rehearse", **proxy.variables(no_proxy="localhost"))
    yield Rehearsal(said=said, asked=proxy.asked, standing=rehearse.running(Progress()))
    make("rehearse-down")
    assert differences(before, snapshot(tools.debian / "nft")) == []


@pytest.fixture
def change(rehearsal: Rehearsal, tmp_path: Path) -> Generator[Change]:
    """A change to deploy; afterwards every environment is back at the checkout's version."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, clone], check=True)
    directory = tmp_path / "project"
    shutil.copytree(rehearse.project_directory(), directory, symlinks=True)
    project.generate(clone, directory, rehearsal.standing.overlay)
    yield Change(clone=clone, pulumi=rehearsal.pulumi(directory))
    make("rehearse")
