"""The rehearsal's lines in the machine's hosts file, each marked as one, and nothing else of that file."""

import errno
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from rehearsal.toolchain.cache import exclusively, own_cache

NODE: Final = "the node"
LOAD_BALANCERS: Final = "a load balancer"

_MARK: Final = b"# smallcase rehearsal: "
_IRREPLACEABLE: Final = {errno.EBUSY, errno.EROFS}
"""In a container the file is a mount of its own, which cannot be renamed over, and its directory may be read-only."""


def with_names(content: bytes, whose: str, names: Mapping[str, str]) -> bytes:
    """The file's content with exactly these names (to their addresses) of NODE or LOAD_BALANCERS at its end.

    Every other line stays as it is, to the byte.
    """
    mark = _MARK + whose.encode()
    kept = b"".join(line for line in content.splitlines(keepends=True) if not line.rstrip().endswith(mark))
    if names and kept and not kept.endswith(b"\n"):
        kept += b"\n"
    return kept + b"".join(b"%b %b %b\n" % (names[name].encode(), name.encode(), mark) for name in sorted(names))


def write_names(path: Path, whose: str, names: Mapping[str, str]) -> bool:
    """Bring the file in line; True if it had to change.

    A reader sees the old file or the new one, and whoever is cut off leaves one of the two. Where the file cannot be
    replaced it is overwritten, which is not atomic for readers; being cut off leaves blank lines at its end.

    Raises:
        OSError: the file cannot be read or written; it is as it was.
    """
    return _rewrite(path, partial(with_names, whose=whose, names=names))


def forget_names(path: Path) -> bool:
    """Take every line of the rehearsal out again; True if there were any. What a run left that was cut off goes too."""
    with suppress(OSError):  # of a directory that is read-only, whatever is in it
        _beside(path.resolve()).unlink(missing_ok=True)
    changed = [write_names(path, whose, {}) for whose in (NODE, LOAD_BALANCERS)]
    return any(changed)


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> bool:
    path = path.resolve()
    # The lock keeps the rehearsal's own processes apart. Nobody else takes part in it, so the file is looked at again.
    with exclusively(own_cache() / "locks" / "hosts-file"):
        while True:
            before = _content(path)
            after = change(before)
            if after == before:
                return False
            try:
                with _replacement(path, after) as replacement:
                    if _content(path) != before:
                        continue
                    replacement.replace(path)
            except OSError as error:
                if error.errno not in _IRREPLACEABLE:
                    raise
                _overwrite(path, after)
            return True


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _beside(path: Path) -> Path:
    """Always the same, so that what is left of a run that was cut off is found."""
    return path.with_name(f".{path.name}.smallcase-rehearsal")


@contextmanager
def _replacement(path: Path, content: bytes) -> Generator[Path]:
    """A file beside `path` with this content on the disk, and its mode, owner and attributes (SELinux's label)."""
    made = _beside(path)
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        try:
            stream.write(content)
            stream.flush()
            if path.exists():
                like = path.stat()
                os.chown(made, like.st_uid, like.st_gid)
                made.chmod(like.st_mode & 0o7777)
                for name in os.listxattr(path):
                    os.setxattr(made, name, os.getxattr(path, name))
            else:
                made.chmod(0o644)
            os.fsync(stream.fileno())
            yield made
        finally:
            made.unlink(missing_ok=True)


def _overwrite(path: Path, content: bytes) -> None:
    """In one write that leaves no end of the old content behind, and is cut to size afterwards."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        padded = content.ljust(os.fstat(descriptor).st_size, b"\n")
        if os.write(descriptor, padded) != len(padded):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
