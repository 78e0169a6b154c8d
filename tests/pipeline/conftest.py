import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import main
from tests.pipeline.live import Live, found, git, make_checkout, up
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
def _live(pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("live")
    with found(directory / "account", make_checkout(directory / "smallcase"), pulumi_cli) as live:
        up(live, ["platform", "develop"])
        yield live


@pytest.fixture
def live(_live: Live, pulumi_cli: Path, tmp_path: Path) -> Iterator[Live]:
    """The platform and `develop`, up, to do anything with."""
    base = git(_live.checkout, "rev-parse", "HEAD")
    with found(tmp_path / "account", _live.checkout, pulumi_cli, copy_of=_live) as live:
        yield live
    git(_live.checkout, "reset", "--quiet", "--hard", base)
    git(_live.checkout, "clean", "--quiet", "-d", "--force")
    shutil.rmtree(_live.checkout / "reports", ignore_errors=True)
