"""The project directory that is rehearsed: the program itself, linked, and its stack files with a small overlay.

Pulumi writes into `Pulumi.<stack>.yaml` (`stack init`, `config set`), and the rehearsal needs a few other values than
AWS: both happen to copies, so that the checkout stays as it is. Nothing else differs from what goes to AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pipeline.branches import Stack, stacks
from pipeline.stack_files import read, settings_in, stack_file, write

LINKED: Final = ("Pulumi.yaml", "__main__.py", "infra", "app", "jenkins", "pyproject.toml", "uv.lock", ".venv")
"""What the program consists of, and what Pulumi's own Python host finds its packages by."""


@final
@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The values that differ from AWS."""

    platform: Mapping[str, object]
    """For a stack that owns a platform."""
    environment: Mapping[str, object]
    """For a stack that is an environment."""

    def for_stack(self, stack: Stack) -> dict[str, object]:
        """What to lay over one stack's own values, by the layers that it owns."""
        return {**(self.platform if stack.owns_platform else {}), **(self.environment if stack.branch else {})}


def generate(checkout: Path, directory: Path, overlay: Overlay) -> None:
    """Make or refresh the project directory. How secrets are encrypted, which Pulumi wrote into a stack file, stays."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        _link(directory / name, checkout / name)
    for name, stack in stacks(checkout).items():
        path = directory / stack_file(name)
        own = settings_in(checkout / stack_file(name))
        write(path, {**read(path), "config": {**own, **overlay.for_stack(stack)}})


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
