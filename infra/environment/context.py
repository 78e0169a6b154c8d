"""The folder that an image is built from: the files of one tree, and nothing else that lies in the work tree."""

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.revision import RevisionError, Tree

FOLDER: Final = Path(".build")
"""Below the project directory, where the program and the provider run; Git ignores it."""

EPOCH: Final = 315532800
"""1 January 1980, in seconds since 1970: the date of all files, here and of everything that the build adds. It is the
same for every commit, so unchanged layers stay the same; and the earliest that a zip archive, a wheel for instance, can
hold."""

_KEPT: Final = 24 * 60 * 60
"""Seconds after which nobody builds from a folder any more."""
_NAME: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_Entry = tuple[int, int, bytes]
"""Type and permissions, date, content; of a link, type and content."""


def lay_out(tree: Tree, folder: Path = FOLDER) -> Path:
    """Write the files of a tree to a folder named after it.

    The path is a function of the tree, relative as `folder` is: the provider takes an image with another path for
    another image, and other clones are in other places. Programs that run at the same time with different trees have
    different folders; with the same one, what the first has written is left as it is.

    Raises:
        RevisionError: the folder cannot be written, the file system does not keep names or modes as Git does, or a
            link leads out of the tree.
    """
    context = folder / tree.id
    expected = _expected(tree)
    try:
        folder.mkdir(exist_ok=True)
        with _alone_in(folder):
            _remove_old(folder)
            if context.is_symlink() or context.is_file():
                context.unlink()
            if context.is_dir() and _found(context) != expected:
                shutil.rmtree(context)
            if not context.is_dir():
                _write(tree, context)
            os.utime(context)
        changed = sorted(name for name, _ in expected.items() ^ _found(context).items())
    except OSError as error:
        raise RevisionError(
            f"The files of the image cannot be written to {folder.absolute()}: {error.strerror or error}. "
            "Deploy from a directory that may be written to."
        ) from None
    if changed:
        raise RevisionError(
            f"{folder.absolute()} does not keep {changed[0]!r} as Git has it: it mixes up names that differ in case "
            "alone, or has no modes. Deploy from a file system that keeps both."
        )
    for name in (name for name, file in tree.files.items() if stat.S_ISLNK(file.mode)):
        _refuse_to_leave(context, name)
    return context


@contextmanager
def _alone_in(folder: Path) -> Generator[None]:
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_old(folder: Path) -> None:
    for path in folder.iterdir():
        about = path.lstat()
        if _NAME.fullmatch(path.name) and stat.S_ISDIR(about.st_mode) and about.st_mtime < time.time() - _KEPT:
            shutil.rmtree(path)


def _write(tree: Tree, context: Path) -> None:
    context.mkdir()
    for name, file in tree.files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(file.mode):
            path.symlink_to(os.fsdecode(file.content))
        else:
            path.write_bytes(file.content)
            path.chmod(stat.S_IMODE(file.mode))
    for path in context.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _expected(tree: Tree) -> dict[str, _Entry]:
    folders = {str(parent) for name in tree.files for parent in Path(name).parents} - {"."}
    files = {name: (file.mode, EPOCH, file.content) for name, file in tree.files.items()}
    return {**dict.fromkeys(folders, (stat.S_IFDIR | 0o755, EPOCH, b"")), **files}


def _found(context: Path) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for path in context.rglob("*"):
        about = path.lstat()
        mode, content = about.st_mode, b""
        if stat.S_ISLNK(mode):
            mode, content = stat.S_IFLNK, os.fsencode(path.readlink())
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        entries[str(path.relative_to(context))] = (mode, int(about.st_mtime), content)
    return entries


def _refuse_to_leave(context: Path, name: str) -> None:
    try:
        leads_to = Path(os.path.realpath(context / name, strict=True))
    except OSError:
        leads_to = Path("nowhere")
    if not leads_to.is_relative_to(context.resolve()):
        raise RevisionError(
            f"{name!r} is a link that leads out of the application, to {(context / name).readlink()}: the image would "
            "not have what it leads to. Copy that file."
        )
