"""Which revision of the repository is being deployed, and what its application consists of."""

import io
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import pulumi

from infra import git

APP: Final = "app"


class RevisionError(pulumi.RunError):
    """The program does not run in a Git checkout that can say what it is, or whose application can be built."""


@final
@dataclass(frozen=True, kw_only=True)
class File:
    """A file as Git keeps it."""

    mode: int
    """0o100644, 0o100755 if it is executable, 0o120000 if it is a link."""
    content: bytes
    """Of a link, where it leads."""


@final
@dataclass(frozen=True, kw_only=True)
class Tree:
    """Everything in `app/`, by its path in there."""

    id: str
    """Git's hash of names, modes and contents."""
    files: Mapping[str, File]


@final
@dataclass(frozen=True, kw_only=True)
class Revision:
    """A state of the working tree."""

    commit: str
    """Twelve digits of HEAD, and `-dirty-<hash>` where `app/` differs from it."""
    app_commit: str
    """The last commit that touched `app/`, and `-dirty-<hash>` as above. An image says this one, so that commits that
    leave the app alone, merges among them, give the same image to the byte: what was tested on staging is what
    production gets."""
    app: Tree
    """What the commit has; where the work tree differs, what a commit of all that Git does not ignore would have."""


def read(root: Path) -> Revision:
    """The revision of the checkout at `root`.

    Raises:
        RevisionError: `root` is not a Git checkout with an application, its history does not reach to the last commit
            that touches it, or it has what only Git can follow: submodules, and files that a filter such as Git LFS
            keeps elsewhere.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD^{commit}").decode().strip()
    committed = _tree(root, commit)
    if committed is None:
        raise RevisionError(
            f"The commit {commit[:12]} has no {APP}/ in {root}. Commit the application, then deploy it."
        )
    app_commit = _last_commit_of_the_app(root)
    with _aside(root) as variables:
        found = _tree(root, _work_tree(root, variables), variables)
        if found is None:
            raise RevisionError(
                f"There is no {APP}/ in {root}, as there is in its commit: `git checkout HEAD -- {APP}`."
            )
        files = _files(root, found, variables)
    _refuse_filters(root, files)
    suffix = "" if found == committed else f"-dirty-{found[:8]}"
    return Revision(commit=commit[:12] + suffix, app_commit=app_commit + suffix, app=Tree(id=found, files=files))


def _last_commit_of_the_app(root: Path) -> str:
    found = _git(root, "rev-list", "-1", "HEAD", "--", APP).decode().strip()
    is_shallow = _git(root, "rev-parse", "--is-shallow-repository") == b"true\n"
    # Where history is cut off, a commit has no parents and seems to have brought all that it has.
    if is_shallow and len(_git(root, "rev-list", "--parents", "--no-walk", found).split()) == 1:
        raise RevisionError(
            f"{root} is a shallow clone whose history ends before the last commit that touches {APP}/, which an image "
            "says. Fetch the rest with `git fetch --unshallow`."
        )
    return found


@contextmanager
def _aside(root: Path) -> Generator[Mapping[str, str]]:
    """Variables by which Git leaves the repository as it is: it writes to a folder that goes at the end."""
    objects = root / os.fsdecode(_git(root, "rev-parse", "--git-path", "objects")).removesuffix("\n")
    quoted = str(objects.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    with TemporaryDirectory(prefix="smallcase-git-") as directory:
        yield {
            "GIT_INDEX_FILE": f"{directory}/index",
            "GIT_OBJECT_DIRECTORY": directory,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        }


def _work_tree(root: Path, variables: Mapping[str, str]) -> str:
    """What would be committed of `app/` if everything was that Git does not ignore."""
    # Only what is tracked, without the marks by which an index takes a changed file for an unchanged one.
    tracked = _git(root, "ls-files", "--stage", "--full-name", "-z", "--", APP)
    _git(root, "update-index", "-z", "--index-info", stdin=tracked, variables=variables)
    options = (*git.ignore_rules(root), "-c", "core.sparseCheckout=false")
    new = ("ls-files", "--others", "--exclude-standard", "-z", "--", APP)
    if tracked or _git(root, *options, *new, variables=variables):  # `add` refuses to add nothing.
        _git(root, *options, "add", "--all", "--", APP, variables=variables)
    return _git(root, "write-tree", variables=variables).decode().strip()


def _tree(root: Path, treeish: str, variables: Mapping[str, str] | None = None) -> str | None:
    """The hash of `app/` in a commit or a tree, None if it has none."""
    listed = _git(root, "ls-tree", "-d", treeish, APP, variables=variables).decode()
    return listed.split()[2] if listed else None


def _files(root: Path, tree: str, variables: Mapping[str, str]) -> Mapping[str, File]:
    """Every file of a tree, as the commit has it: without what a checkout makes of line ends, dates and modes."""
    listed = _git(root, "ls-tree", "-r", "-z", "--full-tree", tree, variables=variables)
    found: dict[str, tuple[int, str]] = {}
    for entry in filter(None, os.fsdecode(listed).split("\0")):
        described, _, name = entry.partition("\t")
        mode, kind, object_id = described.split()
        if kind != "blob":
            path = f"{APP}/{name}"
            raise RevisionError(
                f"{path!r} is a repository of its own, of which a commit has no files. "
                f"An image is built from the commit's own files: copy them into {APP}/, or move it out."
            )
        found[name] = (int(mode, 8), object_id)
    asked = "".join(f"{object_id}\n" for _, object_id in found.values())
    answer = io.BytesIO(_git(root, "cat-file", "--batch", stdin=asked.encode(), variables=variables))
    files: dict[str, File] = {}
    for name, (mode, object_id) in found.items():
        _, said, *size = answer.readline().decode().split()
        if said != "blob":
            path = f"{APP}/{name}"
            raise RevisionError(f"{root} lacks {path!r} ({object_id} is {said}). Clone it with all its files.")
        files[name] = File(mode=mode, content=answer.read(int(size[0])))
        answer.readline()
    return files


def _refuse_filters(root: Path, files: Iterable[str]) -> None:
    """What a filter keeps elsewhere is not in the commit, and would not be in the image."""
    names = os.fsencode("\0".join(f"{APP}/{name}" for name in files))
    answer = os.fsdecode(_git(root, "check-attr", "-z", "--stdin", "filter", stdin=names)).split("\0")
    for name, value in zip(answer[0::3], answer[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            raise RevisionError(
                f"{name!r} goes through the Git filter {value!r}, and a commit has only what the filter makes of it. "
                f"An image is built from the commit's own files: keep that file out of {APP}/, or the filter off it."
            )


def _git(root: Path, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
    try:
        result = git.run(root, *arguments, stdin=stdin, variables=variables)
    except git.GitError as error:
        raise RevisionError(f"{error} An image is named after the commit it is built from.") from None
    if result.returncode != 0:
        raise RevisionError(
            f"{root} cannot say which commit it is at: {result.stderr.decode(errors='replace').strip()}. "
            "Deploy from a clone: an image is named after the commit it is built from."
        )
    return result.stdout
