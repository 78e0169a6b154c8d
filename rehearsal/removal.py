"""Removing a directory: one that this project made, and nothing that only hangs in it."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Final

from rehearsal.progress import RehearsalError

MARKER: Final = "made-by-smallcase-rehearsal"
"""The file that says that a directory is the project's own, and may be emptied."""


def mark(directory: Path) -> Path:
    """Make a directory the project's own, unless something is in it already."""
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.iterdir()):
        (directory / MARKER).touch()
    return directory


def remove(directory: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Remove a marked directory. One that is reached by a link, or is a mount, is emptied and stays.

    Args:
        mounts: what is mounted where, as proc(5) describes it.

    Raises:
        RehearsalError: it has no marker, or something is mounted below it.
    """
    if not directory.exists():
        return
    if not (directory / MARKER).exists():
        raise RehearsalError(
            f"{directory} has no file {MARKER}, so it may be another's, and is left as it is.",
            f"Look into it. If all in it was made by the rehearsal, "
            f"`touch {shlex.quote(str(directory / MARKER))}` and try again; "
            "otherwise remove by hand what is not needed.",
        )
    real = directory.resolve()
    if below := [point for point in _mounted(mounts) if point != real and point.is_relative_to(real)]:
        raise RehearsalError(
            f"{directory} is not removed: something is mounted at {below[0]}.", f"Run `umount '{below[0]}'` first."
        )
    # The marker goes last, so that an interrupted removal can be taken up again.
    for path in sorted(real.iterdir(), key=lambda path: path.name == MARKER):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if not directory.is_symlink() and not directory.is_mount():
        real.rmdir()


def _mounted(table: Path) -> list[Path]:
    lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), line.split()[4])) for line in lines]
