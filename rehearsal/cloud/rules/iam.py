"""What IAM refuses: names and documents of roles and policies, and deleting what is still attached."""

# Every check is given the account, whether it looks at it or not.
# ruff: noqa: ARG001

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.cloud.properties import Properties, text_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.rules.tables import Check, Holders

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

_ROLE: Final = "aws:iam/role:Role"
_POLICY: Final = "aws:iam/policy:Policy"
_ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
_ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


def _check_policy_text(operation: str, document: str, limit: int, limit_text: str) -> None:
    try:
        json.loads(document)
    except ValueError as error:
        raise ApiError("IAM", operation, "MalformedPolicyDocument", "This policy contains invalid Json") from error
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: white space is not counted.
    if len(re.sub(r"\s", "", document)) > limit:
        raise ApiError("IAM", operation, "LimitExceeded", f"Cannot exceed quota for {limit_text}: {limit}", 409)


def _check_iam_name(operation: str, member: str, name: str, longest: int) -> None:
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    if len(name) > longest:
        reason = f"Member must have length less than or equal to {longest}"
    elif not re.fullmatch(r"[\w+=,.@-]+", name):
        reason = "Member must satisfy regular expression pattern: [\\w+=,.@-]+"
    else:
        return
    raise ApiError(
        "IAM",
        operation,
        "ValidationError",
        f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {reason}",
    )


def _check_role(cloud: "Cloud", inputs: Properties) -> None:
    _check_iam_name("CreateRole", "roleName", text_at(inputs, "name"), 64)
    _check_policy_text("CreateRole", text_at(inputs, "assumeRolePolicy"), 2048, "ACLSizePerRole")


def _check_policy(cloud: "Cloud", inputs: Properties) -> None:
    _check_iam_name("CreatePolicy", "policyName", text_at(inputs, "name"), 128)
    _check_policy_text("CreatePolicy", text_at(inputs, "policy"), 6144, "PolicySize")


def _check_role_policy(cloud: "Cloud", inputs: Properties) -> None:
    _check_policy_text("PutRolePolicy", text_at(inputs, "policy"), 10240, "RolePolicySize")


CHECKS: Final[Mapping[str, Check]] = {
    _ROLE: _check_role,
    _POLICY: _check_policy,
    _ROLE_POLICY: _check_role_policy,
}

UPDATE_CHECKS: Final[Mapping[str, Check]] = {
    _POLICY: _check_policy,
    _ROLE_POLICY: _check_role_policy,
}

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html (DeleteConflict) and its neighbours
HELD_BY: Final[Mapping[str, tuple[Holders, ...]]] = {
    _ROLE: (
        Holders((_ATTACHMENT,), "DeleteConflict", "Cannot delete entity, must detach all policies first."),
        Holders((_ROLE_POLICY,), "DeleteConflict", "Cannot delete entity, must delete policies first."),
        Holders(
            ("aws:iam/instanceProfile:InstanceProfile",),
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        ),
    ),
    _POLICY: (Holders((_ATTACHMENT,), "DeleteConflict", "Cannot delete a policy attached to entities."),),
}
