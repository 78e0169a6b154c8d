"""The calls that make the program's resources, held against AWS's own models of them, which botocore brings."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, cast

import regex
from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationNotFoundError, Shape, StringShape, StructureShape
from botocore.session import get_session
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]

from tests.contract.aws_types import MODULES, Asked, Description, described
from tests.contract.shapes import Node

TYPES: Final = {
    "boolean": "boolean",
    "double": "number",
    "float": "number",
    "integer": "integer",
    "long": "integer",
}
"""What is no list, structure or map; all others are texts."""
BOUNDS: Final = {
    "string": ("minLength", "maxLength"),
    "list": ("minItems", "maxItems"),
    "map": ("minProperties", "maxProperties"),
}
TAGS: Final = "ec2:CreateTags"
_SESSION: Final = get_session()


class NoCallError(Exception):
    """A type of Pulumi's that neither the API nor the table knows."""


def calls(resource: Asked) -> list[str]:
    """Calls that make a resource, as `service:Operation`."""
    if isinstance(resource.kind.calls, str):
        return []
    module, name = resource.token
    service = MODULES.get(module, (module, ""))[0]
    made = list(resource.kind.calls) or [f"{service}:Create{name}"]
    return [*made, TAGS] if service == "ec2" and "tags" in resource.inputs else made


def described_as_calls(resource: Asked) -> Iterator[Description]:
    """A resource as its calls.

    Raises:
        NoCallError: the call that follows from the token is none of the API's.
        UnmappedError: an input is in none of them.
    """
    try:
        schemas = {call: schema(call) for call in calls(resource)}
    except (UnknownServiceError, OperationNotFoundError):
        made = ", ".join(calls(resource))
        raise NoCallError(f"{resource.type}: there is no call {made}; name another, or the reason") from None
    if schemas:
        for description in described(resource, schemas):
            if description.what == TAGS:
                description.said["Resources"] = [resource.id]
            yield description


def faults(description: Description) -> list[str]:
    """What AWS's model of a call does not allow."""
    found = _validator(description.what).iter_errors(description.said)
    return [f"{description.what} {error.json_path}: {error.message}" for error in found]


@cache
def schema(call: str) -> Node:
    """Input of a call as a JSON schema."""
    service, operation = call.split(":")
    shape = _SESSION.get_service_model(service).operation_model(operation).input_shape
    assert shape is not None, call
    definitions: dict[str, Node] = {}
    return {**definitions[_define(shape, definitions)], "definitions": definitions}


@cache
def _validator(call: str) -> Validator:
    return cast("type[Validator]", extend(Draft202012Validator, {"pattern": _whole}))(schema(call))


def _whole(_: object, pattern: str, text: object, __: object) -> Iterator[ValidationError]:
    r"""AWS's patterns are for the whole text, and in Java's language, where `\w` is ASCII and `\p{L}` is not."""
    flags = 0 if r"\p{L}" in pattern else regex.ASCII
    if isinstance(text, str) and not regex.fullmatch(pattern.replace(r"\p{all}", r"\p{Any}"), text, flags):
        yield ValidationError(f"{text!r} is not {pattern}")


def _define(shape: Shape, definitions: dict[str, Node]) -> str:
    if shape.name not in definitions:
        node: dict[str, object] = {}
        definitions[shape.name] = node
        node |= _node(shape, definitions)
    return shape.name


def _node(shape: Shape, definitions: dict[str, Node]) -> Node:
    def reference(to: Shape) -> Node:
        return {"$ref": f"#/definitions/{_define(to, definitions)}"}

    about = cast("Mapping[str, object]", shape.metadata)
    lowest, highest = BOUNDS.get(shape.type_name, ("minimum", "maximum"))
    bounds = {ours: about[theirs] for theirs, ours in (("min", lowest), ("max", highest)) if theirs in about}
    match shape:
        case StructureShape():
            # The SDKs fill in a token themselves.
            tokens = {name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")}
            return {
                "type": "object",
                "properties": {name: reference(member) for name, member in shape.members.items()},
                "required": [name for name in shape.required_members if name not in tokens],
                "additionalProperties": False,
            }
        case ListShape():
            return {"type": "array", "items": reference(shape.member), **bounds}
        case MapShape():
            each = {"propertyNames": reference(shape.key), "additionalProperties": reference(shape.value)}
            return {"type": "object", **each, **bounds}
        case StringShape():
            patterns = {"pattern": about["pattern"]} if "pattern" in about else {}
            return {"type": "string", **bounds, **patterns, **({"enum": shape.enum} if shape.enum else {})}
        case _:
            return {"type": TYPES.get(shape.type_name, "string"), **bounds}
