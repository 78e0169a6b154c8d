"""The role that deploys an environment: which one it is, as the platform says, and how a person takes it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from pipeline import aws
from pipeline.outcomes import Failed, Refused, WrongUse
from pipeline.pulumi import Pulumi
from pipeline.stack_files import stack_file

OUTPUT: Final = "roles"
"""The output of a platform's stack: by role, its ARN and the stacks that it deploys."""
TIMEOUT: Final = 60
"""Seconds that AWS may take to answer."""


def role_of(stack: str, platform: Mapping[str, object]) -> str | None:
    """ARN of the role that deploys a stack, by the outputs of its platform; None where none has rights on it."""
    roles = cast("Mapping[str, Mapping[str, object]]", platform.get(OUTPUT) or {})
    found = (role["arn"] for role in roles.values() if stack in cast("list[str]", role["stacks"]))
    return cast("str | None", next(found, None))


def require_known(stack: str, platform_stack: str, platform: Mapping[str, object]) -> None:
    """See that the roles have rights on a stack: without, its state cannot be read, and AWS would not say why.

    Raises:
        Refused: the platform does not know it yet.
    """
    if OUTPUT in platform and role_of(stack, platform) is None:
        raise Refused(
            f"The platform {platform_stack!r} does not know the stack {stack!r} yet, so no agent has rights on it. The "
            "rule: rights follow from the stack files as they were when the platform last went up.",
            f"A person brings it up from a clone that has {stack_file(stack)}: `pulumi up -s {platform_stack}`. Then "
            "run this again.",
        )


def in_role(pulumi: Pulumi, arn: str) -> Pulumi:
    """The same with the rights of a role, for an hour, in place of one's own.

    Raises:
        WrongUse: `aws` is missing.
        Failed: AWS does not let us.
    """
    taking = ("sts", "assume-role", "--role-arn", arn, "--role-session-name", "smallcase")
    try:
        answer = aws.run(*taking, environment=pulumi.environment, timeout=TIMEOUT)
    except FileNotFoundError:
        raise WrongUse(
            "`aws` is not on PATH.",
            "Install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        ) from None
    except subprocess.TimeoutExpired:
        raise Failed(f"AWS did not answer within {TIMEOUT} seconds.", "Run it again.") from None
    if answer.returncode != 0:
        raise Failed(
            f"AWS does not let you take the role {arn}: {answer.stderr.strip()}",
            "Who is in `smallcase:administrators` or `smallcase:operators` of the platform may: docs/trust.md.",
        )
    taken = cast("Mapping[str, str]", json.loads(answer.stdout)["Credentials"])
    own = {
        name: value for name, value in pulumi.environment.items() if name not in {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}
    }
    credentials = {
        "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
        "AWS_SESSION_TOKEN": taken["SessionToken"],
    }
    return replace(pulumi, environment={**own, **credentials})
