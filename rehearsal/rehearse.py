"""The main job: the stand-in cloud up, every stack up, every page looked at.

Jenkins never deploys the stack that it runs on, so the platform comes up by plain `pulumi up`, as a person does it.
Environments are deployed by the pipeline's own verbs, with the rights that Jenkins has.
"""

import secrets
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from rich.console import Console

from pipeline.branches import configurations
from pipeline.checkout import Build, Checkout
from pipeline.deadline import Deadline
from pipeline.deploy import deploy
from pipeline.environments import Target
from pipeline.outcomes import Failed
from pipeline.preview import preview
from pipeline.pulumi import Pulumi, explain
from pipeline.verify import Seen, verify
from rehearsal import cluster, node, places, project
from rehearsal.node.certificates import DEPLOY
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import exclusively

CHECKOUT: Final = Path(__file__).resolve().parent.parent

DEADLINE: Final = 900.0
"""Seconds that a stack has to come up."""
PATIENCE: Final = 60.0
"""Seconds that a page has to be right once its stack is up."""


@final
@dataclass(frozen=True, kw_only=True)
class Live:
    """One environment that answers."""

    stack: str
    seen: Seen
    changes: str
    """What was done to its resources; empty where that was not counted."""


def up(progress: Progress, checkout: Path = CHECKOUT) -> list[Live]:
    """Bring everything up, from nothing or from whatever state a run before was left in.

    Raises:
        Stopped: something is missing, taken or failed; what ran before still runs.
    """
    with _alone():
        return _up(progress, checkout)


def down(progress: Progress) -> None:
    """Take all of it away. Raises as `cluster.stop` does."""
    with _alone():
        cluster.stop(progress)


def _alone() -> AbstractContextManager[None]:
    """Two at once would write each other's project directory, or take the node from under each other."""
    return exclusively(places.cache_directory() / "rehearse.lock")


def _up(progress: Progress, checkout: Path) -> list[Live]:
    standing = cluster.start(progress)
    directory = project_directory()
    project.generate(checkout, directory, standing.overlay)
    _prepare_state()
    with _logged(standing, directory, "stacks") as pulumi:
        existing = pulumi.stacks()
    live: list[Live] = []
    for stack, config in configurations(directory).items():
        with _logged(standing, directory, stack) as pulumi:
            target = _target(stack, str(config["smallcase:branch"]), pulumi, checkout)
            if stack not in existing:
                _create(stack, pulumi)
            if target.owns_platform:
                _bring_up(target, progress)
                changes = ""
            else:
                changes = _deploy(target, progress)
            if target.build.branch:
                live.append(_look(target, progress, changes))
    return live


def _create(stack: str, pulumi: Pulumi) -> None:
    answer = pulumi.run("stack", "init", stack, "--no-select", deadline=Deadline.after(DEADLINE), show=True)
    if answer.code != 0:
        raise explain(answer, f"`pulumi stack init {stack}`")


def _bring_up(target: Target, progress: Progress) -> None:
    """Bring a stack up as a person does, who sees what it does."""
    arguments = ("up", "--yes", "--skip-preview", "--suppress-progress")
    with progress.step(f"pulumi up -s {target.stack}"):
        answer = target.pulumi.run_locking(target.stack, *arguments, deadline=Deadline.after(DEADLINE))
        if answer.code != 0:
            raise explain(answer, f"`pulumi up -s {target.stack}`")


def _deploy(target: Target, progress: Progress) -> str:
    """Deploy an environment as the pipeline does: a plan, and then what it says."""
    plan = places.state_directory() / f"plan-{target.stack}.json"
    with progress.step(f"previewing {target.stack}"):
        changes = preview(target, Deadline.after(DEADLINE), plan)
    with progress.step(f"deploying {target.build.branch} to {target.stack}"):
        deploy(target, plan, Deadline.after(DEADLINE))
    return str(changes) if changes.changes else "unchanged"


def _look(target: Target, progress: Progress, changes: str = "") -> Live:
    with progress.step(f"verifying {target.stack}"):
        return Live(stack=target.stack, seen=verify(target, Deadline.after(PATIENCE)), changes=changes)


def running(progress: Progress) -> cluster.Standing:
    """The rehearsal that is up on this machine.

    Raises:
        RehearsalError: there is none.
    """
    node.check_user()
    if not (project_directory() / "Pulumi.yaml").exists():
        raise RehearsalError("No rehearsal runs on this machine.", "Start one with `make rehearse`.")
    return cluster.start(progress)


def look(progress: Progress) -> list[Live]:
    """The environments that are up, each looked at anew.

    Raises:
        Stopped: there is no rehearsal, or a page is not right.
    """
    standing, directory = running(progress), project_directory()
    with _logged(standing, directory, "stacks") as pulumi:
        existing = pulumi.stacks()
        branches = {stack: str(config["smallcase:branch"]) for stack, config in configurations(directory).items()}
        return [
            _look(_target(stack, branch, pulumi, CHECKOUT), progress)
            for stack, branch in branches.items()
            if branch and stack in existing
        ]


def project_directory() -> Path:
    """Where the program that is rehearsed is linked together with its stack files."""
    return places.state_directory() / "project"


def table(live: list[Live], console: Console) -> None:
    """Print the addresses, whole however narrow the terminal is, each beside its page's colour."""
    for one in live:
        page = one.seen.page
        facts = [
            page.environment,
            f"branch {page.branch}",
            f"version {page.version}",
            f"image {page.digest[:19]}",
            *([f"resources {one.changes}"] if one.changes else []),
        ]
        console.print(f"[bold {page.colour}]■[/] {one.stack:<8} {one.seen.url}", soft_wrap=True, highlight=False)
        console.print(f"           [dim]{' · '.join(facts)}[/]", soft_wrap=True, highlight=False)


@contextmanager
def _logged(standing: cluster.Standing, directory: Path, name: str) -> Generator[Pulumi]:
    """The CLI, speaking to this rehearsal; what it shows goes to a log, which the message of a failure names."""
    path = places.state_directory() / "logs" / f"pulumi-{name}.log"
    with path.open("a") as log:
        try:
            yield Pulumi(project=directory, environment=standing.variables, out=log)
        except Failed as failed:
            raise RehearsalError(
                failed.message,
                f"All of it is in {path}. What ran before still runs; mend it and run `make rehearse` again.",
            ) from None


def _target(stack: str, branch: str, pulumi: Pulumi, checkout: Path) -> Target:
    target = Target(
        checkout=Checkout(root=checkout), build=Build(branch=branch, change=None), pulumi=pulumi, stack=stack
    )
    if target.owns_platform:
        return target
    role = {**pulumi.environment, "AWS_PROFILE": DEPLOY.file}
    return replace(target, pulumi=replace(pulumi, environment=role))


def _prepare_state() -> None:
    """Where Pulumi's state goes, and what encrypts its secrets: random, and gone with it."""
    (places.state_directory() / "pulumi").mkdir(exist_ok=True)
    path = places.state_directory() / "passphrase"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
