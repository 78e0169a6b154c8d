"""What AWS's API refuses at once, in its own words; a module for each service.

Only what the API checks in the call itself. What AWS accepts and what fails later is refused by the program's own
settings.
"""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from rehearsal.cloud.kinds import Kind, kind_of
from rehearsal.cloud.properties import Properties, Value, strings_in, text_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.rules import ec2, ecr, eks, iam, load_balancing
from rehearsal.cloud.rules.ecr import check_push
from rehearsal.cloud.rules.tables import Check, DeleteCheck, Holders

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

__all__ = ["check_create", "check_delete", "check_push", "check_update", "derived", "replaces"]

_CHECKS: Final[Mapping[str, Check]] = {
    **ec2.CHECKS,
    **iam.CHECKS,
    **eks.CHECKS,
    **ecr.CHECKS,
    **load_balancing.CHECKS,
}
_HELD_BY: Final[Mapping[str, tuple[Holders, ...]]] = {
    **ec2.HELD_BY,
    **iam.HELD_BY,
    **eks.HELD_BY,
    **load_balancing.HELD_BY,
}
_DELETE_CHECKS: Final[Mapping[str, DeleteCheck]] = {
    **ec2.DELETE_CHECKS,
    **eks.DELETE_CHECKS,
    **ecr.DELETE_CHECKS,
    **load_balancing.DELETE_CHECKS,
}


def _status(kind: Kind) -> int:
    """The HTTP status of a conflict with what there is already."""
    return 409 if kind.service == "IAM" else 400


def _check_references(cloud: "Cloud", type: str, operation: str, inputs: Properties) -> None:
    brought = ec2.brought(cloud) | eks.brought(cloud)
    for text in strings_in(cast(Value, inputs)):
        found = ec2.ID.fullmatch(text)
        if found is None or text in brought:
            continue
        of_type, code, message = ec2.NOT_FOUND[found[1]]
        if cloud.find(of_type, text) is None:
            raise ApiError(kind_of(type).service, operation, code, message.format(id=text))


def check_create(cloud: "Cloud", type: str, inputs: Properties) -> None:
    """Raises `ApiError` where AWS refuses to create such a resource beside those that the account has."""
    kind = kind_of(type)
    operation = f"Create{kind.operation}"
    _check_references(cloud, type, operation, inputs)
    name = text_at(inputs, kind.named)
    if kind.duplicate is not None and any(other.text(kind.named) == name for other in cloud.of(type)):
        code, message = kind.duplicate
        text = message.format(name=name, account=cloud.settings.account, region=cloud.settings.region)
        raise ApiError(kind.service, operation, code, text, _status(kind))
    check = _CHECKS.get(type)
    if check is not None:
        check(cloud, inputs)


def check_update(cloud: "Cloud", type: str, inputs: Properties) -> None:
    """Raises `ApiError` where AWS refuses the new inputs."""
    _check_references(cloud, type, f"Modify{kind_of(type).operation}", inputs)
    check = iam.UPDATE_CHECKS.get(type)
    if check is not None:
        check(cloud, inputs)


def _holds(holder: Resource, held: Resource) -> bool:
    if holder.type in ec2.GROUP_RULES and holder.text("securityGroupId") == held.id:
        return False  # A group's own rules go with it.
    return holder.refers_to(held.id) or holder.refers_to(held.text("arn"))


def check_delete(cloud: "Cloud", resource: Resource) -> None:
    """Raises `ApiError` where AWS refuses to delete what others still refer to."""
    kind = kind_of(resource.type)
    for holders in _HELD_BY.get(resource.type, ()):
        if any(_holds(holder, resource) for type in holders.types for holder in cloud.of(type)):
            message = holders.message.format(id=resource.id)
            raise ApiError(kind.service, f"Delete{kind.operation}", holders.code, message, _status(kind))
    check = _DELETE_CHECKS.get(resource.type)
    if check is not None:
        check(cloud, resource)


def replaces(type: str, inputs: Properties) -> frozenset[str]:
    """Inputs that, as the others are, AWS or its provider cannot change in place."""
    always, more = kind_of(type).replaces, ec2.REPLACES.get(type)
    return always if more is None else always | more(inputs)


def derived(cloud: "Cloud", type: str, inputs: Properties) -> Properties:
    """Outputs that AWS takes from another resource."""
    derive = eks.DERIVED.get(type)
    return derive(cloud, inputs) if derive is not None else {}
