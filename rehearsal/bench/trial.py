"""What the bench makes, all of it removed at the end: a clone of the checkout, a copy of the state, namespaces.

The environments that are up and their state are not touched. The images that the bench pushes stay in the rehearsal's
registry, whose tags cannot be moved, until the rehearsal is taken down.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from infra.fargate import environment_namespace
from infra.labels import APPLICATION
from pipeline.branches import stacks
from pipeline.stack_files import stack_file
from rehearsal import places, project
from rehearsal.bench.command import Finished, Running, run, running
from rehearsal.bench.manifests import as_list
from rehearsal.cluster import Standing
from rehearsal.load_balancer.objects import Json, items, strings, text
from rehearsal.load_balancer.targets import State
from rehearsal.progress import Progress, RehearsalError

NAME: Final = "bench"
"""What the name of every stack of the bench begins with, and, behind `smallcase-`, that of every namespace."""
MODEL: Final = "green"
"""The stack whose settings the bench's environments have."""
PLATFORM: Final = "platform"
"""The stack that owns the platform. It is previewed, and never changed."""
EMPTY: Final = "empty"
"""Project and stack of the program that does nothing."""
KINDS: Final = "service,ingress,deployment"
GONE_WITHIN: Final = 180
"""Seconds until the namespaces of the bench have to be gone."""

_AUTHOR: Final = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """A clone of the checkout that may be changed, and commands in it."""

    standing: Standing
    directory: Path

    @property
    def clone(self) -> Path:
        return self.directory / "checkout"

    @property
    def project(self) -> Path:
        return self.directory / "project"

    @property
    def environment(self) -> dict[str, str]:
        """That of the rehearsal, but with the copy of the state."""
        return {**self.standing.variables, "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}"}

    def commit(self) -> str:
        """What the clone stands at."""
        return self._git("rev-parse", "--short=12", "HEAD").output.strip()

    def up(self, stack: str) -> AbstractContextManager[Running]:
        """`pulumi up`, to be watched while it runs."""
        return self._watched("up", f"--stack={stack}", "--yes", "--skip-preview")

    def preview(self, stack: str) -> AbstractContextManager[Running]:
        """`pulumi preview`, to be watched while it runs."""
        return self._watched("preview", f"--stack={stack}")

    def bring_up(self, stack: str) -> Finished:
        """`pulumi up`, to its end."""
        with self.up(stack) as command:
            return command.finish()

    def preview_unchanged(self, stack: str) -> Finished:
        """`pulumi preview` of what has not changed. Raises RehearsalError where something has."""
        return self._pulumi("preview", f"--stack={stack}", "--expect-no-changes")

    def preview_empty(self) -> Finished:
        """Preview the program that does nothing."""
        return self._run(
            ["pulumi", "preview", f"--stack={EMPTY}", "--non-interactive", "--color=never"], self.directory / EMPTY
        )

    def kubectl(self, *arguments: str, stdin: str = "") -> Finished:
        """Run kubectl as the administrator."""
        return self._run(["kubectl", f"--kubeconfig={self.standing.node.files.kubeconfig}", *arguments], stdin=stdin)

    def apply(self, objects: Sequence[Json]) -> Finished:
        """`kubectl apply`, as one who has manifests does it."""
        return self.kubectl("apply", "--filename=-", stdin=as_list(objects))

    def objects(self, namespace: str) -> list[Json]:
        """The Service, the Ingress and the Deployment of an environment."""
        listed = json.loads(self.kubectl("get", KINDS, f"--namespace={namespace}", "--output=json").output)
        return list(items(cast("Json", listed), "items"))

    def labels(self, namespace: str) -> dict[str, str]:
        """The labels of a namespace, without the one that Kubernetes adds."""
        found = json.loads(self.kubectl("get", "namespace", namespace, "--output=json").output)
        labels = strings(cast("Json", found), "metadata", "labels")
        return {name: value for name, value in labels.items() if name != "kubernetes.io/metadata.name"}

    def address(self, namespace: str) -> str | None:
        """The address of an environment's load balancer, as soon as it has one."""
        for one in items(self._load_balancers(), "loadBalancers"):
            if text(one, "ingress") == f"{namespace}/{APPLICATION}":
                return f"http://{text(one, 'hostname')}"
        return None

    def in_service(self, namespace: str) -> frozenset[str]:
        """The pods of an environment that its load balancer has found healthy and not deregistered."""
        return frozenset(
            text(target, "pod").partition("/")[2]
            for group in items(self._load_balancers(), "targetGroups")
            for target in items(group, "targets")
            if text(target, "pod").startswith(f"{namespace}/") and text(target, "state") == State.HEALTHY
        )

    def _load_balancers(self) -> Json:
        try:
            return cast(
                "Json",
                json.loads(
                    (self.standing.node.files.state / "load-balancer" / "targets.json").read_text(encoding="utf-8")
                ),
            )
        except (OSError, ValueError):
            return {}

    def change_app(self) -> str:
        """Change one line of the application and commit it; the commit's name."""
        source = self.clone / "app" / "smallcase" / "__init__.py"
        lines = [line for line in source.read_text(encoding="utf-8").splitlines() if not line.startswith("# change ")]
        source.write_text("\n".join([*lines, f"# change {time.time_ns()}", ""]), encoding="utf-8")
        self._git("commit", "--quiet", "--all", "--message=One line")
        return self.commit()

    def declare(self, stack: str) -> None:
        """Make a stack with the model's settings, but do not bring it up."""
        shutil.copy2(self.clone / stack_file(MODEL), self.clone / stack_file(stack))
        project.generate(self.clone, self.project, self.standing.overlay)
        self._pulumi("stack", "init", stack, "--no-select")

    def build_and_push(self, tag: str) -> str:
        """Build the application as it stands in the clone and push it, with BuildKit's own client; the image's name."""
        node = self.standing.node
        image = f"{places.REGISTRY}/{APPLICATION}:{tag}"
        app = self.clone / "app"
        argv = [
            str(node.tools.buildctl),
            f"--addr=unix://{node.files.buildkit_socket}",
            "build",
            "--progress=plain",
            "--frontend=dockerfile.v0",
            f"--opt=build-arg:BASE={node.base_image}",
            f"--local=context={app}",
            f"--local=dockerfile={app}",
            f"--output=type=image,name={image},push=true",
        ]
        self._run(argv)
        return image

    def remove_namespaces(self, names: Sequence[str]) -> None:
        """Delete namespaces, their pods at once, and wait until they are gone."""
        if not names:
            return
        self.kubectl("delete", "namespace", "--wait=false", *names)
        with_pods = self.kubectl(
            "get", "pods", "--all-namespaces", "--no-headers", "--output=custom-columns=:metadata.namespace"
        ).output.split()
        for name in sorted({*names} & {*with_pods}):
            within = f"--namespace={name}"
            self.kubectl("delete", "pods", "--all", within, "--grace-period=0", "--force", "--wait=false")
        gone = [f"namespace/{name}" for name in names]
        self.kubectl("wait", "--for=delete", f"--timeout={GONE_WITHIN}s", *gone)

    def make(self, checkout: Path) -> None:
        """Clone the checkout's last commit, copy the state, and make the program that does nothing."""
        self._run(["git", "clone", "--quiet", "--no-hardlinks", str(checkout), str(self.clone)])
        project.generate(self.clone, self.project, self.standing.overlay)
        shutil.copytree(self.standing.node.files.state / "pulumi", self.directory / "state")
        empty = self.directory / EMPTY
        empty.mkdir()
        (empty / "Pulumi.yaml").write_text(f"name: {EMPTY}\nruntime: python\n", encoding="utf-8")
        (empty / "__main__.py").write_text("import pulumi\n", encoding="utf-8")
        self._run(["pulumi", "stack", "init", EMPTY, "--no-select", "--non-interactive"], empty)

    def clear(self) -> None:
        """Remove what this bench made in the cluster, and what one left that was killed."""
        listed = self.kubectl("get", "namespaces", "--output=name").output.split()
        names = [name.removeprefix("namespace/") for name in listed]
        self.remove_namespaces([name for name in names if name.startswith(environment_namespace(NAME))])

    def _pulumi(self, *arguments: str) -> Finished:
        with self._watched(*arguments) as command:
            return command.finish()

    def _watched(self, *arguments: str) -> AbstractContextManager[Running]:
        argv = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        return running(argv, cwd=self.project, environment=self.environment)

    def _git(self, *arguments: str) -> Finished:
        return self._run(["git", *_AUTHOR, *arguments], self.clone)

    def _run(self, argv: Sequence[str], cwd: Path | None = None, stdin: str = "") -> Finished:
        return run(argv, cwd=cwd or self.directory, environment=self.environment, stdin=stdin)


def check(checkout: Path) -> None:
    """Refuse a checkout that cannot be measured.

    Raises:
        RehearsalError: it has a stack that the bench would take for its own, or none that is the model.
    """
    declared = stacks(checkout)
    taken = [stack for stack in declared if stack.startswith(NAME)]
    if taken:
        raise RehearsalError(
            f"The stack {taken[0]!r} has a name that the bench gives to its own and removes.",
            f"Give it one that does not begin with {NAME!r}.",
        )
    for stack, why in ((MODEL, "whose settings the bench's environments have"), (PLATFORM, "which is measured")):
        if stack not in declared:
            raise RehearsalError(f"There is no {stack_file(stack)}, {why}.", "Measure a checkout that has one.")


@contextmanager
def trial(standing: Standing, checkout: Path, progress: Progress) -> Generator[Trial]:
    """A trial that removes whatever it made when the block ends, however it ends. Raises as `check` does."""
    check(checkout)
    with tempfile.TemporaryDirectory(prefix="smallcase-bench-") as directory:
        made = Trial(standing=standing, directory=Path(os.path.realpath(directory)))
        made.make(checkout)
        with progress.step("removing what an earlier bench may have left"):
            made.clear()
        try:
            yield made
        finally:
            with progress.step("removing what the bench made"):
                made.clear()
