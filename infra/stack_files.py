"""`Pulumi.yaml` and the stacks' files, read as Pulumi reads them but without it: which stack deploys a branch is asked
where there is no CLI, no state and no key, and the platform's program knows nothing of the other stacks' settings.

What counts is what Pulumi makes of them (`LoadProjectStackBytes` in
https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/workspace/loaders.go, `mergeConfig` in
https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/workspace/config.go). What it takes either way, or passes over in
silence, is refused.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, cast, final

from infra import go_yaml
from infra.settings import PROJECT, Configuration, SettingsError

PROJECT_FILE: Final = "Pulumi.yaml"

_BESIDE_CONFIG: Final = {"encryptedkey", "encryptionsalt", "environment", "secretsprovider"}


@final
class StackFileError(SettingsError):
    """A file that cannot be read, or can be in more than one way."""

    def __init__(self, message: str, way_out: str) -> None:
        super().__init__(f"{message} {way_out}")
        self.message: Final = message
        self.way_out: Final = way_out


def stack_file(stack: str) -> str:
    """Name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def configurations(directory: Path) -> dict[str, Configuration]:
    """The stacks that a directory declares, each with its settings over what `Pulumi.yaml` says for all.

    Raises:
        StackFileError: a file cannot be read, or can be in more than one way.
    """
    for path in sorted(directory.glob("Pulumi.*")):
        if path.suffix in (".json", ".yml"):
            raise StackFileError(
                f"{path} is of another format than {PROJECT_FILE}.", "Pulumi reads either: rename or remove it."
            )
    defaults = _defaults(directory / PROJECT_FILE)
    found: dict[str, Configuration] = {}
    for path in sorted(directory.glob("Pulumi.*.yaml")):
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        given = {**defaults, **settings_in(path)}
        found[stack] = Configuration(
            stack=stack,
            values={key: _text(value) for key, value in given.items()},
            secrets=frozenset(key for key, value in given.items() if _is_secret(value)),
        )
    return found


def read(path: Path) -> dict[str, object]:
    """Everything in a stack's file, with its settings by their full keys; nothing where there is none.

    Raises:
        StackFileError: it cannot be read, or can be in more than one way.
    """
    content = _mapping(path)
    if content.get("environment"):
        raise StackFileError(
            f"{path} imports environments, which nothing but Pulumi Cloud can read.", "Write out what they say."
        )
    strange = sorted(map(str, content.keys() - {"config", *_BESIDE_CONFIG}))
    if strange:
        raise StackFileError(
            f"{path} says {', '.join(strange)} beside `config:`, where Pulumi passes over it.",
            "Move it below `config:`.",
        )
    return {**content, "config": _by_full_key(path, content)}


def settings_in(path: Path) -> dict[str, object]:
    """What a stack's file says below `config:`, by full keys.

    Raises:
        StackFileError: see `read`.
    """
    return cast("dict[str, object]", read(path)["config"])


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write a stack's file, unless it says that already."""
    text = go_yaml.dump(content)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        temporary = path.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _defaults(path: Path) -> dict[str, object]:
    content = _mapping(path)
    if content.get("name", PROJECT) != PROJECT:
        raise StackFileError(
            f"{path} is of the project {content['name']!r}.", f"This program is the project {PROJECT!r}."
        )
    if "stackConfigDir" in content or isinstance(content.get("config"), str):
        raise StackFileError(f"{path} says that the stacks' files are elsewhere.", "They have to be beside it.")
    declared = {key: _default(value) for key, value in _by_full_key(path, content).items()}
    return {key: value for key, value in declared.items() if value is not None}


def _default(declared: object) -> object:
    """A key is declared with its default, with a value, or with that alone."""
    if not isinstance(declared, dict):
        return declared
    declared = cast("Mapping[str, object]", declared)
    return declared.get("default", declared.get("value"))


def _by_full_key(path: Path, content: Mapping[str, object]) -> dict[str, object]:
    config: object = {} if content.get("config") is None else content["config"]
    if not isinstance(config, dict):
        raise StackFileError(
            f"`config:` in {path} is not a mapping but {config!r}.", "Below it are lines such as `KEY: VALUE`."
        )
    found: dict[str, object] = {}
    for key, value in cast("dict[object, object]", config).items():
        match str(key).split(":"):
            case [name] if isinstance(key, str):
                full = f"{PROJECT}:{name}"
            case [namespace, name] | [namespace, "config", name]:
                full = f"{namespace}:{name}"
            case _:
                raise StackFileError(
                    f"{path} has the key {key!r}.", "A key is `NAMESPACE:NAME`, or `NAME` for this program's own."
                )
        if full in found:
            raise StackFileError(
                f"{path} has {full} under two names, of which Pulumi takes either.", "Take one of them out."
            )
        found[full] = value
    return found


def _mapping(path: Path) -> dict[str, object]:
    try:
        content = go_yaml.load(path.read_bytes()) if path.exists() else None
    except ValueError as error:
        raise StackFileError(
            f"{path} is not readable: {error}.", "Mend the file: `git diff` shows what changed."
        ) from None
    except OSError as error:
        raise StackFileError(f"{path} cannot be read: {error.strerror}.", "Mend or remove it.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise StackFileError(f"{path} is not a mapping.", "A stack's file has its settings below `config:`.")
    return cast("dict[str, object]", content)


def _text(value: object) -> str:
    """A setting as the program gets it."""
    match value:
        case str():
            return value
        case None:
            return ""
        case float():  # As Go writes a fraction in JSON, or a number beyond its integers.
            exact = Decimal(repr(value))
            return f"{exact:f}" if 1e-6 <= abs(value) < 1e21 else repr(value).replace("e-0", "e-")
        case _:
            return json.dumps(value)


def _is_secret(value: object) -> bool:
    """Whether something in a setting is encrypted."""
    if isinstance(value, dict):
        within = cast("Mapping[object, object]", value)
        return (list(within) == ["secure"] and isinstance(within["secure"], str)) or any(
            map(_is_secret, within.values())
        )
    return isinstance(value, list) and any(map(_is_secret, cast("list[object]", value)))
