"""The stacks of the checkout, and the command line that works on them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast, final

import yaml

from infra.settings import PROJECT, SELF
from operations.refusal import RefusedError

CHECKOUT: Final = Path(__file__).resolve().parent.parent


@final
@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack as its file describes it."""

    name: str
    platform: str
    """Name of the stack that owns the platform it runs on: its own where it owns one."""
    is_environment: bool
    region: str

    @property
    def owns_platform(self) -> bool:
        return self.platform == self.name


def declared(directory: Path = CHECKOUT) -> list[Stack]:
    """Every stack that the checkout has a file for, by name."""
    project = _yaml(directory / "Pulumi.yaml")
    defaults = {key: _default(value) for key, value in project.items()}
    found: list[Stack] = []
    for path in sorted(directory.glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        config = {**defaults, **_yaml(path)}
        platform = str(config[f"{PROJECT}:platform"])
        found.append(
            Stack(
                name=name,
                platform=name if platform == SELF else platform,
                is_environment=bool(config[f"{PROJECT}:branch"]),
                region=str(config["aws:region"]),
            )
        )
    return found


def find(name: str, stacks: Sequence[Stack]) -> Stack:
    """The stack of a name.

    Raises:
        RefusedError: there is none.
    """
    for stack in stacks:
        if stack.name == name:
            return stack
    raise RefusedError(f"There is no stack {name!r} here; there are {', '.join(stack.name for stack in stacks)}.")


def _yaml(path: Path) -> dict[str, object]:
    content = cast("dict[str, dict[str, object]]", yaml.safe_load(path.read_text()) or {})
    return content.get("config") or {}


def _default(value: object) -> object:
    """A key is declared with its default, or with its value alone."""
    return cast("dict[str, object]", value).get("default") if isinstance(value, dict) else value


class Pulumi(Protocol):
    """What is asked of Pulumi's command line."""

    def exists(self, stack: str) -> bool:
        """Whether the state knows the stack."""
        ...

    def outputs(self, stack: str) -> Mapping[str, object]:
        """The stack's outputs."""
        ...

    def resources(self, stack: str) -> Sequence[Mapping[str, object]]:
        """The resources in the stack's state."""
        ...

    def run(self, *arguments: str) -> None:
        """A command whose output a person watches."""
        ...


@final
class CommandLine:
    """The `pulumi` on PATH, in the checkout."""

    def __init__(self, directory: Path = CHECKOUT) -> None:
        self._directory = directory

    def exists(self, stack: str) -> bool:
        listed = cast("list[dict[str, object]]", json.loads(self._ask("stack", "ls", "--json")))
        return any(entry["name"] == stack for entry in listed)

    def outputs(self, stack: str) -> Mapping[str, object]:
        return cast("dict[str, object]", json.loads(self._ask("stack", "output", "--json", "--stack", stack)))

    def resources(self, stack: str) -> Sequence[Mapping[str, object]]:
        exported = cast("dict[str, dict[str, object]]", json.loads(self._ask("stack", "export", "--stack", stack)))
        return cast("list[Mapping[str, object]]", exported["deployment"].get("resources") or [])

    def run(self, *arguments: str) -> None:
        try:
            running = subprocess.Popen(["pulumi", *arguments], cwd=self._directory)
        except FileNotFoundError:
            raise RefusedError("`pulumi` is not on PATH.") from None
        code: int | None = None
        interrupted = False
        while code is None:
            try:
                code = running.wait()
            except KeyboardInterrupt:
                # The terminal has told Pulumi too, which ends what it has begun. Killed, it would leave a lock.
                interrupted = True
        # An interrupted `destroy` says that it has succeeded.
        if interrupted:
            raise RefusedError(f"`pulumi {' '.join(arguments)}` was interrupted. Run this again to go on.")
        if code != 0:
            raise RefusedError(f"`pulumi {' '.join(arguments)}` failed, see above. What was left is as it was.")

    def _ask(self, *arguments: str) -> str:
        try:
            answer = subprocess.run(
                ["pulumi", *arguments, "--non-interactive"],
                cwd=self._directory,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        except FileNotFoundError:
            raise RefusedError("`pulumi` is not on PATH.") from None
        if answer.returncode != 0:
            raise RefusedError(f"`pulumi {' '.join(arguments)}` failed: {answer.stderr.strip()}")
        return answer.stdout
