"""`make` where the caller's settings and paths are unusual. What it installs with is played by programs that write down
how they were called."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import pytest

from rehearsal.cluster import CHECKOUT
from tests.surroundings.conftest import cloned

PYTHON3: Final = """#!/bin/sh
case $2 in
    venv)
        mkdir -p "$3/bin"
        cp "$0" "$3/bin/python"
        cp "${0%/*}/uv.stub" "$3/bin/uv"
        ;;
esac
"""
UV: Final = """#!/bin/sh
mkdir -p .venv
env -0 >.venv/variables
"""
ELSEWHERE: Final = {
    "BASH_ENV": "/nowhere",
    "CDPATH": "/",
    "GIT_DIR": "/nowhere",
    "PIP_TARGET": "/nowhere",
    "PIP_USER": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONINSPECT": "1",
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "UV_EXCLUDE_NEWER": "2020-01-01",
    "UV_FROZEN": "1",
    "UV_PROJECT_ENVIRONMENT": "elsewhere",
    "UV_PYTHON": "3.99",
    "VIRTUAL_ENV": "/nowhere",
}
"""Settings that move what is made, or change what is run."""
KEPT: Final = {
    "GIT_SSL_CAINFO": "/company.pem",
    "HTTPS_PROXY": "http://proxy.example.org:3128",
    "PIP_CERT": "/company.pem",
    "PIP_INDEX_URL": "https://index.example.org/simple",
    "PYTEST_ADDOPTS": "-x",
    "PYTHONIOENCODING": "ascii",
    "UV_DEFAULT_INDEX": "https://index.example.org/simple",
    "UV_INDEX_COMPANY_PASSWORD": "secret",
    "UV_OFFLINE": "1",
}
"""Settings that say where to fetch from and how to print."""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH without `uv`, whose Python makes virtual environments that have one."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for program in ("sh", "env", "mkdir", "cp", "touch", "rm", "make", "sha256sum", "cut", "bash"):
        (directory / program).symlink_to(cast("str", shutil.which(program)))
    for name, text in (("python3", PYTHON3), ("uv.stub", UV)):
        (directory / name).write_text(text, encoding="utf-8")
        (directory / name).chmod(0o755)
    return directory


def make(directory: Path, *targets: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *targets],
        cwd=directory,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def variables_of_uv(clone: Path) -> dict[str, str]:
    written = (clone / ".venv" / "variables").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in written.split("\0") if line)


@pytest.mark.surroundings(
    "no uv, and white space or quotes in HOME",
    "`make` puts uv into the virtual environment of the clone; it removes nothing anywhere.",
)
@pytest.mark.parametrize("name", ["x y", "x y/$HOME", 'it\'s "here" `now`', "ä → ü", "-rf"])
def test_make_installs_what_it_needs_under_any_home_and_in_any_folder_and_removes_nothing(
    name: str, origin: Path, programs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "machine"
    home, clone = root / name / "home", cloned(origin, root / name / "clone")
    home.mkdir(parents=True)
    canaries = [root / "x" / "canary", root / "y" / "canary", home / ".cache" / "smallcase" / "canary", clone / "y"]
    for canary in canaries:
        canary.parent.mkdir(parents=True, exist_ok=True)
        canary.touch()
    ran = make(clone, ".venv/ready", HOME=str(home), PATH=str(programs))
    assert [canary for canary in canaries if not canary.exists()] == []
    assert ran.returncode == 0, ran.stderr
    assert (clone / ".venv" / "ready").exists()
    assert (
        make(clone, ".venv/ready", HOME=str(home), PATH=str(programs)).stdout == "make: '.venv/ready' is up to date.\n"
    )


@pytest.mark.surroundings(
    "settings of Python, pip and uv that move things (`UV_PROJECT_ENVIRONMENT`, `PYTHONSAFEPATH`, `PIP_USER` …)",
    "`make` leaves them aside, and goes by those about fetching and printing.",
)
def test_make_goes_by_the_callers_settings_about_fetching_and_printing_and_by_no_other(
    origin: Path, programs: Path, tmp_path: Path
) -> None:
    clone = cloned(origin, tmp_path / "clone")
    ran = make(clone, ".venv/ready", HOME=str(tmp_path), PATH=str(programs), **ELSEWHERE, **KEPT)
    assert ran.returncode == 0, ran.stderr
    seen = variables_of_uv(clone)
    assert sorted(ELSEWHERE.keys() & seen.keys()) == []
    assert seen.items() >= KEPT.items()


def test_targets_run_whatever_the_caller_has_set_for_python(clone: Path, tmp_path: Path) -> None:
    ran = make(clone, "teardown", **{**os.environ, **ELSEWHERE, "HOME": str(tmp_path)})
    assert ran.stderr.startswith("teardown: There is no stack '' here."), ran.stderr


def test_what_every_change_has_to_pass_runs_in_its_own_clone_whatever_cdpath_says(
    origin: Path, programs: Path, tmp_path: Path
) -> None:
    clone = cloned(origin, tmp_path / "clone")
    (tmp_path / "elsewhere" / ".ci").mkdir(parents=True)
    for program in ("make", "chromium"):
        (programs / program).unlink(missing_ok=True)
        (programs / program).write_text("#!/bin/sh\npwd\n", encoding="utf-8")
        (programs / program).chmod(0o755)
    (programs / "dirname").symlink_to(cast("str", shutil.which("dirname")))
    ran = subprocess.run(
        ["bash", ".ci/run"],
        cwd=clone,
        env={"PATH": str(programs), "CDPATH": str(tmp_path / "elsewhere")},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    assert set(ran.stdout.splitlines()) == {str(clone)}


@pytest.mark.parametrize("text", ["x y", 'x"; touch ran; "', "$(touch ran)", "$(shell touch ran)", "`touch ran`", "'"])
@pytest.mark.parametrize("given", ["as an argument", "in the environment"])
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("add-ons", ["-m", "operations", "add-ons", "--region", "{}"]),
        ("cost", ["-m", "operations", "cost", "--planned"]),
        ("host-image", ["-m", "operations", "host-image", "--region", "{}", "--stack", "{}"]),
        ("quotas", ["-m", "operations", "quotas", "--region", "{}"]),
        ("state", ["-m", "operations", "state", "--region", "{}"]),
        ("teardown", ["-m", "pipeline", "teardown", "{}", "--really", "{}"]),
    ],
)
def test_what_is_given_to_a_target_is_read_by_its_program_alone(
    text: str, given: str, target: str, expected: Sequence[str], tmp_path: Path
) -> None:
    clone = with_a_stand_in_for_python(tmp_path)
    values = dict.fromkeys(("PLANNED", "PLATFORM", "REALLY", "REGION", "STACK"), text)
    path = {"PATH": os.environ["PATH"]}
    if given == "in the environment":
        ran = make(clone, target, **path, **values)
    else:
        # `$` is make's own in an argument, unless it is written twice: here nobody does.
        ran = make(
            clone, target, *(f"{name}={value}" for name, value in values.items()), "UV_VERSION=;touch ran;", **path
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\0")[:-1] == [text if one == "{}" else one for one in expected]
    assert not (clone / "ran").exists()


def test_what_is_not_given_has_the_value_that_the_list_of_targets_names(tmp_path: Path) -> None:
    clone = with_a_stand_in_for_python(tmp_path)
    ran = make(clone, "host-image", PATH=os.environ["PATH"])
    assert ran.stdout.split("\0")[3:-1] == ["--region", "us-east-1", "--stack", "platform"]
    assert make(clone, "cost", PATH=os.environ["PATH"]).stdout.split("\0")[2:-1] == ["cost"]


def with_a_stand_in_for_python(directory: Path) -> Path:
    """A folder with this Makefile, whose Python prints what it is given."""
    clone = directory / "clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(CHECKOUT / name, clone)
    python = clone / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n", encoding="utf-8")
    python.chmod(0o755)
    (clone / ".venv" / "ready").touch()
    return clone
