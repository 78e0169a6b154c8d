"""The main job: the stand-in cloud up, every stack up, every page looked at."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rich.console import Console

from rehearsal import cluster, pages, places, project
from rehearsal.engine import Engine
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import exclusively

CHECKOUT: Final = Path(__file__).resolve().parent.parent


@final
@dataclass(frozen=True, kw_only=True)
class Live:
    """One environment that answers."""

    stack: str
    url: str
    page: pages.Page
    changes: Mapping[str, int]


def up(progress: Progress, checkout: Path = CHECKOUT) -> list[Live]:
    """Bring everything up, from nothing or from whatever state a run before was left in.

    Raises:
        RehearsalError: something is missing, taken or failed; what ran before still runs.
    """
    # Two at once would write each other's project directory and passphrase.
    with exclusively(places.cache_directory() / "rehearse.lock"):
        return _up(progress, checkout)


def _up(progress: Progress, checkout: Path) -> list[Live]:
    standing = cluster.start(progress)
    directory = project_directory()
    project.generate(checkout, directory, standing.overlay)
    _prepare_state()
    engine = engine_for(standing, directory)
    existing = engine.stacks()
    live: list[Live] = []
    for stack, config in project.stacks(checkout).items():
        with progress.step(f"pulumi up -s {stack}"):
            if stack not in existing:
                engine.create(stack)
            changes = engine.up(stack)
        if config.get("smallcase:branch"):
            url = str(engine.outputs(stack)["url"])
            with progress.step(f"looking at {url}"):
                live.append(Live(stack=stack, url=url, page=pages.look(url), changes=changes))
    return live


def running(progress: Progress) -> cluster.Standing:
    """The rehearsal that is up on this machine.

    Raises:
        RehearsalError: there is none.
    """
    if not (project_directory() / "Pulumi.yaml").exists():
        raise RehearsalError("No rehearsal runs on this machine.", "Start one with `make rehearse`.")
    return cluster.start(progress)


def look(progress: Progress) -> list[Live]:
    """The environments that are up, each looked at anew.

    Raises:
        RehearsalError: there is no rehearsal, or a page does not answer.
    """
    engine = engine_for(running(progress), project_directory())
    addresses = {stack: str(engine.outputs(stack).get("url", "")) for stack in engine.stacks()}
    return [Live(stack=stack, url=url, page=pages.look(url), changes={}) for stack, url in addresses.items() if url]


def project_directory() -> Path:
    """Where the program that is rehearsed is linked together with its stack files."""
    return places.state_directory() / "project"


def engine_for(standing: cluster.Standing, directory: Path) -> Engine:
    """The CLI in a project directory, speaking to this rehearsal."""
    return Engine(project=directory, environment=standing.variables, logs=places.state_directory() / "logs")


def table(live: list[Live], console: Console) -> None:
    """Print the addresses, whole however narrow the terminal is, each beside its page's colour."""
    for one in live:
        done = ", ".join(f"{count} {what}" for what, count in one.changes.items() if what != "unchanged")
        facts = [
            one.page.environment,
            f"branch {one.page.branch}",
            f"version {one.page.version}",
            f"image {one.page.image.partition('@')[2][:19]}",
            f"resources {done or 'unchanged'}",
        ]
        console.print(f"[bold {one.page.colour}]■[/] {one.stack:<8} {one.url}", soft_wrap=True, highlight=False)
        console.print(f"           [dim]{' · '.join(facts)}[/]", soft_wrap=True, highlight=False)


def _prepare_state() -> None:
    """Where Pulumi's state goes, and what encrypts its secrets: random, and gone with it."""
    (places.state_directory() / "pulumi").mkdir(exist_ok=True)
    path = places.state_directory() / "passphrase"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
