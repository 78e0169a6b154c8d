"""Directories that are made once: complete under their final name, or not there."""

import fcntl
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.places import cache_directory
from rehearsal.removal import mark


def own_cache() -> Path:
    """The project's cache, made and marked as its own where it is not there."""
    return mark(cache_directory())


@contextmanager
def exclusively(lock: Path) -> Generator[None]:
    """Hold the lock file; whoever else wants it says so and waits. The kernel lets go of it however we end."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another command that holds {lock} …", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached_directory(name: str, make: Callable[[Path], None], cache: Path | None = None) -> Path:
    """The directory `name` of the cache, filled by `make` where it is not there yet.

    `make` works in a directory of another name, renamed when it is complete: an interrupted one leaves nothing that
    looks finished. What an earlier interruption left is removed first.
    """
    cache = cache or own_cache()
    final = cache / name
    if final.is_dir():
        return final
    with exclusively(cache / "locks" / name.replace("/", "-")):
        if final.is_dir():
            return final
        unfinished = final.with_name(f".{final.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            make(unfinished)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        unfinished.rename(final)
    return final
