"""A resource of the stand-in cloud."""

from dataclasses import dataclass
from typing import final

from rehearsal.cloud.properties import Properties


@final
@dataclass(frozen=True, kw_only=True)
class Resource:
    """What the account keeps: Pulumi's type token, the physical id, the name it was asked for under, inputs and
    outputs.

    `digits` are 64 hexadecimal digits from which the resource's made-up ids derive.
    """

    type: str
    id: str
    name: str
    digits: str
    inputs: Properties
    outputs: Properties

    def text(self, key: str) -> str:
        """An output that is a string, empty where there is none."""
        value = self.outputs.get(key)
        return value if isinstance(value, str) else ""
