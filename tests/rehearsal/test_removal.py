"""Only what this project made is removed, and nothing that a link or a mount leads to."""

import io
import shlex
import subprocess
from pathlib import Path

import pytest

from rehearsal import cluster, places
from rehearsal.progress import Progress, RehearsalError
from rehearsal.removal import MARKER, remove
from rehearsal.toolchain.cache import cached_directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache goes; there is none yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return places.cache_directory()


def empty_cache() -> str:
    said = io.StringIO()
    cluster.empty_cache(Progress(said))
    return said.getvalue()


def fill() -> Path:
    return cached_directory("go/thing-1", lambda directory: (directory / "program").touch())


def test_the_cache_that_was_filled_is_removed_and_named(cache: Path) -> None:
    fill()
    assert f"deleting {cache}" in empty_cache()
    assert not cache.exists()
    assert cache.parent.exists()


def test_a_folder_that_was_there_before_is_not_taken_for_the_cache(cache: Path) -> None:
    # XDG_CACHE_HOME=~ in the folder that the clone is in, say.
    (cache / ".git").mkdir(parents=True)
    fill()
    with pytest.raises(RehearsalError, match=f"{cache} has no file {MARKER}") as refused:
        empty_cache()
    assert "by hand" in refused.value.way_out
    assert (cache / ".git").exists()


def test_a_cache_that_was_filled_before_there_was_a_marker_goes_once_its_owner_says_that_it_is_one(cache: Path) -> None:
    fill()
    (cache / MARKER).unlink()
    with pytest.raises(RehearsalError) as refused:
        empty_cache()
    assert refused.value.way_out.startswith("Look into it. If all in it was made by the rehearsal, `touch ")
    (command,) = refused.value.way_out.split("`")[1::2]
    subprocess.run(shlex.split(command), check=True, timeout=10)
    empty_cache()
    assert not cache.exists()


def test_an_empty_folder_is_as_good_as_none(cache: Path) -> None:
    cache.mkdir(parents=True)
    fill()
    empty_cache()
    assert not cache.exists()


def test_a_path_of_a_cache_that_is_not_absolute_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert places.cache_directory() == tmp_path / ".cache" / "smallcase"
    assert places.state_directory() == tmp_path / ".local" / "state" / "smallcase-rehearsal"


def test_what_links_in_the_cache_lead_to_stays(cache: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    made = fill()
    (made / "link").symlink_to(precious)
    (cache / "link").symlink_to(precious)
    empty_cache()
    assert not cache.exists()
    assert (precious / "file").exists()


def test_a_cache_on_another_disk_is_emptied_and_the_link_to_it_stays(cache: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    cache.parent.mkdir()
    cache.symlink_to(disk)
    fill()
    empty_cache()
    assert list(disk.iterdir()) == []
    assert cache.readlink() == disk
    assert fill().is_relative_to(cache)


def test_nothing_is_removed_while_something_is_mounted_below(cache: Path, tmp_path: Path) -> None:
    fill()
    mounts = tmp_path / "mountinfo"
    mounted = f"36 35 98:0 / {cache}/my\\040disk rw shared:1 - ext4 /dev/sdb1 rw\n"
    mounts.write_text(f"22 1 98:1 / / rw - ext4 /dev/sda1 rw\n{mounted}", encoding="utf-8")
    with pytest.raises(RehearsalError, match="something is mounted at") as refused:
        remove(cache, mounts)
    assert refused.value.way_out == f"Run `umount '{cache}/my disk'` first."
    assert (cache / "go" / "thing-1").exists()


def test_a_cache_that_is_a_mount_itself_is_emptied(cache: Path, tmp_path: Path) -> None:
    fill()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {cache} rw shared:1 - ext4 /dev/sdb1 rw\n", encoding="utf-8")
    remove(cache, mounts)
    assert not (cache / "go").exists()


def test_a_removal_that_was_interrupted_is_taken_up_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    last = cache / "zlib"
    last.mkdir()

    def full(path: Path) -> None:
        if path == last:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", full)
        with pytest.raises(OSError, match="Input/output error"):
            empty_cache()
    assert (cache / MARKER).exists()
    empty_cache()
    assert not cache.exists()
