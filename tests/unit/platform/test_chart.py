"""A chart is what its checksum says, or it is not used."""

import hashlib
from pathlib import Path

import pytest

from infra.platform import chart
from infra.platform.chart import ChartRefused, archive
from infra.values import Chart

CONTENT = b"an archive"
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with the chart, while the program runs in another directory."""
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "controller-1.0.0.tgz").write_bytes(CONTENT)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "repository"


def of(repository: Path) -> Chart:
    return Chart(chart="controller", repository=repository.as_uri())


def test_an_archive_with_the_checksum_is_fetched_once_and_named_alike_on_every_machine(repository: Path) -> None:
    assert archive(of(repository), "1.0.0", RIGHT) == ".charts/controller-1.0.0.tgz"
    assert Path(".charts/controller-1.0.0.tgz").read_bytes() == CONTENT
    (repository / "controller-1.0.0.tgz").unlink()
    assert archive(of(repository), "1.0.0", RIGHT) == ".charts/controller-1.0.0.tgz"


def test_an_archive_that_was_replaced_is_refused_and_not_kept(repository: Path) -> None:
    (repository / "controller-1.0.0.tgz").write_bytes(b"another")
    with pytest.raises(ChartRefused, match=f"infra/versions.py has {RIGHT}"):
        archive(of(repository), "1.0.0", RIGHT)
    assert not list(Path().rglob("*.tgz"))


def test_an_archive_that_was_replaced_here_is_refused_too(repository: Path) -> None:
    Path(archive(of(repository), "1.0.0", RIGHT)).write_bytes(b"another")
    with pytest.raises(ChartRefused, match=r"^\.charts/controller-1\.0\.0\.tgz has the checksum"):
        archive(of(repository), "1.0.0", RIGHT)


def test_a_repository_without_it_is_named(repository: Path) -> None:
    with pytest.raises(ChartRefused, match=r"controller-2\.0\.0\.tgz cannot be had"):
        archive(of(repository), "2.0.0", RIGHT)


def test_a_folder_is_taken_as_it_is() -> None:
    assert archive(Chart(chart="/a/folder", repository=None), "1.0.0", RIGHT) == "/a/folder"
    assert not chart.FOLDER.is_absolute()
