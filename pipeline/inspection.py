"""The verb `inspect`: does a stack's checkpoint start this program's providers, and nothing else?"""

import argparse
import os
from typing import Final, TextIO

from pipeline import checkpoint
from pipeline.checkout import Checkout
from pipeline.pulumi import Pulumi, add_project_argument, project_directory

HELP: Final = (
    "say whether a stack's checkpoint starts this program's providers alone; for a person, before plain `pulumi`"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", help="the stack whose checkpoint plain `pulumi` is to read")
    add_project_argument(parser)


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Read the checkpoint as text, and say that it is in order.

    Raises:
        Refused: it would start something else.
        WrongUse: there is no such stack, or a credential or the CLI is missing.
        Failed: the state cannot be read.
    """
    directory = project_directory(options.project, os.environ, Checkout.find().root)
    pulumi = Pulumi(project=directory, environment=dict(os.environ), out=out)
    checkpoint.require_ours(options.stack, pulumi.export(options.stack))
    print(f"The checkpoint of {options.stack} starts this program's providers alone.", file=out)
