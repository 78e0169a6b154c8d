"""The rehearsal's lines in the hosts file, between two markers, and nothing else of that file."""

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

BEGIN: Final = "# BEGIN smallcase rehearsal: load balancers"
END: Final = "# END smallcase rehearsal: load balancers"


def with_hosts(text: str, hosts: Mapping[str, str]) -> str:
    """The file's text with exactly these host names (to their addresses) between the markers, and no markers for none.

    A block whose end marker is gone reaches no further than the lines that look like its own.
    """
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line == BEGIN:
            inside = True
        elif inside and line == END:
            inside = False
        elif not inside or not line.startswith("127.77."):
            inside = False
            kept.append(line)
    if hosts:
        kept += [BEGIN, *(f"{address} {name}" for name, address in sorted(hosts.items())), END]
    return "".join(f"{line}\n" for line in kept)


def write_hosts(path: Path, hosts: Mapping[str, str]) -> bool:
    """Bring the file in line; True if it had to change.

    Atomic where the file system allows: a reader sees the old file or the new one. In a container the file is a mount
    point, which cannot be replaced, so it is written in place.
    """
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    after = with_hosts(before, hosts)
    if after == before or (not hosts and BEGIN not in before):
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(after)
        if path.exists():
            owner = path.stat()
            temporary.chmod(owner.st_mode & 0o7777)
            os.chown(temporary, owner.st_uid, owner.st_gid)
        else:
            temporary.chmod(0o644)
        try:
            temporary.replace(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            path.write_text(after, encoding="utf-8", errors="surrogateescape")
    finally:
        temporary.unlink(missing_ok=True)
    return True


def forget_hosts(path: Path) -> bool:
    """Take the rehearsal's lines out again; True if there were any."""
    return write_hosts(path, {})
