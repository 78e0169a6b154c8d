"""The verbs. Each is idempotent: run again, it goes on where it was."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from operations import add_ons, audit, cost, host_image, plugins, quotas, state
from pipeline.branches import Stack, stacks
from pipeline.outcomes import Stopped, WrongUse
from pipeline.pulumi import Pulumi
from pipeline.stack_files import stack_file
from pipeline.streams import print_anything

CHECKOUT: Final = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; what stops it is one message on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m operations", description="What people do to the system now and then."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("state", help="make the bucket and the key that hold the stacks' state")
    verb.add_argument("--region", default="us-east-1")
    verb = verbs.add_parser("host-image", help="print the newest machine image for the Jenkins hosts")
    verb.add_argument("--region", default="us-east-1")
    verb.add_argument("--stack", default="platform", help="the stack that owns the platform")
    verb = verbs.add_parser("add-ons", help="ask AWS whether it offers the pinned versions of the cluster's add-ons")
    verb.add_argument("--region", default="us-east-1")
    verbs.add_parser("plugins", help="compare the pinned checksums of Pulumi's and Jenkins's plugins with the sites")
    verbs.add_parser("audit", help="ask whether advisories are out for what is locked")
    verb = verbs.add_parser("quotas", help="ask AWS whether the account's quotas are large enough")
    verb.add_argument("--region", default="us-east-1")
    verb = verbs.add_parser("cost", help="print what the stacks cost in a month")
    verb.add_argument("stacks", nargs="*", help="all that are up, unless named")
    verb.add_argument(
        "--planned", action="store_true", help="what they would cost after an `up`, as their settings are now"
    )
    given = parser.parse_args(arguments)
    try:
        _run(given)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    return 0


def _run(given: argparse.Namespace) -> None:
    match given.verb:
        case "state":
            made = state.ensure(given.region)
            print(f"pulumi login '{made.backend}'")
            for stack in stacks(CHECKOUT):
                print(f"pulumi stack init {stack} --secrets-provider '{made.secrets_provider}'")
        case "host-image":
            print(f"pulumi config set smallcase:hostImage {host_image.newest(given.region)} -s {given.stack}")
        case "add-ons":
            print("\n".join(add_ons.check(add_ons.catalogue(given.region))))
        case "plugins":
            print("\n".join(plugins.check(plugins.sha256_at, plugins.update_center())))
        case "audit":
            print("\n".join(audit.check(audit.by_pip_audit, audit.of_checkout())))
        case "quotas":
            print("\n".join(quotas.check(quotas.of_region(given.region), given.region)))
        case _:
            pulumi = Pulumi(project=CHECKOUT, environment=os.environ, out=sys.stdout)
            names = given.stacks or pulumi.stacks()
            look = pulumi.planned if given.planned else pulumi.resources
            declared = stacks(CHECKOUT)
            zones = {name: _zones(name, declared) for name in names}
            print(cost.report({name: look(name) for name in names}, zones, cost.prices()))


def _zones(name: str, declared: Mapping[str, Stack]) -> int:
    """Over how many zones the platform that a stack runs on reaches."""
    return _declared(_declared(name, declared).platform, declared).zones


def _declared(name: str, declared: Mapping[str, Stack]) -> Stack:
    if name not in declared:
        raise WrongUse(
            f"There is no {stack_file(name)}.", "Write one, or name the others: `python -m operations cost STACK…`."
        )
    return declared[name]


if __name__ == "__main__":
    print_anything()
    sys.exit(main())
