"""The program itself, its stacks and an account for them: what the rehearsal runs, without the machine it needs."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

import yaml

from pipeline.stack_files import stack_file
from rehearsal import project
from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.faults import Fault, Operation
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.server import serve
from rehearsal.places import ACCOUNT
from rehearsal.project import Overlay
from tests.engine.harness import Harness, Outcome
from tests.stack_files import ALLOW_LIST, CHECKOUT

ATTACHMENT: Final = "aws:ec2/volumeAttachment:VolumeAttachment"
CLUSTER: Final = "aws:eks/cluster:Cluster"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
IMAGE: Final = "docker-build:index:Image"
INDEX: Final = "docker-build:index:Index"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
INSTANCE: Final = "aws:ec2/instance:Instance"
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
OWN_NAMESPACE: Final = f"smallcase:environment:Namespace${NAMESPACE}"
"""That of an environment, in the engine's events; the platform has others."""
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
REPOSITORY: Final = "aws:ecr/repository:Repository"
SERVICE: Final = "kubernetes:core/v1:Service"

_PAGE: Final = "app/smallcase/templates/page.html"

OVERLAY: Final = Overlay(
    platform={"aws:allowedAccountIds": [ACCOUNT], **ALLOW_LIST}, environment={"aws:allowedAccountIds": [ACCOUNT]}
)

Account = Mapping[tuple[str, str], Resource]
"""Everything that an account holds, by type and id."""


@final
@dataclass(frozen=True, kw_only=True)
class Step:
    """A command on a stack: how it ended, and the account before and after it."""

    outcome: Outcome
    before: Account
    after: Account

    @property
    def succeeded(self) -> bool:
        return self.outcome.code == 0


@final
@dataclass(frozen=True, kw_only=True)
class World:
    """A checkout, a project directory that links to it, and one account."""

    directory: Path
    checkout: Path
    harness: Harness
    cloud: Cloud

    def account(self) -> Account:
        return {(resource.type, resource.id): resource for resource in self.cloud}

    def create(self, *stacks: str) -> None:
        for stack in stacks:
            created = self.harness.pulumi("stack", "init", stack, "--no-select")
            assert created.code == 0, created.output

    def configure(self, stack: str, *arguments: str) -> None:
        done = self.harness.pulumi("config", "set", *arguments, "--stack", stack)
        assert done.code == 0, done.output

    def preview(self, stack: str, *arguments: str) -> Step:
        return self._step("preview", "--stack", stack, *arguments)

    def up(self, stack: str, *arguments: str) -> Step:
        return self._step("up", "--stack", stack, "--yes", "--skip-preview", *arguments)

    def refresh(self, stack: str) -> Step:
        return self._step("refresh", "--stack", stack, "--yes", "--skip-preview", "--expect-no-changes")

    def export(self, stack: str) -> dict[str, dict[str, object]]:
        """The state of a stack, secrets shown."""
        exported = self.harness.pulumi("stack", "export", "--stack", stack, "--show-secrets")
        assert exported.code == 0, exported.output
        return cast("dict[str, dict[str, object]]", json.loads(exported.stdout))

    def unprotect(self, stack: str) -> None:
        """Allows everything in a stack to be destroyed, as a person does who means it."""
        done = self.harness.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack)
        assert done.code == 0, done.output

    def try_to_destroy(self, stack: str) -> Step:
        """With a preview first, which refuses what is protected before anything else is deleted."""
        return self._step("destroy", "--stack", stack, "--yes")

    def destroy(self, stack: str) -> Step:
        return self._step("destroy", "--stack", stack, "--yes", "--skip-preview")

    def _step(self, *arguments: str) -> Step:
        before = self.account()
        outcome = self.harness.pulumi(*arguments, events=True)
        return Step(outcome=outcome, before=before, after=self.account())

    @contextmanager
    def settings(self, stack: str, values: Mapping[str, object]) -> Generator[None]:
        """A stack file with these values too, for the length of a `with` block."""
        path = self.harness.project / stack_file(stack)
        text = path.read_text(encoding="utf-8")
        content = cast("dict[str, dict[str, object]]", yaml.safe_load(text))
        path.write_text(yaml.safe_dump({**content, "config": {**content["config"], **values}}), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    @contextmanager
    def changed_page(self) -> Generator[None]:
        """A checkout whose application has a change that is not committed, for the length of a `with` block."""
        with self.edited(_PAGE, {"</section>": "</section><!-- changed -->"}):
            yield

    @contextmanager
    def edited(self, file: str, changes: Mapping[str, str]) -> Generator[None]:
        """A checkout in which a file says other things, for the length of a `with` block."""
        path = self.checkout / file
        text = edited = path.read_text(encoding="utf-8")
        for before, after in changes.items():
            assert before in edited, f"{file} no longer has {before!r}"
            edited = edited.replace(before, after)
        path.write_text(edited, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    @contextmanager
    def slow(self, operation: Operation, *types: str) -> Generator[None]:
        """Calls that take their time, for the length of a `with` block: what does not wait for them shows."""
        for type in types:  # noqa: A001
            self.cloud.faults.order(Fault(type=type, operation=operation, seconds=0.2, times=1000))
        try:
            yield
        finally:
            self.cloud.faults.clear()

    def at_rest(self) -> bytes:
        """Everything that Pulumi keeps on disk."""
        return b"".join(path.read_bytes() for path in (self.directory / "state").rglob("*") if path.is_file())

    def empty_repository(self) -> None:
        """Deletes the images by hand, as `aws ecr batch-delete-image` does."""
        for image in (*self.cloud.of(IMAGE), *self.cloud.of(INDEX)):
            self.cloud.delete(image.type, image.id)


def types_in(account: Account) -> set[str]:
    return {type for type, _ in account}  # noqa: A001


def in_namespace(account: Account, namespace: str) -> Account:
    """The objects of one namespace, itself included."""
    return {
        (type, id): resource
        for (type, id), resource in account.items()  # noqa: A001
        if type.startswith("kubernetes:") and id.split("/")[0] == namespace
    }


def deployment(account: Account, namespace: str) -> Resource:
    """The Deployment of a namespace, as it is in the cluster."""
    return account[DEPLOYMENT, f"{namespace}/smallcase"]


def image_of(deployment: Resource) -> str:
    """What a Deployment's only container runs."""
    spec = cast("dict[str, dict[str, dict[str, list[dict[str, str]]]]]", deployment.outputs["spec"])
    (container,) = spec["template"]["spec"]["containers"]
    return container["image"]


def replicas_of(deployment: Resource) -> int:
    return int(cast("dict[str, float]", deployment.outputs["spec"])["replicas"])


def make_checkout(directory: Path, commit: str = "") -> Path:
    """What the working tree holds, or an earlier commit, committed to a repository of its own."""
    if commit:
        archive = directory.with_name(f"{directory.name}.tar")
        archive.parent.mkdir(parents=True, exist_ok=True)
        git(CHECKOUT, "archive", "--output", str(archive), commit)
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    else:
        _copy(directory)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "the program"]):
        git(directory, *command)
    return directory


def _copy(directory: Path) -> None:
    listed = git(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, directory / name)


def git(checkout: Path, *arguments: str) -> str:
    who = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", checkout, *arguments]
    ran = subprocess.run(
        command, env={**os.environ, **who}, capture_output=True, encoding="utf-8", check=True, timeout=30
    )
    return ran.stdout


@contextmanager
def empty_world(directory: Path, checkout: Path, pulumi: Path) -> Generator[World]:
    """A project and an account with nothing in it yet."""
    with _account(directory) as (cloud, ports):
        harness = Harness.create(directory, pulumi, ports, name="smallcase")
        (harness.project / "Pulumi.yaml").unlink()
        project.generate(checkout, harness.project, OVERLAY)
        yield World(directory=directory, checkout=checkout, harness=harness, cloud=cloud)


@contextmanager
def copy_of(world: World, directory: Path, pulumi: Path) -> Generator[World]:
    """Another world in the same state, which may be ruined."""
    directory.mkdir(parents=True)
    shutil.copy2(world.directory / "cloud.json", directory)
    with _account(directory) as (cloud, ports):
        harness = Harness.create(directory, pulumi, ports, name="smallcase")
        for part in ("project", "state"):
            shutil.rmtree(directory / part)
            shutil.copytree(world.directory / part, directory / part, symlinks=True)
        yield World(directory=directory, checkout=world.checkout, harness=harness, cloud=cloud)


@contextmanager
def _account(directory: Path) -> Generator[tuple[Cloud, dict[str, int]]]:
    cloud = Cloud(Settings(directory=directory / "project"), state=directory / "cloud.json")
    with serve(cloud) as ports:
        yield cloud, ports
