import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import main
from tests.pipeline.live import SMALL, Live, found, git, make_checkout, up
from tests.pipeline.repository import Ran, Repository, RunVerb

JENKINS = (
    "BRANCH_NAME",
    "BUILD_NUMBER",
    "CHANGE_BRANCH",
    "CHANGE_FORK",
    "CHANGE_ID",
    "CHANGE_TARGET",
    "CI",
    "GITHUB_API_URL",
    "GITHUB_REPOSITORY",
    "GITHUB_SERVER_URL",
    "GITHUB_TOKEN",
    "JENKINS_URL",
)
"""Variables by which the build that runs these tests would be taken for the one they are about."""


@pytest.fixture(scope="session")
def _repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository.create(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def repository(tmp_path: Path, _repository: Repository) -> Repository:
    """One that the test may do with what it likes: a copy, which is faster than a new one."""
    copy = tmp_path / "repository" / "server"
    shutil.copytree(_repository.server, copy)
    return Repository(server=copy)


@pytest.fixture
def run_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunVerb:
    """Runs a verb in this process, in a clone, under the given variables and no others of Jenkins's or Git's."""

    def run(clone: Path, *arguments: str, **variables: str) -> Ran:
        with monkeypatch.context() as patch:
            for name in [*JENKINS, *(name for name in os.environ if name.startswith("GIT_"))]:
                patch.delenv(name, raising=False)
            patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
            patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(clone)
            capsys.readouterr()
            code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code=code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture(scope="session")
def _checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout") / "smallcase")


@pytest.fixture
def checkout(_checkout: Path) -> Iterator[Path]:
    """A clone of this program, to do anything with."""
    base = git(_checkout, "rev-parse", "HEAD")
    yield _checkout
    git(_checkout, "reset", "--quiet", "--hard", base)
    git(_checkout, "clean", "--quiet", "-d", "--force")
    shutil.rmtree(_checkout / "reports", ignore_errors=True)


@pytest.fixture(scope="session")
def _live(_checkout: Path, pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with found(tmp_path_factory.mktemp("live") / "account", _checkout, pulumi_cli) as live:
        up(live, ["platform", "develop"])
        yield live


@pytest.fixture(scope="session")
def _small(_checkout: Path, pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with found(tmp_path_factory.mktemp("small") / "account", _checkout, pulumi_cli, program=SMALL) as small:
        up(small, ["develop"])
        yield small


@pytest.fixture
def live(_live: Live, checkout: Path, pulumi_cli: Path, tmp_path: Path) -> Iterator[Live]:
    """The platform and `develop`, up, to do anything with."""
    with found(tmp_path / "account", checkout, pulumi_cli, copy_of=_live) as live:
        yield live


@pytest.fixture
def small(_small: Live, checkout: Path, pulumi_cli: Path, tmp_path: Path) -> Iterator[Live]:
    """`develop` with a program that takes a second, for what is not about the program."""
    with found(tmp_path / "account", checkout, pulumi_cli, copy_of=_small) as small:
        yield small
