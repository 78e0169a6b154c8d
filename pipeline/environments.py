"""The environment that a verb is about: which stack, in which directory, at which commit."""

import argparse
import os
from dataclasses import dataclass
from typing import Final, TextIO, final

from pipeline.branches import Stack, stack_of, stacks
from pipeline.checkout import Build, Checkout, add_branch_argument, which
from pipeline.pulumi import Pulumi, add_project_argument, project_directory
from pipeline.roles import require_known


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A branch's environment, and Pulumi to reach it."""

    checkout: Checkout
    build: Build
    pulumi: Pulumi
    stack: str

    @property
    def declared(self) -> Stack:
        """What the stack's settings say."""
        return stacks(self.pulumi.project)[self.stack]

    def require_known(self) -> None:
        """See that the platform has given the agents rights on it.

        Raises:
            Refused: it has not.
        """
        platform = self.declared.platform
        if platform != self.stack:
            require_known(self.stack, platform, self.pulumi.outputs(platform))

    def image_of(self, stack: str) -> str:
        """The image that a stack beside this one deploys, or this one; empty where it deploys none.

        Raises:
            WrongUse: a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        return str(self.pulumi.outputs(stack).get("image") or "")


NO_STACK: Final = "No stack deploys {branch}: there is nothing to {verb}."


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which environment a verb is about."""
    add_branch_argument(parser)
    add_project_argument(parser)


def find(options: argparse.Namespace, out: TextIO) -> Target | Build:
    """The environment of the branch, or just the build where no stack deploys its branch.

    Raises:
        WrongUse: no branch is named, or a file is missing.
        Refused: two stacks claim the branch.
    """
    checkout = Checkout.find()
    build = which(options.branch, os.environ, checkout)
    directory = project_directory(options.project, os.environ, checkout.root)
    stack = stack_of(build.deployed_as, directory)
    if stack is None:
        return build
    pulumi = Pulumi(project=directory, environment=dict(os.environ), out=out)
    return Target(checkout=checkout, build=build, pulumi=pulumi, stack=stack)
