"""What the container's environment variables say about this deployment; the image itself knows none of it."""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeVar, final

from smallcase.colour import Colour


class Environment(StrEnum):
    """The environment a reader of the page sees; its namespace and stack have names of their own."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class SettingsError(Exception):
    """A variable is missing or malformed; the message is one line for the person who set it."""


T = TypeVar("T")

_BRANCH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9.:_/-]{0,300}@sha256:[0-9a-f]{64}")
_PORT: Final = re.compile(r"[0-9]{1,5}")


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """One deployment, validated: nothing else in the application reads the environment's variables."""

    environment: Environment
    branch: str
    colour: Colour
    version: str
    digest: str
    """The image's, `sha256:` and 64 hexadecimal digits. Where it lies is nothing for a public page."""
    port: int
    pod: str

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Raise SettingsError for the first variable that is missing or malformed."""
        return cls(
            environment=_parsed(variables, "SMALLCASE_ENVIRONMENT", Environment, "one of " + ", ".join(Environment)),
            branch=_parsed(variables, "SMALLCASE_BRANCH", _matching(_BRANCH), "a branch's name, such as master"),
            colour=_parsed(variables, "SMALLCASE_COLOUR", Colour.parse, "six hexadecimal digits, such as #1f6feb"),
            version=_parsed(variables, "SMALLCASE_VERSION", _matching(_VERSION), "letters, digits and any of ._+-"),
            digest=_parsed(variables, "SMALLCASE_IMAGE", _digest, "name@sha256:<64 hexadecimal digits>"),
            port=_parsed({"PORT": "8080", **variables}, "PORT", _port, "a number from 1 to 65535"),
            pod=variables.get("POD_NAME") or socket.gethostname(),
        )


def _parsed(variables: Mapping[str, str], name: str, parse: Callable[[str], T], expected: str) -> T:
    value = variables.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set: set it to {expected}")
    try:
        return parse(value)
    except ValueError:
        raise SettingsError(f"{name} is {value!r}, which is not valid: set it to {expected}") from None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(value)
        return value

    return parse


def _digest(value: str) -> str:
    return _matching(_IMAGE)(value).rpartition("@")[2]


def _port(value: str) -> int:
    port = int(_matching(_PORT)(value))
    if not 1 <= port <= 65535:
        raise ValueError(value)
    return port
