"""The main job: the stand-in cloud up, every stack up, every page looked at.

Jenkins never deploys the stack that it runs on, so the platform comes up by plain `pulumi up`, as a person does it.
Environments are deployed by the pipeline's own verbs, with the rights that Jenkins has.
"""

import secrets
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final, final

from rich.console import Console

from infra.branches import BRANCHES, agent_for
from pipeline.branches import Stack, stacks
from pipeline.checkout import Build, Checkout
from pipeline.deadline import Deadline
from pipeline.deploy import deploy
from pipeline.environments import Target
from pipeline.outcomes import Failed
from pipeline.preview import preview
from pipeline.pulumi import Pulumi, explain
from pipeline.verify import Seen, verify
from rehearsal import cluster, node, places, project
from rehearsal.cluster import CHECKOUT
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import exclusively, own_cache

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
    return exclusively(own_cache() / "rehearse.lock")


def _up(progress: Progress, checkout: Path) -> list[Live]:
    standing = cluster.start(progress)
    if difference := cluster.version_difference():
        progress.note(difference)
    project.generate(checkout, project_directory(), standing.overlay)
    _prepare_state()
    with _targets(standing, checkout) as targets:
        existing = targets[0].pulumi.stacks()
        for target in targets:
            if target.stack not in existing:
                _create(target)
        owners = [target for target in targets if target.declared.owns_platform]
        for target in owners:
            with progress.step(f"pulumi up -s {target.stack}"):
                _bring_up(target)
        live = [_live(target) for target in owners if target.build.branch]
        # The first alone: what fails there goes no further, and two builds that push one new image at once fail.
        environments = [target for target in targets if not target.declared.owns_platform]
        return [*live, *_deploy_all(environments[:1], progress), *_deploy_all(environments[1:], progress)]


def _deploy_all(environments: Sequence[Target], progress: Progress) -> list[Live]:
    """Deploy environments beside one another, as Jenkins does."""
    if not environments:
        return []
    ways = ", ".join(f"{target.build.branch} to {target.stack}" for target in environments)
    with progress.step(f"deploying {ways}"), ThreadPoolExecutor() as pool:
        try:
            return list(pool.map(_deploy, environments, repeat(progress)))
        except KeyboardInterrupt:
            for target in environments:
                target.pulumi.stopped.set()
            raise


def _deploy(target: Target, progress: Progress) -> Live:
    """Deploy an environment as the pipeline does: a plan, then what it says, then a look at the page."""
    plan = places.state_directory() / f"plan-{target.stack}.json"
    with _explained(target):
        changes = preview(target, Deadline.after(DEADLINE), plan)
        deploy(target, plan, Deadline.after(DEADLINE))
    live = _live(target, str(changes) if changes.changes else "unchanged")
    progress.note(f"{target.stack} is live: {changes}")
    return live


def _live(target: Target, changes: str = "") -> Live:
    with _explained(target):
        return Live(stack=target.stack, seen=verify(target, Deadline.after(PATIENCE)), changes=changes)


def _create(target: Target) -> None:
    arguments = ("stack", "init", target.stack, "--no-select")
    with _explained(target):
        answer = target.pulumi.run(*arguments, deadline=Deadline.after(DEADLINE), show=True)
        if answer.code != 0:
            raise explain(answer, f"`pulumi {' '.join(arguments)}`")


def _bring_up(target: Target) -> None:
    """Bring a stack up as a person does, who sees what it does."""
    arguments = ("up", "--yes", "--skip-preview", "--suppress-progress")
    with _explained(target):
        answer = target.pulumi.run_locking(target.stack, *arguments, deadline=Deadline.after(DEADLINE))
        if answer.code != 0:
            raise explain(answer, f"`pulumi up -s {target.stack}`")


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
    with _targets(running(progress), CHECKOUT) as targets:
        existing = targets[0].pulumi.stacks()
        there = [target for target in targets if target.build.branch and target.stack in existing]
        return [_live(target) for target in there]


@contextmanager
def _targets(standing: cluster.Standing, checkout: Path) -> Generator[list[Target]]:
    """Every stack, in the order of promotion: an environment with the rights that the pipeline has, what owns the
    platform with all of them. What Pulumi says of each goes to a log."""
    directory = project_directory()
    declared = stacks(directory)
    with ExitStack() as logs:
        targets: list[Target] = []
        for name, stack in declared.items():
            rights = {} if stack.owns_platform else {"AWS_PROFILE": _role(stack, declared[stack.platform])}
            pulumi = Pulumi(
                project=directory,
                environment={**standing.variables, **rights},
                out=logs.enter_context(_log(name).open("a", encoding="utf-8")),
            )
            build = Build(branch=stack.branch, change=None)
            targets.append(Target(checkout=Checkout(root=checkout), build=build, pulumi=pulumi, stack=name))
        yield targets


def _role(environment: Stack, platform: Stack) -> str:
    """The role that deploys an environment on a platform."""
    return agent_for(BRANCHES[environment.branch].domain, platform.agents)


@contextmanager
def _explained(target: Target) -> Generator[None]:
    """Give what fails the way out that there is here."""
    try:
        yield
    except Failed as failed:
        raise RehearsalError(
            failed.message,
            f"{_log(target.stack)} has all of it. What ran before still runs; mend it and run `make rehearse` again.",
        ) from None


def _log(stack: str) -> Path:
    return places.state_directory() / "logs" / f"pulumi-{stack}.log"


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


def _prepare_state() -> None:
    """Where Pulumi's state goes, and what encrypts its secrets: random, and gone with it."""
    (places.state_directory() / "pulumi").mkdir(exist_ok=True)
    path = places.state_directory() / "passphrase"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32), encoding="utf-8")
