"""A stack as a template of CloudFormation, for its linter."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, cast

from rehearsal.cloud.properties import Properties
from tests.contract.aws_types import MODULES, Asked, described
from tests.contract.shapes import Node

REGION: Final = "us-east-1"
WHAT: Final = "CloudFormation"


class NoTypeError(Exception):
    """A type of Pulumi's that neither CloudFormation nor the table knows."""


def type_of(resource: Asked) -> str:
    """The resource's type in CloudFormation; empty where the table says why it has none.

    Raises:
        NoTypeError: no type follows from the token, and the table has none.
    """
    named = resource.kind.cloudformation
    if named:
        return named if named.startswith("AWS::") else ""
    module, name = resource.token
    service = MODULES.get(module, ("", module))[1]
    found = _types().get(f"AWS::{service}::{name}".lower())
    if not found:
        raise NoTypeError(f"{resource.type}: CloudFormation has no AWS::{service}::{name}; name another, or the reason")
    return found


def template(resources: Iterable[Asked]) -> dict[str, Properties]:
    """The resources that CloudFormation has, by logical id, in a template.

    Raises:
        UnmappedError: it has the type of a resource and not one of its inputs.
    """
    found: Properties = {}
    for resource in resources:
        if type_ := type_of(resource):
            schema = _schema(type_)
            # Several types that have tags have none here.
            kept = {key: value for key, value in resource.inputs.items() if key != "tags" or _has_tags(schema)}
            [description] = described(replace(resource, inputs=kept), {WHAT: schema})
            found[f"R{len(found)}"] = {"Type": type_, "Properties": description.said, "Metadata": {"Of": str(resource)}}
    return {"Resources": found}


def faults(template: Mapping[str, Properties]) -> list[str]:
    """What the linter says against a template, without what it only advises.

    Its rules take two seconds to import, so nothing else does.
    """
    from cfnlint import lint  # pyright: ignore[reportMissingTypeStubs]
    from cfnlint.config import ManualArgs  # pyright: ignore[reportMissingTypeStubs]

    found: list[str] = []
    for match in lint(json.dumps(template), config=ManualArgs(regions=[REGION])):
        _, name, *path = [str(part) for part in cast("list[object]", getattr(match, "path", None)) or ["", ""]]
        about = cast("Properties", template["Resources"].get(name) or {})
        of = cast("Properties", about.get("Metadata") or {}).get("Of", name)
        found.append(f"{match.rule.id} {of} {'.'.join(path)}: {match.message}")
    return found


def _has_tags(schema: Node) -> bool:
    return "Tags" in cast("Node", schema["properties"])


@cache
def _types() -> dict[str, str]:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # pyright: ignore[reportMissingTypeStubs]

    return {name.lower(): name for name in PROVIDER_SCHEMA_MANAGER.get_resource_types(REGION)}


@cache
def _schema(type_: str) -> Node:
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # pyright: ignore[reportMissingTypeStubs]

    return cast("Node", PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, type_).schema)
