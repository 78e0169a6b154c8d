"""The verbs. Each is idempotent: run again, it goes on where it was."""

import argparse
import sys
from collections.abc import Sequence

from operations import cost, host_image, stacks, state, teardown
from operations.refusal import RefusedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; what it refuses is one message on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m operations", description="What people do to the system now and then."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("state", help="make the bucket and the key that hold the stacks' state")
    verb.add_argument("--region", default="us-east-1")
    verb = verbs.add_parser("host-image", help="print the newest machine image for the Jenkins hosts")
    verb.add_argument("--region", default="us-east-1")
    verb.add_argument("--stack", default="platform", help="the stack that owns the platform")
    verb = verbs.add_parser("teardown", help="destroy every environment on a platform, then the platform")
    verb.add_argument("platform", help="the stack that owns it")
    verb.add_argument("--really", metavar="PLATFORM", required=True, help="the same name again: nothing asks any more")
    verb = verbs.add_parser("cost", help="print what the stacks cost in a month")
    verb.add_argument("stacks", nargs="*", help="all that are up, unless named")
    given = parser.parse_args(arguments)
    try:
        _run(given)
    except RefusedError as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


def _run(given: argparse.Namespace) -> None:
    match given.verb:
        case "state":
            made = state.ensure(given.region)
            print(f"pulumi login '{made.backend}'")
            print(f"pulumi stack init platform --secrets-provider '{made.secrets_provider}'")
        case "host-image":
            print(f"pulumi config set smallcase:hostImage {host_image.newest(given.region)} -s {given.stack}")
        case "teardown":
            if given.really != given.platform:
                raise RefusedError(
                    f"--really says {given.really!r}, the platform is {given.platform!r}. Nothing is done."
                )
            teardown.teardown(given.platform, stacks.declared(), stacks.CommandLine(), teardown.Kubectl())
        case _:
            pulumi = stacks.CommandLine()
            names = given.stacks or [stack.name for stack in stacks.declared() if pulumi.exists(stack.name)]
            print(cost.report({name: pulumi.resources(name) for name in names}, cost.prices()))


if __name__ == "__main__":
    sys.exit(main())
