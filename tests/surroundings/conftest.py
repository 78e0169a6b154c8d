import os
import shutil
from pathlib import Path

import pytest

from infra import git
from tests.pipeline.repository import git as committing
from tests.stack_files import CHECKOUT


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one commit: the working tree as it is."""
    directory = tmp_path_factory.mktemp("origin")
    listed = git.run(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (CHECKOUT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, directory / name)
    committing(directory, "init", "--quiet", "--initial-branch=develop")
    committing(directory, "add", "--all")
    committing(directory, "commit", "--quiet", "--message", "the project")
    return directory


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Path:
    """A clone in which everything is installed."""
    return installed(cloned(origin, tmp_path / "clone"))


def cloned(origin: Path, directory: Path, *options: str) -> Path:
    committing(origin, "clone", "--quiet", *options, f"file://{origin}", str(directory))
    return directory


def installed(clone: Path) -> Path:
    """Lend a clone the virtual environment of this checkout, which `make` takes for up to date."""
    (clone / ".venv").symlink_to(CHECKOUT / ".venv")
    for name in ("pyproject.toml", "uv.lock"):
        os.utime(clone / name, (0, 0))
    return clone
