"""The verb `reproduce`: does the commit's `app/`, built from nothing that was kept, give the image that was tested?

The same `app/` on the same base gives the same digest. So what was put into a build unseen, by a cache or by a hand on
the agent, shows as another one. The image that is built here is compared and never deployed.
"""

import argparse
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from infra.branches import BRANCHES
from infra.image_reference import ImageReference, tag
from infra.revision import APP
from pipeline import environments, preview
from pipeline.branches import FLOW, stack_of
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import NO_STACK, Target, add_target_arguments
from pipeline.outcomes import Failed, Refused
from pipeline.progress import under_way
from pipeline.pulumi import Pulumi, explain
from pipeline.report import Report

HELP: Final = (
    "build the application again without any cache, and compare it with the image that was tested; it pushes nothing"
)

RULE: Final = "The rule: production gets what was tested, and the same app/ gives the same image."

_NEEDED: Final = ("Pulumi.yaml", "infra", "pyproject.toml", "uv.lock", ".venv")
"""Of a project directory, what a program of one image needs."""
_PROGRAM: Final = """\
from pathlib import Path

from infra.environment.image import build_again

build_again(Path({root!r}), {base_image!r})
"""
_STACK: Final = "again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_deadline_argument(parser, "12m")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Print what came of it, and add it to the preview's report, which whoever approves has before them.

    Raises:
        Failed: the state cannot be read.
        Refused: the image that was tested is another one.
        WrongUse: see `environments.find`.
    """
    deadline = Deadline.after(options.deadline)
    target = environments.find(options, out)
    if not isinstance(target, Target):
        print(NO_STACK.format(branch=target.deployed_as, verb="build again"), file=out)
        return
    report = Report.of(preview.REPORT)
    try:
        report.add(f"Image: {reproduce(target, deadline)}", out)
    except Refused as refused:
        report.add(f"Image: {refused.message}", out)
        raise


def reproduce(target: Target, deadline: Deadline) -> str:
    """What can be said of the image that a deployment would build.

    Raises:
        Failed: the state cannot be read.
        Refused: the image that was tested is another one.
        WrongUse: a program or a credential is missing.
    """
    settings = target.declared.environment
    if settings.image is not None:
        return (
            f"not built again, since nothing is built. `smallcase:image` names `{settings.image}`: whoever approves "
            "knows why."
        )
    tested = _tested(target)
    if isinstance(tested, str):
        return f"not built again. {tested} Whoever approves decides."
    try:
        with under_way(f"building {APP}/ again, without any cache"):
            digest = _build(target, settings.base_image, deadline)
    except Failed as failed:
        return f"could not be built again, so it was compared with nothing. Whoever approves decides. {failed.message}"
    if digest != tested.digest:
        raise Refused(
            f"{APP}/ of {target.checkout.head()[:12]}, built without any cache, is {digest}; "
            f"{tested.environment} runs {tested.digest}. {RULE}",
            "Another BuildKit built that one, or something is in it that is in no commit. docs/recovery.md says how to "
            "find out, and what to do.",
        )
    return f"built again without any cache, it is what `{tested.environment}` runs: `{digest}`."


def _tested(target: Target) -> ImageReference | str:
    """The image to compare with, or why there is none."""
    branch = _before(target.build.deployed_as)
    stack = branch and stack_of(branch, target.pulumi.project)
    if not stack:
        return f"Nothing is tested before {target.build.deployed_as} by the same agent."
    said = target.image_of(stack)
    if not said:
        return f"`{stack}` runs nothing, so nothing was tested."
    try:
        image = ImageReference.parse(said)
    except ValueError as error:
        return f"`{stack}` runs `{said}`: {error}."
    other = _otherwise(target, image, stack)
    return f"`{stack}` runs `{image}`{other}" if other else image


def _otherwise(target: Target, image: ImageReference, stack: str) -> str:
    """Why an image may well be another one than this commit's; nothing where it has to be the same."""
    if image.environment != stack:
        return ", which it did not build itself."
    if image.tag != tag(stack, image.commit, target.declared.environment.base_image):
        return ", which is built on another base image."
    if target.checkout.changes():
        return ", and files differ here from the commit that is checked out."
    if _app_of(target, image.commit) != _app_of(target, "HEAD"):
        return f", whose {APP}/ is not that of this commit."
    return ""


def _before(branch: str) -> str:
    """The branch from which this one is promoted, where both are built in one trust domain; else none."""
    position = FLOW.index(branch)
    before = FLOW[position - 1] if position else ""
    return before if before and BRANCHES[before].domain == BRANCHES[branch].domain else ""


def _app_of(target: Target, commit: str) -> str:
    """The commit that an image says, built of this one: the last that touched the application. Nothing where this clone
    does not have it, as of files that were never committed."""
    return target.checkout.run("rev-list", "-1", commit, "--", APP).stdout.strip()


def _build(target: Target, base_image: str | None, deadline: Deadline) -> str:
    """Build with the program's own arguments, by the same provider and BuildKit, in a project and a state of their own.

    Raises:
        Failed: it cannot be built, or not in time.
        WrongUse: a program or a credential is missing.
    """
    with _project(target, base_image) as pulumi:
        for command in (("stack", "init", _STACK), ("up", "--stack", _STACK, "--yes", "--skip-preview")):
            answer = pulumi.run(*command, deadline=deadline)
            if answer.code != 0:
                raise Failed(explain(answer, "The build").message)
        return str(pulumi.outputs(_STACK)["digest"])


@contextmanager
def _project(target: Target, base_image: str | None) -> Generator[Pulumi]:
    """A project of one image beside the real one, which leaves nothing."""
    real = target.pulumi.project
    with tempfile.TemporaryDirectory(prefix="smallcase-again-") as temporary:
        project, state = Path(temporary) / "project", Path(temporary) / "state"
        project.mkdir()
        state.mkdir()
        for name in _NEEDED:
            if (real / name).exists():
                (project / name).symlink_to((real / name).resolve())
        program = _PROGRAM.format(root=str(target.checkout.root), base_image=base_image)
        (project / "__main__.py").write_text(program, encoding="utf-8")
        own = {"PULUMI_BACKEND_URL": state.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "holds no secret"}
        yield Pulumi(
            project=project,
            environment={**target.pulumi.environment, **own},
            out=target.pulumi.out,
            stopped=target.pulumi.stopped,
        )
