"""The form in which the module of a service says what its API refuses."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, final

from rehearsal.cloud.properties import Properties
from rehearsal.cloud.resource import Resource

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

Check: TypeAlias = "Callable[[Cloud, Properties], None]"
"""Raises `ApiError` where the account, as it is, refuses a resource with such inputs."""

DeleteCheck: TypeAlias = "Callable[[Cloud, Resource], None]"
"""Raises `ApiError` where the account refuses to delete the resource."""


@final
class Holders(NamedTuple):
    """What keeps a resource from being deleted: the types that may refer to it, and the refusal."""

    types: tuple[str, ...]
    code: str
    message: str
