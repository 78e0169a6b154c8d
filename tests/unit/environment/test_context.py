"""The folder an image is built from is its tree, whatever lies where it is written to."""

import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.environment.context import EPOCH, FOLDER, lay_out
from infra.revision import File, RevisionError, Tree
from tests.stack_files import CHECKOUT

TREE = Tree(
    id="a" * 40,
    files={
        "Dockerfile": File(mode=0o100644, content=b"FROM scratch\n"),
        "package/link": File(mode=0o120000, content=b"../Dockerfile"),
        "package/program": File(mode=0o100755, content=b"#!/bin/sh\n"),
        os.fsdecode(b"package/caf\xe9"): File(mode=0o100644, content=b""),
    },
)


def found(context: Path) -> dict[str, tuple[int, float, bytes]]:
    return {
        str(path.relative_to(context)): (
            path.lstat().st_mode,
            path.lstat().st_mtime,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in context.rglob("*")
    }


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_modes_and_the_date_that_an_image_is_built_with(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        context = lay_out(TREE, tmp_path)
    finally:
        os.umask(before)
    assert {name: (stat.S_IMODE(mode), content) for name, (mode, _, content) in found(context).items()} == {
        "Dockerfile": (0o644, b"FROM scratch\n"),
        "package": (0o755, b""),
        "package/link": (stat.S_IMODE((context / "package/link").lstat().st_mode), b"FROM scratch\n"),
        "package/program": (0o755, b"#!/bin/sh\n"),
        os.fsdecode(b"package/caf\xe9"): (0o644, b""),
    }
    assert {date for _, date, _ in found(context).values()} == {EPOCH}


def test_its_path_is_relative_and_names_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider compares paths: that of another clone has to be the same."""
    monkeypatch.chdir(tmp_path)
    assert lay_out(TREE) == FOLDER / TREE.id
    assert not FOLDER.is_absolute()
    assert f"{FOLDER}/" in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").splitlines()


def changed(context: Path) -> None:
    (context / "Dockerfile").write_text("changed", encoding="utf-8")


def forbidden_to_others(context: Path) -> None:
    (context / "Dockerfile").chmod(0o600)


def deleted(context: Path) -> None:
    (context / "Dockerfile").unlink()


def folder_forbidden_to_others(context: Path) -> None:
    (context / "package").chmod(0o700)


def file_more(context: Path) -> None:
    (context / "package" / ".env").touch()


def folder_more(context: Path) -> None:
    (context / "package" / "empty").mkdir()


def aged(context: Path) -> None:
    os.utime(context / "package" / "program", (0, 0))


def link_aged(context: Path) -> None:
    os.utime(context / "package" / "link", (0, 0), follow_symlinks=False)


def not_begun(context: Path) -> None:
    shutil.rmtree(context)
    context.mkdir()


def a_file(context: Path) -> None:
    shutil.rmtree(context)
    context.touch()


def a_link(context: Path) -> None:
    (context.parent / "mine" / "file").parent.mkdir()
    (context.parent / "mine" / "file").touch()
    shutil.rmtree(context)
    context.symlink_to("mine")


@pytest.mark.parametrize(
    "change",
    [
        changed,
        forbidden_to_others,
        deleted,
        folder_forbidden_to_others,
        file_more,
        folder_more,
        aged,
        link_aged,
        not_begun,
        a_file,
        a_link,
    ],
)
def test_what_was_changed_or_never_finished_is_written_anew(tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = found(lay_out(TREE, tmp_path))
    change(tmp_path / TREE.id)
    assert found(lay_out(TREE, tmp_path)) == before
    assert change is not a_link or (tmp_path / "mine" / "file").exists()


def test_what_is_there_already_is_left_as_it_is_for_whoever_builds_from_it(tmp_path: Path) -> None:
    context = lay_out(TREE, tmp_path)
    inodes = [path.lstat().st_ino for path in sorted(context.rglob("*"))]
    assert [path.lstat().st_ino for path in sorted(lay_out(TREE, tmp_path).rglob("*"))] == inodes


def test_a_program_waits_while_another_one_writes(tmp_path: Path) -> None:
    thread = threading.Thread(target=lay_out, args=(TREE, tmp_path))
    with (tmp_path / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        assert not (tmp_path / TREE.id).exists()
    thread.join(timeout=10)
    assert (tmp_path / TREE.id / "Dockerfile").exists()


def test_folders_that_nobody_builds_from_any_more_go_and_nothing_else(tmp_path: Path) -> None:
    old = lay_out(Tree(id="b" * 40, files=TREE.files), tmp_path)
    others = [tmp_path / "mine", tmp_path / "d" / "e"]
    for other in others:
        other.mkdir(parents=True)
    days_ago = time.time() - 3 * 86400
    for path in (old, *others, tmp_path / "d"):
        os.utime(path, (days_ago, days_ago))
    lay_out(TREE, tmp_path)
    assert not old.exists()
    assert all(other.is_dir() for other in others)


@pytest.mark.parametrize("leads_to", [None, "nowhere", "."])
def test_a_file_or_link_of_somebody_elses_with_the_name_of_a_tree_is_left_alone(
    tmp_path: Path, leads_to: str | None
) -> None:
    foreign = tmp_path / ("b" * 40)
    foreign.symlink_to(leads_to) if leads_to else foreign.touch()
    os.utime(foreign, (0, 0), follow_symlinks=False)
    os.utime(tmp_path, (0, 0))
    lay_out(TREE, tmp_path)
    assert foreign in tmp_path.iterdir()


def test_a_folder_that_is_built_from_again_stays_as_long_as_a_new_one(tmp_path: Path) -> None:
    context = lay_out(TREE, tmp_path)
    os.utime(context, (time.time() - 80000, time.time() - 80000))
    lay_out(TREE, tmp_path)
    assert context.stat().st_mtime > time.time() - 60


@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside", "nowhere", "itself"])
def test_a_link_that_leads_out_of_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    """The image would have the link and not the file, and the provider would hash what is there on this machine."""
    (tmp_path / "outside").touch()
    files = {**TREE.files, "itself": File(mode=0o120000, content=target.encode())}
    with pytest.raises(RevisionError, match=f"'itself' is a link that leads out of the application, to {target}"):
        lay_out(Tree(id="b" * 40, files=files), tmp_path)


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RevisionError, match=f"{tmp_path}/file/.build: Not a directory"):
        lay_out(TREE, tmp_path / "file" / ".build")


def test_a_file_system_that_mixes_up_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def in_lower_case(path: Path, data: bytes) -> int:
        return write(path.with_name(path.name.lower()), data)

    def keep_modes(path: Path, mode: int) -> None:
        assert path.parent.is_dir()
        assert mode

    monkeypatch.setattr(Path, "write_bytes", in_lower_case)
    monkeypatch.setattr(Path, "chmod", keep_modes)
    files = {name: File(mode=0o100644, content=name.encode()) for name in ("Readme", "README")}
    with pytest.raises(RevisionError, match="does not keep 'README' as Git has it"):
        lay_out(Tree(id="b" * 40, files=files), tmp_path)
