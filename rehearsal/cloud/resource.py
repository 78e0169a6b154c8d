"""A resource of the stand-in cloud."""

from dataclasses import dataclass
from typing import final

from rehearsal.cloud.properties import Properties, strings_in, text_at


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
        return text_at(self.outputs, key)

    def refers_to(self, id: str) -> bool:
        """Whether an input, at any depth, is that id or ARN."""
        return id in strings_in(self.inputs)
