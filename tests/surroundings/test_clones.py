"""Clones other than a fresh one of one's own, under another user's settings."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.pipeline.repository import git
from tests.surroundings.conftest import cloned, installed

TESTS = "tests/pipeline/test_branches.py"
"""Quick ones, which make repositories."""


def run(
    clone: Path, *module: str, umask: int = -1, before: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", *module],
        cwd=clone,
        env={**os.environ, **variables},
        umask=umask,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def deployed(clone: Path, *, umask: int = -1, before: Sequence[str] = (), **variables: str) -> str:
    """What would be deployed from a clone."""
    ran = run(clone, "tests.surroundings.probe", umask=umask, before=before, **variables)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def usual(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What would be deployed from a fresh clone of one's own."""
    return deployed(cloned(origin, tmp_path_factory.mktemp("usual") / "clone"))


def works(clone: Path, usual: str, *, umask: int = -1, **variables: str) -> None:
    """Commands and tests run, the clone stays clean, and the same is deployed as ever."""
    if not (clone / ".venv").exists():
        installed(clone)
    make = subprocess.run(["make"], cwd=clone, env={**os.environ, **variables}, capture_output=True, check=False)
    assert b"make rehearse" in make.stdout, make.stderr
    assert deployed(clone, umask=umask, **variables) == usual
    ran = run(clone, "pipeline", "test", TESTS, umask=umask, **variables)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert git(clone, "-c", f"safe.directory={clone}", "status", "--porcelain", "--untracked-files=all") == ""


@pytest.mark.surroundings("a umask of 077", "It works; image and hosts are the same.")
def test_umask(origin: Path, tmp_path: Path, usual: str) -> None:
    before = os.umask(0o077)
    try:
        clone = cloned(origin, tmp_path / "clone")
    finally:
        os.umask(before)
    works(clone, usual, umask=0o077)


@pytest.fixture
def in_the_open() -> Iterator[Path]:
    """A folder that every user may enter."""
    with TemporaryDirectory(prefix="smallcase-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes root, to be two users")
@pytest.mark.surroundings(
    "a clone that another user owns",
    "Git's own commands refuse it (`safe.directory`). The program and the verbs read it; image and hosts are the same.",
)
def test_another_owner(origin: Path, in_the_open: Path, usual: str) -> None:
    nobody = "65534"
    clone = cloned(origin, in_the_open / "clone")
    # Who may read everything finds the interpreter wherever it is.
    as_nobody = ("setpriv", f"--reuid={nobody}", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    assert deployed(clone, before=as_nobody, PYTHONDONTWRITEBYTECODE="1") == usual
    for path in (clone, *clone.rglob("*")):
        os.chown(path, int(nobody), int(nobody), follow_symlinks=False)
    works(clone, usual)


@pytest.mark.surroundings(
    "a locale without UTF-8 (`LC_ALL=C`, `PYTHONIOENCODING=ascii`)",
    "It works; image and hosts are the same. What cannot be shown is escaped: `\\u2192` for →.",
)
def test_locale(clone: Path, usual: str) -> None:
    works(clone, usual, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    shown = run(clone, "pipeline", "--help", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert r"develop \u2192 staging" in shown.stdout


@pytest.mark.parametrize("name", ["a b", "it's $HOME: ä"])
@pytest.mark.surroundings(
    "white space, quotes or other letters in the path of the clone",
    "It works; image and hosts are the same. The rehearsal refuses the path in one sentence.",
)
def test_path(origin: Path, tmp_path: Path, usual: str, name: str) -> None:
    works(cloned(origin, tmp_path / name / "clone"), usual)


@pytest.mark.parametrize("home", ["", "not there", "a b"])
@pytest.mark.surroundings(
    "another HOME: none, one that is not there, one with white space",
    "It works; image and hosts are the same.",
)
def test_home(clone: Path, usual: str, tmp_path: Path, home: str) -> None:
    if home == "a b":
        (tmp_path / home).mkdir()
    works(clone, usual, HOME=home and str(tmp_path / home))


@pytest.mark.surroundings("a linked work tree", "It works; image and hosts are the same.")
def test_linked_work_tree(origin: Path, tmp_path: Path, usual: str) -> None:
    clone = cloned(origin, tmp_path / "clone")
    git(clone, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    works(tmp_path / "worktree", usual)


@pytest.mark.surroundings(
    "a user's Git that makes CRLF of line ends (`core.autocrlf=true`)",
    "The clone has LF all the same (`.gitattributes`), and works; image and hosts are the same.",
)
def test_crlf(origin: Path, tmp_path: Path, usual: str) -> None:
    clone = cloned(origin, tmp_path / "clone", "--config=core.autocrlf=true")
    # Neither a shell nor make takes a CR for part of a line end.
    scripts = (clone / "Makefile", *(clone / "jenkins" / "boot").glob("*.sh"), *(clone / "rehearsal").rglob("bin/*"))
    assert [script for script in scripts if b"\r" in script.read_bytes()] == []
    works(clone, usual)


@pytest.mark.surroundings(
    "a shallow clone",
    "Tests run. What needs history refuses, and names `git fetch --unshallow`: an image whose commit is not there, the "
    "flow of a pull request, a release.",
)
def test_shallow(origin: Path, tmp_path: Path) -> None:
    grown = cloned(origin, tmp_path / "grown")
    git(grown, "commit", "--quiet", "--allow-empty", "--message", "another")
    shallow = installed(cloned(grown, tmp_path / "shallow", "--depth=1"))
    ran = run(shallow, "pipeline", "test", TESTS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for refused in (
        run(shallow, "tests.surroundings.probe"),
        run(shallow, "pipeline", "release", "--branch", "master"),
        run(shallow, "pipeline", "flow", CHANGE_ID="1", CHANGE_BRANCH="develop", CHANGE_TARGET="staging"),
    ):
        assert refused.returncode != 0
        assert "git fetch --unshallow" in refused.stderr, refused.stderr


@pytest.mark.surroundings(
    "a folder that is no clone",
    "Verbs that need a commit say so in one sentence.",
)
def test_no_clone(origin: Path, tmp_path: Path) -> None:
    copy = cloned(origin, tmp_path / "copy")
    shutil.rmtree(copy / ".git")
    for refused in (run(copy, "pipeline", "flow", "--branch", "develop"), run(copy, "tests.surroundings.probe")):
        assert "not a git repository" in refused.stderr
        assert refused.returncode != 0


@pytest.mark.surroundings(
    "Git's variables of another repository (`GIT_DIR`, `GIT_INDEX_FILE`, `GIT_WORK_TREE`), as in a hook",
    "They are left aside: it works, and that repository stays as it is.",
)
def test_variables_of_git(origin: Path, clone: Path, tmp_path: Path, usual: str) -> None:
    other = cloned(origin, tmp_path / "other")
    (other / "new").touch()
    before = git(other, "status", "--porcelain"), (other / ".git" / "config").read_bytes()
    works(clone, usual, GIT_DIR=f"{other}/.git", GIT_INDEX_FILE=f"{other}/.git/index", GIT_WORK_TREE=str(other))
    assert (git(other, "status", "--porcelain"), (other / ".git" / "config").read_bytes()) == before
