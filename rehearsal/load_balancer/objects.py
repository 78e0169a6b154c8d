"""Kubernetes objects as JSON, read by path: what is absent reads as empty, as the API server omits what is empty."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Object: TypeAlias = Mapping[str, Json]
Key: TypeAlias = tuple[str, str]
"""Namespace and name; the namespace of what has none is empty."""


def at(value: Json, *path: str) -> Json:
    """What stands at the path, or None."""
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Json]", value).get(step)
    return value


def text(value: Json, *path: str) -> str:
    """The string at the path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Json, *path: str) -> int | None:
    """The whole number at the path."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def items(value: Json, *path: str) -> Sequence[Json]:
    """The list at the path, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, Sequence) and not isinstance(found, str) else ()


def mapping(value: Json, *path: str) -> Object:
    """The object at the path, or an empty one."""
    found = at(value, *path)
    return cast("Object", found) if isinstance(found, Mapping) else {}


def strings(value: Json, *path: str) -> Mapping[str, str]:
    """The object at the path, of which only what is a string: labels, annotations, selectors."""
    return {name: found for name, found in mapping(value, *path).items() if isinstance(found, str)}


def key(value: Json) -> Key:
    """Namespace and name."""
    return text(value, "metadata", "namespace"), text(value, "metadata", "name")


def is_terminating(value: Json) -> bool:
    """Somebody has deleted it, and it waits for its finalizers or for its containers to end."""
    return bool(text(value, "metadata", "deletionTimestamp"))


def condition(value: Json, kind: str) -> Object:
    """A condition of the status by its type."""
    for candidate in items(value, "status", "conditions"):
        if text(candidate, "type") == kind:
            return mapping(candidate)
    return {}
