"""Parts of JSON that somebody else wrote: what is not as expected is empty, and breaks nothing."""

from collections.abc import Mapping, Sequence
from typing import cast


def mapping(value: object) -> Mapping[str, object]:
    """An object's members; none where it is no object."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[object]:
    """A list's items; none where it is no list."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()
