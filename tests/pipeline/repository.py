"""A repository on a server, and clones of it as Jenkins makes them."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pipeline import record
from pipeline.checkout import Checkout

STACKS: Final = {"blue": "master", "green": "staging", "develop": "develop"}

IDENTITY: Final[dict[str, str]] = {
    "GIT_AUTHOR_NAME": "someone",
    "GIT_AUTHOR_EMAIL": "someone@example.org",
    "GIT_COMMITTER_NAME": "someone",
    "GIT_COMMITTER_EMAIL": "someone@example.org",
}


@final
@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a verb came to."""

    code: int
    stdout: str
    stderr: str


RunVerb = Callable[..., Ran]
"""Runs a verb in a clone: `run(clone, "flow", "--branch", "x", BRANCH_NAME="x")`."""


def git(directory: Path, *arguments: str) -> str:
    """What Git prints, without the settings of whoever runs the tests."""
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **IDENTITY,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    ran = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, f"git {arguments}: {ran.stderr}"
    return ran.stdout.strip()


@final
@dataclass(frozen=True, kw_only=True)
class Repository:
    """What is on the server: `develop`, `staging` and `master`, at first at one commit."""

    server: Path

    @classmethod
    def create(cls, directory: Path) -> "Repository":
        repository = cls(server=directory / "server")
        repository.server.mkdir()
        git(repository.server, "init", "--quiet", "--initial-branch=master", "--template=")
        files = {f"Pulumi.{stack}.yaml": f"config:\n  smallcase:branch: {branch}\n" for stack, branch in STACKS.items()}
        files |= {"Pulumi.platform.yaml": "config:\n  smallcase:platform: self\n", ".gitignore": "reports/\n"}
        repository.commit("begin", branch="master", files=files)
        for branch in ("staging", "develop"):
            repository.branch(branch, "master")
        return repository

    def branch(self, name: str, start: str) -> None:
        """A new branch."""
        git(self.server, "branch", name, start)

    def commit(self, message: str, *, branch: str, files: Mapping[str, str] | None = None) -> str:
        """A commit on a branch."""
        if (self.server / ".git" / "index").exists():
            git(self.server, "checkout", "--quiet", "--force", branch)
        for name, text in (files or {f"{message}.txt": message}).items():
            (self.server / name).parent.mkdir(parents=True, exist_ok=True)
            (self.server / name).write_text(text, encoding="utf-8")
        git(self.server, "add", "--all")
        git(self.server, "commit", "--quiet", "--message", message)
        return self.head(branch)

    def merge(self, source: str, target: str) -> str:
        """A pull request that is merged, as GitHub does it: always with a merge commit."""
        git(self.server, "checkout", "--quiet", "--force", target)
        git(self.server, "merge", "--quiet", "--no-ff", "--message", f"Merge {source} into {target}", source)
        return self.head(target)

    def head(self, branch: str) -> str:
        """The commit that a branch is at."""
        return git(self.server, "rev-parse", branch)

    def promote(self, message: str, *, files: Mapping[str, str] | None = None) -> tuple[str, str]:
        """A commit on develop, merged into staging and that into master: the two merges."""
        self.commit(message, branch="develop", files=files)
        return self.merge("develop", "staging"), self.merge("staging", "master")

    def check_out(self, revision: str) -> Path:
        """A clone as Jenkins makes it for a build: no branch is checked out, all are there as origin's, tags too."""
        clone = self.server.parent / f"build-{len(list(self.server.parent.iterdir()))}"
        commit = self.head(revision)
        git(self.server.parent, "clone", "--quiet", "--no-checkout", "--template=", str(self.server), str(clone))
        git(clone, "checkout", "--quiet", "--force", "--detach", commit)
        for branch in git(clone, "for-each-ref", "--format=%(refname:strip=2)", "refs/heads").splitlines():
            git(clone, "branch", "--quiet", "-D", branch)
        return clone

    def tags(self) -> dict[str, str]:
        """The server's annotated tags, each with the commit it is of."""
        listed = git(
            self.server, "for-each-ref", "--format=%(refname:strip=2) %(objecttype) %(*objectname)", "refs/tags"
        )
        rows = [row.split(" ") for row in listed.splitlines()]
        assert all(kind == "tag" for _, kind, _ in rows)
        return {tag: commit for tag, _, commit in rows}


def live(repository: Repository, revision: str, branch: str = "") -> Path:
    """A build's clone, from which a branch's stack was deployed and seen live."""
    clone = repository.check_out(revision)
    seen_live(clone, next(stack for stack, deployed in STACKS.items() if deployed == (branch or revision)))
    return clone


def seen_live(clone: Path, stack: str) -> None:
    record.deployed(Checkout.find(clone), stack)
    record.seen(Checkout.find(clone), stack)
