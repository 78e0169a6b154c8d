"""The rehearsal: the same program on one machine, with stand-ins only for what AWS alone has."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from rich.console import Console

from pipeline.interruption import interrupt_once
from pipeline.proxy import around
from pipeline.streams import print_anything
from rehearsal import cluster, places, rehearse
from rehearsal.interactive import shell_command
from rehearsal.progress import Progress, exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run one command. The exit code is 0 if it did what it says, 1 if it could not, 2 for an unknown command."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        if run is shell:
            command.add_argument("command", nargs=argparse.REMAINDER, help="run this instead of an interactive shell")
        if run is bench:
            command.add_argument("--runs", type=_at_least_one, default=5, help="how often each side is measured (5)")
            command.add_argument(
                "--quick", action="store_true", help="leave out the recipe that waits two minutes, measured once"
            )
    parsed = parser.parse_args(arguments)
    progress = Progress()
    return exit_code(progress, lambda: parsed.run(progress, parsed))


def up(progress: Progress, _: argparse.Namespace) -> None:
    """Bring everything up, from nothing to three live pages, and print their addresses."""
    rehearse.table(rehearse.up(progress), Console())
    progress.note("`make shell` to work on it, `make rehearse-down` to remove every trace.")


def down(progress: Progress, _: argparse.Namespace) -> None:
    """Remove every trace of the rehearsal; what was built for the next one stays in the cache."""
    rehearse.down(progress)


def clean(progress: Progress, _: argparse.Namespace) -> None:
    """Remove the rehearsal, and what was built and kept for the next one."""
    rehearse.down(progress)
    cluster.empty_cache(progress)


def status(progress: Progress, _: argparse.Namespace) -> None:
    """Look at the pages of a rehearsal that runs, and print their addresses."""
    rehearse.table(rehearse.look(progress), Console())


def shell(progress: Progress, parsed: argparse.Namespace) -> NoReturn:
    """A shell in which plain `pulumi` and `kubectl` work on the rehearsal."""
    variables = rehearse.running(progress).variables
    command: list[str] = parsed.command
    if not command:
        command, variables = shell_command(os.environ.get("SHELL", "/bin/sh"), variables, places.state_directory())
        progress.note(
            "In the rehearsal: `pulumi preview -s green`, `pulumi up -s green`, `kubectl get pods -A`, `exit`."
        )
    os.chdir(rehearse.project_directory())
    os.execvpe(command[0], command, variables)  # noqa: S606 - the user's own command


def bench(progress: Progress, parsed: argparse.Namespace) -> None:
    """Measure the program on a rehearsal that runs, and write docs/figures.md; takes about ten minutes."""
    from rehearsal.bench import bench as measure

    measure(progress, rehearse.running(progress), cluster.CHECKOUT, runs=parsed.runs, seed_recipe=not parsed.quick)


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs: give a whole number from 1")
    return int(text)


COMMANDS: Final[Mapping[str, Callable[[Progress, argparse.Namespace], int | None]]] = {
    "up": up,
    "down": down,
    "clean": clean,
    "status": status,
    "shell": shell,
    "bench": bench,
}

if __name__ == "__main__":
    print_anything()
    os.environ |= around(os.environ, *places.REACHED_DIRECTLY)
    interrupt_once()
    sys.exit(main())
