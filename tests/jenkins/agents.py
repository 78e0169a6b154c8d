"""The agents of `jenkins.yaml`."""

from collections.abc import Mapping
from typing import Final, cast

import yaml

from tests.stack_files import CHECKOUT

CONFIGURATION: Final = CHECKOUT / "jenkins" / "jenkins.yaml"


def nodes() -> dict[str, Mapping[str, object]]:
    """By name."""
    tree = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    found = cast("list[dict[str, dict[str, object]]]", tree["jenkins"]["nodes"])
    return {str(node["permanent"]["name"]): node["permanent"] for node in found}


def by_label() -> dict[str, str]:
    """For each label that a Jenkinsfile can ask for, the agent that has it."""
    return {label: name for name, node in nodes().items() for label in str(node["labelString"]).split()}


def domain(label: str) -> str:
    """The trust domain that a label leads to."""
    return by_label()[label].removesuffix("-checks")
