"""The configuration that the engine hands to the program: the defaults of `Pulumi.yaml` under a stack's own values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import yaml

from infra.settings import Configuration

CHECKOUT: Final = Path(__file__).resolve().parent.parent
STACKS: Final = ("platform", "blue", "green", "develop")

ALLOW_LIST: Final[Mapping[str, object]] = {
    "smallcase:apiAllowList": ["203.0.113.7/32"],
    "smallcase:hostImage": "ami-0123456789abcdef0",
    "smallcase:ingressControllerChart": {"chart": "/stand-in/chart"},
}
"""What a person has to add to `Pulumi.platform.yaml`: where they come from, and a machine image of their region. And a
chart that is a folder: what comes from its publisher comes over the internet."""


EVERYTHING: Final[Mapping[str, object]] = {
    "smallcase:accessLogs": True,
    "smallcase:administrators": ["arn:aws:iam::123456789012:role/operations"],
    "smallcase:alarmMail": "operations@example.org",
    "smallcase:domain": "example.org",
    "smallcase:jenkinsAllowList": ["198.51.100.0/24"],
    "smallcase:natGateways": "per-zone",
    "smallcase:registryEndpoints": True,
}
"""What a platform can have besides, by configuration."""


def declared() -> dict[str, Mapping[str, object]]:
    """The keys that `Pulumi.yaml` declares, each with type, description and default."""
    keys = cast("dict[str, object]", yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"])
    return {key: cast("Mapping[str, object]", value) for key, value in keys.items() if isinstance(value, dict)}


def own_values(stack: str) -> dict[str, object]:
    """What a stack's own file says."""
    return cast(
        "dict[str, object]", yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    )


def project(directory: Path, stacks: Mapping[str, Mapping[str, object]]) -> Path:
    """A directory with the program and stack files: the committed ones, with those of `stacks` in their place."""
    (directory / "__main__.py").symlink_to(CHECKOUT / "__main__.py")
    (directory / "Pulumi.yaml").symlink_to(CHECKOUT / "Pulumi.yaml")
    for stack, values in {**{stack: own_values(stack) for stack in STACKS}, **stacks}.items():
        (directory / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": dict(values)}), encoding="utf-8")
    return directory


def config(stack: str, **changes: object) -> dict[str, str]:
    """A stack's configuration as text, with `changes` to keys of this project; a change to None takes the key out."""
    defaults = {key: value["default"] for key, value in declared().items()}
    merged: dict[str, object] = {"aws:region": "us-east-1", **defaults, **own_values(stack)}
    if merged["smallcase:platform"] == "self" or changes.get("platform") == "self":
        merged |= ALLOW_LIST
    merged |= {f"smallcase:{key}": value for key, value in changes.items()}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in merged.items()
        if value is not None
    }


def configuration(stack: str, others: Mapping[str, str] | None = None, /, **changes: object) -> Configuration:
    """The same as the program reads it, with `others` by full key."""
    return Configuration(stack=stack, values={**config(stack, **changes), **(others or {})})
