"""Which stack deploys a branch: said in each `Pulumi.<stack>.yaml`, and read here by everyone who asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import yaml

from pipeline.outcomes import Refused, WrongUse

Config = Mapping[str, object]

FLOW: Final = ("develop", "staging", "master")
"""The branches that are promoted, each into the next."""


def stack_file(stack: str) -> str:
    """Name of a stack's file of settings."""
    return f"Pulumi.{stack}.yaml"


def read(path: Path) -> dict[str, object]:
    """Everything in a stack's file or `Pulumi.yaml`, nothing where there is none.

    Raises:
        WrongUse: it cannot be read, or it or its `config:` is not a YAML mapping.
    """
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} is not YAML: {error}", "Mend the file: `git diff` shows what changed.") from None
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}.", "Mend or remove it.") from None
    if not isinstance(content or {}, dict):
        raise WrongUse(f"{path} is not a mapping.", "A stack's file has its settings below `config:`.")
    found = cast("dict[str, object]", content or {})
    if not isinstance(found.get("config") or {}, dict):
        raise WrongUse(
            f"`config:` in {path} is not a mapping but {found['config']!r}.", "Below it are lines such as `KEY: VALUE`."
        )
    return found


def config_in(path: Path) -> Config:
    """What a stack's file or `Pulumi.yaml` says below `config:`.

    Raises:
        WrongUse: see `read`.
    """
    return cast("Config", read(path).get("config") or {})


def stacks(directory: Path) -> dict[str, Config]:
    """The stacks that a directory declares, with their values: owners of a platform alone first, then in order of
    promotion, development before staging before production, as their branches flow.

    Raises:
        WrongUse: a file cannot be read.
    """
    found = {
        path.name.removeprefix("Pulumi.").removesuffix(".yaml"): config_in(path)
        for path in sorted(directory.glob("Pulumi.*.yaml"))
    }
    order = ("", *FLOW)

    def place(config: Config) -> int:
        branch = _branch(config)
        return order.index(branch) if branch in order else len(order)

    return dict(sorted(found.items(), key=lambda item: place(item[1])))


def configurations(directory: Path) -> dict[str, Config]:
    """The stacks that a directory declares, as `stacks` has them, over what `Pulumi.yaml` says for all.

    Raises:
        WrongUse: a file cannot be read.
    """
    declared = config_in(directory / "Pulumi.yaml")
    defaults = {key: _default(value) for key, value in declared.items()}
    return {stack: {**defaults, **config} for stack, config in stacks(directory).items()}


def platform_of(stack: str, config: Config) -> str:
    """The stack that owns the platform that a stack runs on: itself, or another.

    Raises:
        WrongUse: nothing says so.
    """
    named = setting(stack, config, "platform")
    return stack if named == "self" else named


def setting(stack: str, config: Config, key: str) -> str:
    """A value that a stack has to have.

    Raises:
        WrongUse: neither its file nor `Pulumi.yaml` has it.
    """
    value = config.get(f"smallcase:{key}")
    if value is None:
        raise WrongUse(
            f"Nothing says `smallcase:{key}` for the stack {stack!r}.",
            f"Set it with `pulumi config set smallcase:{key} VALUE -s {stack}`, or give it a default in Pulumi.yaml.",
        )
    return str(value)


def stack_of(branch: str, directory: Path) -> str | None:
    """The stack that deploys a branch; None where no file says so.

    Raises:
        Refused: two stacks claim the branch.
        WrongUse: a file cannot be read.
    """
    claimed = sorted(stack for stack, config in stacks(directory).items() if _branch(config) == branch != "")
    if len(claimed) > 1:
        raise Refused(
            f"{' and '.join(map(stack_file, claimed))} both say that they deploy {branch!r}. "
            "The rule: one stack deploys a branch.",
            f"Remove `smallcase:branch` from all but one in {directory}.",
        )
    return claimed[0] if claimed else None


def _default(declared: object) -> object:
    """A key is declared with its default, or with its value alone."""
    return cast("Config", declared).get("default") if isinstance(declared, dict) else declared


def _branch(config: Config) -> str:
    return str(config.get("smallcase:branch") or "")
