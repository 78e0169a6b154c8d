"""What people have up already: the states of all kinds of stacks, as the program of an earlier commit wrote them.

They are in `checkpoints/`, a resource a line, with the commit in `checkpoints/COMMIT`. To renew them once a release is
out: `.venv/bin/python -m tests.engine.checkpoint COMMIT`.

The rule: a commit that is renewed from has to take over what the checkpoints before it hold and replace nothing, by its
own program. The command checks that, and leaves them alone otherwise. Renewing is thus no way past the test that looks
at them: what replaces something is mended (an alias, a name that stays), or it is a change for which people have to do
something, and then the changelog says what before a release has it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast, final

from rehearsal.progress import Progress
from rehearsal.toolchain import ensure_cli
from tests.engine.stories import ENVIRONMENTS
from tests.engine.world import ATTACHMENT, INSTANCE, Step, World, empty_world, git, make_checkout
from tests.stack_files import ALLOW_LIST, CHECKOUT, EVERYTHING

FOLDER: Final = Path(__file__).parent / "checkpoints"

BOOT_ANEW: Final = frozenset({INSTANCE, ATTACHMENT, "aws:lb/targetGroupAttachment:TargetGroupAttachment"})
"""Types of which any may be replaced: hosts hold nothing, and are made again when what they install changes."""


_OF_ONE_RUN: Final = ("created", "modified", "sourcePosition", "stackTrace")
"""What the engine keeps of a resource besides, which says when and where it was run."""


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A stack that is up."""

    name: str
    """Of the file."""
    stack: str
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    on: str = ""
    """The checkpoint of the platform that it refers to."""

    @property
    def file(self) -> Path:
        """Its resources."""
        return FOLDER / f"{self.name}.json"


CHECKPOINTS: Final[Mapping[str, Checkpoint]] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Checkpoint(name="platform", stack="platform", settings=EVERYTHING),
        *(Checkpoint(name=stack, stack=stack, on="platform") for stack in ENVIRONMENTS),
        Checkpoint(name="self", stack="green", settings={**ALLOW_LIST, "smallcase:platform": "self"}),
    )
}


def preview(world: World, name: str) -> Step:
    """What the program of a world without stacks makes of a checkpoint."""
    checkpoint = CHECKPOINTS[name]
    for restored in filter(None, (checkpoint.on, name)):
        _restore(world, CHECKPOINTS[restored])
    with world.settings(checkpoint.stack, checkpoint.settings):
        return world.preview(checkpoint.stack)


def _restore(world: World, checkpoint: Checkpoint) -> None:
    """Make the stack, with an empty state, and put the resources into that."""
    world.create(checkpoint.stack)
    state = world.export(checkpoint.stack)
    state["deployment"]["resources"] = [
        _offering(one) for one in json.loads(checkpoint.file.read_text(encoding="utf-8"))
    ]
    file = world.directory / f"{checkpoint.name}.json"
    file.write_text(json.dumps(state), encoding="utf-8")
    done = world.harness.pulumi("stack", "import", "--stack", checkpoint.stack, "--file", str(file))
    assert done.code == 0, done.output


def _offering(resource: dict[str, dict[str, dict[str, object]]]) -> Mapping[str, object]:
    """What environments refer to: a platform goes up before them, and then offers what it did not before."""
    outputs = resource.get("outputs", {})
    if "platform" in outputs and "repository_url" in outputs["platform"]:
        url = outputs["platform"]["repository_url"]
        outputs["platform"]["repositories"] = {"deploy": url, "open": f"{url}-open"}
    return resource


def lost(step: Step) -> set[str]:
    """What would not stay, and has to."""
    return {one for one in step.outcome.lost() if one.partition("::")[0] not in BOOT_ANEW}


def write(commit: str, pulumi: Path) -> None:
    """Bring everything up with the program of a commit, and keep the states."""
    with tempfile.TemporaryDirectory() as temporary:
        checkout = make_checkout(Path(temporary) / "smallcase", commit)
        for platform in (name for name, one in CHECKPOINTS.items() if not one.on):
            with empty_world(Path(temporary) / platform, checkout, pulumi) as world:
                for checkpoint in CHECKPOINTS.values():
                    if platform in (checkpoint.name, checkpoint.on):
                        checkpoint.file.write_text(_brought_up(world, checkpoint), encoding="utf-8")
    (FOLDER / "COMMIT").write_text(f"{commit}\n", encoding="utf-8")


def _brought_up(world: World, checkpoint: Checkpoint) -> str:
    """The resources of a stack, each in a line, without what differs from run to run."""
    world.create(checkpoint.stack)
    with world.settings(checkpoint.stack, checkpoint.settings):
        up = world.up(checkpoint.stack)
    assert up.succeeded, up.outcome.output
    resources = [
        json.dumps({key: value for key, value in one.items() if key not in _OF_ONE_RUN}, sort_keys=True)
        for one in cast("list[dict[str, object]]", world.export(checkpoint.stack)["deployment"]["resources"])
    ]
    return "[\n" + ",\n".join(resources) + "\n]\n"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests.engine.checkpoint", description="Renew the checkpoints from a release."
    )
    parser.add_argument("commit", help="a released commit or its tag")
    commit = git(CHECKOUT, "rev-parse", f"{parser.parse_args(arguments).commit}^{{commit}}").strip()
    pulumi = ensure_cli(Progress()) / "pulumi"
    refused = {name: gone for name in CHECKPOINTS if (gone := _lost_with(commit, name, pulumi))}
    for name, gone in refused.items():
        print(f"{name}: {commit} would replace or delete {', '.join(sorted(gone))}", file=sys.stderr)
    if refused:
        print("Nothing was written: tests/engine/checkpoint.py says why.", file=sys.stderr)
        return 1
    write(commit, pulumi)
    return 0


def _lost_with(commit: str, name: str, pulumi: Path) -> set[str]:
    with tempfile.TemporaryDirectory() as temporary:
        checkout = make_checkout(Path(temporary) / "smallcase", commit)
        with empty_world(Path(temporary) / "world", checkout, pulumi) as world:
            step = preview(world, name)
    assert step.succeeded or lost(step), step.outcome.output
    return lost(step)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
