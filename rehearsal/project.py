"""The project directory that is rehearsed: the program itself, linked, and its stack files with a small overlay.

Pulumi writes into `Pulumi.<stack>.yaml` (`stack init`, `config set`), and the rehearsal needs a few other values than
AWS: both happen to copies, so that the checkout stays as it is. Nothing else differs from what goes to AWS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import yaml

from pipeline.branches import Config, read, stack_file, stacks

LINKED: Final = ("Pulumi.yaml", "__main__.py", "infra", "app", "jenkins", "pyproject.toml", "uv.lock", ".venv")
"""What the program consists of, and what Pulumi's own Python host finds its packages by."""


@final
@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The values that differ from AWS."""

    platform: Config
    """For a stack that owns a platform."""
    environment: Config
    """For a stack that is an environment."""

    def for_stack(self, config: Config) -> dict[str, object]:
        """What to lay over one stack's own values, by the layers these say it owns."""
        owns_platform = config.get("smallcase:platform") == "self"
        is_environment = bool(config.get("smallcase:branch"))
        return {**(self.platform if owns_platform else {}), **(self.environment if is_environment else {})}


def generate(checkout: Path, directory: Path, overlay: Overlay) -> None:
    """Make or refresh the project directory. How secrets are encrypted, which Pulumi wrote into a stack file, stays."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        _link(directory / name, checkout / name)
    for stack, config in stacks(checkout).items():
        path = directory / stack_file(stack)
        kept = {key: value for key, value in read(path).items() if key != "config"}
        _write(path, {**kept, "config": {**config, **overlay.for_stack(config)}})


def _write(path: Path, content: Mapping[str, object]) -> None:
    text = yaml.safe_dump(dict(content), sort_keys=False)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        temporary = path.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
