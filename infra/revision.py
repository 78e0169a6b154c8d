"""Which revision of the repository is being deployed."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pulumi

APP: Final = "app"


class RevisionError(pulumi.RunError):
    """The program does not run in a Git checkout that can say what it is."""


@final
@dataclass(frozen=True, kw_only=True)
class Revision:
    """A state of the working tree."""

    commit: str
    """Twelve digits of HEAD, and `-dirty-<hash>` where `app/` differs from it."""
    app_commit: str
    """The last commit that touched `app/`. An image says this one, so that commits that leave the app alone, merges
    among them, give the same image to the byte: what was tested on staging is what production gets."""


def read(root: Path) -> Revision:
    """The revision of the checkout at `root`.

    Raises:
        RevisionError: `root` is not a Git checkout with a commit that touches `app/`.
    """
    head = _git(root, "rev-parse", "HEAD")
    app = _git(root, "log", "-1", "--format=%H", "--", APP)
    if not app:
        raise RevisionError(f"No commit touches {APP}/ in {root}. Commit the application first, then deploy it.")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", APP)
    suffix = f"-dirty-{_content_hash(root)}" if changed else ""
    return Revision(commit=head[:12] + suffix, app_commit=app)


def _content_hash(root: Path) -> str:
    """Eight digits that change with any file of the application that Git does not ignore."""
    names = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", APP)
    digest = hashlib.sha256()
    for name in sorted(filter(None, names.split("\0"))):
        path = root / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return digest.hexdigest()[:8]


def _git(root: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        raise RevisionError("`git` is not on PATH: an image is named after the commit it is built from.") from None
    if result.returncode != 0:
        raise RevisionError(
            f"{root} cannot say which commit it is at: {result.stderr.strip()}. "
            "Deploy from a clone: an image is named after the commit it is built from."
        )
    return result.stdout.strip("\n")
