"""Where something is deployed, the packages are those that the program needs (`uv run --no-dev`), and no others run."""

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from pipeline.pulumi import PACKAGES
from tests.stack_files import CHECKOUT

OUR_OWN: Final = {"infra", "pipeline"}

Packages = dict[str, list[dict[str, object]]]


def needed() -> set[str]:
    """The packages that the lock file has for the program without any group, in normal form."""
    locked = cast("Packages", tomllib.loads((CHECKOUT / "uv.lock").read_text(encoding="utf-8")))["package"]
    requirements = {
        str(package["name"]): [
            str(needed["name"]) for needed in cast("list[dict[str, object]]", package.get("dependencies", []))
        ]
        for package in locked
    }
    found: set[str] = set()
    waiting = ["smallcase"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += requirements[name]
    return found


def imported(file: Path) -> Iterator[str]:
    """The first word of every module that a file imports, whenever it does."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("folder", ["pipeline", "infra"])
def test_what_deploys_imports_nothing_that_only_tests_and_people_need(folder: str) -> None:
    packages, provided = needed(), importlib.metadata.packages_distributions()
    strangers = {
        f"{file.relative_to(CHECKOUT)}: {module}"
        for file in (CHECKOUT / folder).rglob("*.py")
        for module in imported(file)
        if module not in sys.stdlib_module_names | OUR_OWN
        and not packages & {name.lower().replace("_", "-") for name in provided.get(module, [])}
    }
    assert strangers == set()
    assert "pytest" not in packages


def test_what_pulumi_has_uv_install_is_what_the_program_needs_and_as_locked(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())

    def installed(**variables: str) -> set[str]:
        ran = subprocess.run(
            [Path(sys.executable).with_name("uv"), "sync", "--inexact", "--dry-run", "--offline"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "UV_PYTHON": sys.executable, **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        return {line.split()[1].partition("==")[0] for line in ran.stderr.splitlines() if line.startswith(" + ")}

    assert "pytest" in installed()
    assert installed(**PACKAGES) <= needed()
    assert "pulumi-aws" in installed(**PACKAGES)
