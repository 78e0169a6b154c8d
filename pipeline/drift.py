"""The verb `drift`: does the cloud still match what was deployed?"""

import argparse
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from pipeline import changes, environments
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import NO_STACK, Target, add_target_arguments
from pipeline.outcomes import Drifted
from pipeline.presence import LOOK_FIRST
from pipeline.progress import under_way
from pipeline.pulumi import Pulumi, explain
from pipeline.release import owed
from pipeline.report import Report
from pipeline.stack_files import read, settings_in, stack_file, write

HELP: Final = "compare the cloud with the commit that is deployed; it changes nothing"

REPORT: Final = "drift.md"

WAY_OUT: Final = (
    "The branch's next build brings back what is gone from the environment's namespace, its image and its number of "
    "pods. The rest is undone by `pulumi up --stack {stack} {look_first}`."
)
ELSEWHERE: Final = "Push that commit, or run the branch's build again, which deploys what the branch has."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_deadline_argument(parser, "15m")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Print what differs, and write it to `reports/drift.md`.

    Raises:
        Drifted: something does.
        Failed: the program or a provider refuses, or the deadline passed.
        Refused: no agent has rights on it yet.
        WrongUse: see `environments.find`.
    """
    deadline = Deadline.after(options.deadline)
    report = Report.begin(REPORT)
    target = environments.find(options, out)
    if not isinstance(target, Target):
        report.write(NO_STACK.format(branch=target.deployed_as, verb="compare"), out)
        return
    target.require_known()
    commit = str(target.pulumi.outputs(target.stack).get("commit") or "")
    if not commit:
        report.write(f"Nothing is deployed to `{target.stack}` yet: there is nothing to compare.", out)
        return
    if target.checkout.run("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").returncode != 0:
        message = f"`{target.stack}` runs `{commit}`, which is no commit of this clone: it was deployed from elsewhere."
        report.write(message, out)
        raise Drifted(message, ELSEWHERE)
    with under_way(f"comparing {target.stack}"), _program_at(commit, target) as pulumi:
        answer = pulumi.run(*("preview", "--stack", target.stack, "--json", *LOOK_FIRST), deadline=deadline)
    if answer.code != 0:
        raise explain(answer, f"The comparison of {target.stack}", changes.errors(answer))
    found = changes.read(answer)
    title = f"## `{target.stack}` at `{commit}`"
    if unreleased := owed(target.checkout, target.build.branch):
        title += f"\n\n{unreleased}"
    if not found.changes:
        report.write(f"{title}\n\nThe cloud matches what was deployed: {found}.", out)
        return
    text = [title, "", f"The cloud no longer matches what was deployed. To bring it back: {found}.", ""]
    report.write("\n".join([*text, *changes.table(found)]).rstrip(), out)
    raise Drifted(
        f"The cloud no longer matches what was deployed to {target.stack}: {found}.",
        WAY_OUT.format(stack=target.stack, look_first=" ".join(LOOK_FIRST)),
    )


@contextmanager
def _program_at(commit: str, target: Target) -> Generator[Pulumi]:
    """The program as it was deployed, in a work tree of its own where another commit is checked out."""
    checkout = target.checkout
    if checkout.head().startswith(commit):
        yield target.pulumi
        return
    with tempfile.TemporaryDirectory(prefix="smallcase-drift-") as parent:
        tree = Path(parent) / "tree"
        checkout.git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            _adopt(tree, target)
            yield target.pulumi.elsewhere(tree)
        finally:
            checkout.run("worktree", "remove", "--force", str(tree))


def _adopt(tree: Path, target: Target) -> None:
    """Give the work tree what Git does not have: the packages, where they are the same, and what a project directory
    that is not the checkout says otherwise."""
    root, project = target.checkout.root, target.pulumi.project
    if (root / ".venv").exists() and (root / "uv.lock").read_bytes() == (tree / "uv.lock").read_bytes():
        (tree / ".venv").symlink_to((root / ".venv").resolve())
    if project == root:
        return
    name = stack_file(target.stack)
    theirs, now, then = (settings_in(directory / name) for directory in (project, root, tree))
    added = {key: value for key, value in theirs.items() if now.get(key) != value}
    write(tree / name, {**read(project / name), "config": {**then, **added}})
