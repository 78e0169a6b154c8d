"""Property values of resources, and what the engine's protocol says about them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, cast

from google.protobuf import json_format, struct_pb2

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Properties: TypeAlias = dict[str, Value]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What a preview says in place of a value that only the update will know (the engine's `UnknownStringValue`)."""

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key that tells a special value of the protocol from a plain object (`resource.SigKey` of the engine)."""
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker of the protocol)
RESOURCE_REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def from_struct(message: struct_pb2.Struct) -> Properties:
    return cast(Properties, json_format.MessageToDict(message))


def to_struct(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update(dict(properties))
    return message


def text_at(properties: Properties, key: str) -> str:
    """The string under the key, empty where there is none."""
    value = properties.get(key)
    return value if isinstance(value, str) else ""


def texts_at(properties: Properties, key: str) -> list[str]:
    """The strings of the list under the key, none where there is no list."""
    value = properties.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def object_at(properties: Properties, key: str) -> Properties:
    """The object under the key, empty where there is none."""
    value = properties.get(key)
    return value if isinstance(value, dict) else {}


def objects_at(properties: Properties, key: str) -> list[Properties]:
    """The objects of the list under the key, none where there is no list."""
    value = properties.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings_in(value: Value) -> Iterator[str]:
    """Every string at any depth, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_in(item)


def has_unknown(value: Value) -> bool:
    return UNKNOWN in strings_in(value)


def merged(below: Value, above: Value) -> Value:
    """`above` laid over `below`: objects key by key, everything else replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {key: merged(below[key], value) if key in below else value for key, value in above.items()}
        return {**below, **both}
    return copy.deepcopy(above)


def merged_properties(below: Properties, above: Properties) -> Properties:
    return cast(Properties, merged(below, above))


def beyond(whole: Properties, part: Properties) -> Properties:
    """What an object holds, at any depth of objects, that another lacks: of outputs, what was added to the inputs."""
    found: Properties = {}
    for key, value in whole.items():
        if key not in part:
            found[key] = value
        elif isinstance(value, dict):
            found[key] = beyond(value, object_at(part, key))
    return found


def differences(old: Value, new: Value, path: str = "") -> Iterator[tuple[str, str]]:
    """Paths as the engine writes them (`a.b[0]`) with `ADD`, `DELETE` or `UPDATE`; an unknown differs from
    everything.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            below = f"{path}.{key}" if path else key
            if key not in new:
                yield below, "DELETE"
            elif key not in old:
                yield below, "ADD"
            else:
                yield from differences(old[key], new[key], below)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            below = f"{path}[{index}]"
            if index >= len(new):
                yield below, "DELETE"
            elif index >= len(old):
                yield below, "ADD"
            else:
                yield from differences(old[index], new[index], below)
    elif old != new or new == UNKNOWN:
        yield path, "UPDATE"


def without_signatures(value: Value) -> Value:
    """The plain value under secrets, output values and resource references (which become the id)."""
    if isinstance(value, list):
        return [without_signatures(item) for item in value]
    if isinstance(value, dict):
        match value.get(SIGNATURE):
            case None:
                return {key: without_signatures(item) for key, item in value.items()}
            case signature if signature == RESOURCE_REFERENCE:
                return value.get("id") or UNKNOWN
            case signature if signature in (SECRET, OUTPUT):
                return without_signatures(value.get("value", UNKNOWN))
            case _:
                return value
    return value
