"""Which stack deploys a branch: said in each `Pulumi.<stack>.yaml`, and read here by everyone who asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from infra import settings
from infra.branches import BRANCHES, Agents
from pipeline.outcomes import Refused, WrongUse
from pipeline.stack_files import configurations, stack_file

FLOW: Final = tuple(BRANCHES)
"""The branches that are promoted, each into the next."""

T = TypeVar("T")


@final
@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that a directory declares. What is read of it, the program reads the same way; each property raises
    WrongUse where the program would refuse it."""

    given: settings.Configuration

    @property
    def branch(self) -> str:
        """The branch that it deploys; empty where it is no environment."""
        return self._read(settings.branch_of)

    @property
    def platform(self) -> str:
        """The stack that owns the platform it runs on: itself, or another."""
        return self._read(settings.platform_stack)

    @property
    def owns_platform(self) -> bool:
        return self.platform == self.given.stack

    @property
    def zones(self) -> int:
        """Over how many zones its platform reaches, where it owns one."""
        return self._read(settings.zones)

    @property
    def agents(self) -> Agents:
        """Which agents its platform has, where it owns one."""
        return self._read(settings.agents)

    @property
    def environment(self) -> settings.EnvironmentSettings:
        return self._read(settings.environment)

    def _read(self, read: Callable[[settings.Configuration], T]) -> T:
        try:
            return read(self.given)
        except settings.SettingsError as error:
            raise WrongUse(
                str(error), f"{stack_file(self.given.stack)} has the stack's settings, Pulumi.yaml those of all."
            ) from None


def stacks(directory: Path) -> dict[str, Stack]:
    """The stacks that a directory declares: owners of a platform alone first, then in order of promotion, development
    before staging before production, as their branches flow.

    Raises:
        WrongUse: a file cannot be read, or names a branch that there cannot be.
    """
    found = {name: Stack(given=given) for name, given in configurations(directory).items()}
    order = ("", *FLOW)
    return dict(sorted(found.items(), key=lambda item: order.index(item[1].branch)))


def require_owner(platform: str, stacks: Mapping[str, Stack], way_out: str) -> None:
    """Let only a stack through that owns a platform.

    Raises:
        WrongUse: there is no such stack.
        Refused: it runs on another's; `way_out` says what to do with an environment.
    """
    if platform not in stacks:
        raise WrongUse(f"There is no stack {platform!r} here.", f"There are {', '.join(sorted(stacks))}.")
    if not stacks[platform].owns_platform:
        raise Refused(
            f"{platform!r} owns no platform, it runs on that of {stacks[platform].platform!r}. "
            "The rule: this verb is for a platform, with all that is on it.",
            way_out,
        )


def stack_of(branch: str, directory: Path) -> str | None:
    """The stack that deploys a branch; None where no file says so.

    Raises:
        Refused: two stacks claim the branch.
        WrongUse: see `stacks`.
    """
    claimed = sorted(name for name, stack in stacks(directory).items() if stack.branch == branch != "")
    if len(claimed) > 1:
        raise Refused(
            f"{' and '.join(map(stack_file, claimed))} both say that they deploy {branch!r}. "
            "The rule: one stack deploys a branch.",
            f"Remove `smallcase:branch` from all but one in {directory}.",
        )
    return claimed[0] if claimed else None
