"""The verb `platform`: bring a platform up from what was reviewed, the head of origin's master and nothing else.

The program and `pipeline` run with the rights of whoever calls them, which are an administrator's here. Plain
`pulumi up` runs whatever is checked out.
"""

import argparse
import os
from typing import Final, TextIO

from pipeline.branches import require_owner, stacks
from pipeline.checkout import Build, Checkout, in_ci
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import Target
from pipeline.outcomes import Failed, Refused
from pipeline.preview import preview, summary
from pipeline.progress import under_way
from pipeline.pulumi import Pulumi, add_project_argument, explain, project_directory

HELP: Final = "bring a platform up from a clean clone of origin/master: for a person, never for Jenkins"

REVIEWED: Final = "master"
"""The branch that an administrator's rights are for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("platform", help="the stack that owns it")
    parser.add_argument("--really", metavar="PLATFORM", help="the same name again: do it; without, it is only shown")
    add_project_argument(parser)
    add_deadline_argument(parser, "90m")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Show what would change, and change it if the name is said twice.

    Raises:
        Refused: Jenkins asks, the checkout is not origin's master as it is now, or the stack owns no platform.
        Failed: origin does not answer, the program or a provider refuses, or the deadline passed.
        Locked: somebody else held the stack's lock until the deadline.
        WrongUse: there is no such stack, or a program or credential is missing.
    """
    deadline = Deadline.after(options.deadline)
    checkout = Checkout.find()
    if in_ci(os.environ):
        raise Refused(
            "A build server asks for a platform. The rule: Jenkins never changes what it runs on.",
            "A person runs this from a laptop, with an administrator's credentials.",
        )
    if options.really not in (None, options.platform):
        raise Refused(
            f"--really says {options.really!r}, the platform is {options.platform!r}. Nothing is done.",
            f"Say `--really {options.platform}` if that is what you mean.",
        )
    require_reviewed(checkout)
    directory = project_directory(options.project, os.environ, checkout.root)
    require_owner(options.platform, stacks(directory), "An environment goes up by a push to its branch.")
    pulumi = Pulumi(project=directory, environment=dict(os.environ), out=out)
    if options.really is None:
        build = Build(branch=REVIEWED, change=None)
        target = Target(checkout=checkout, build=build, pulumi=pulumi, stack=options.platform)
        with under_way(f"previewing {target.stack}"):
            found = preview(target, deadline)
        print(summary(target, found, note=f"To do it, say it again with `--really {target.stack}`."), file=out)
        return
    answer = pulumi.run_locking(
        options.platform, "up", "--yes", "--skip-preview", "--suppress-progress", deadline=deadline
    )
    if answer.code != 0:
        raise explain(answer, f"The deployment of {options.platform}")


def require_reviewed(checkout: Checkout) -> None:
    """Let only origin's master through, as it is at this moment, with nothing changed on top.

    Raises:
        Refused: another commit is checked out, or files differ from it.
        Failed: origin does not answer.
    """
    branch = f"refs/heads/{REVIEWED}"
    fetched = checkout.run("fetch", "--quiet", "origin", f"+{branch}:refs/remotes/origin/{REVIEWED}", remote=True)
    if fetched.returncode != 0:
        raise Failed(
            f"Origin does not say where its {REVIEWED} is: {fetched.stderr.strip()}",
            "Without it nobody can tell what was reviewed. Mend that and run it again.",
        )
    head, reviewed = checkout.head(), checkout.origin(REVIEWED)
    if head != reviewed:
        raise Refused(
            f"{head[:12]} is checked out, and origin's {REVIEWED} is {reviewed[:12]}. "
            f"The rule: a platform comes from what was reviewed, which is the head of {REVIEWED}.",
            f"`git checkout --detach origin/{REVIEWED}`. Plain `pulumi up` does what is checked out, unguarded.",
        )
    checkout.require_clean("a platform")
