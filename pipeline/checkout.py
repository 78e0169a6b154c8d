"""The Git checkout a verb runs in, and which branch or pull request it is a build of."""

import argparse
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from infra import git
from pipeline.outcomes import Refused, WrongUse

GIT_HAS: Final[float] = git.TIMEOUT
"""Seconds."""
REPORTS: Final = Path("reports")
"""Where verbs leave files, below the root of the checkout; Git ignores it."""


@final
@dataclass(frozen=True, kw_only=True)
class Change:
    """A pull request."""

    source: str
    target: str
    fork: str
    """Whose fork it comes from; empty for a branch of this repository."""


@final
@dataclass(frozen=True, kw_only=True)
class Build:
    """What is being built."""

    branch: str
    """The branch that was pushed; of a pull request, the branch it comes from."""
    change: Change | None
    """None for a push."""

    @property
    def deployed_as(self) -> str:
        """The branch whose stack this is about: of a pull request, its target."""
        return self.change.target if self.change else self.branch


@final
@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A clone of the repository."""

    root: Path

    @classmethod
    def find(cls, directory: Path | None = None) -> "Checkout":
        """The checkout around a directory, by default the current one.

        Raises:
            WrongUse: there is none, or no Git.
        """
        try:
            here = directory or Path.cwd()
        except FileNotFoundError:
            raise WrongUse("The working directory is gone.", "Change to a clone of the repository.") from None
        return cls(root=Path(cls(root=here).git("rev-parse", "--show-toplevel")))

    @property
    def reports(self) -> Path:
        """The folder for reports, made if it is not there."""
        folder = self.root / REPORTS
        folder.mkdir(exist_ok=True)
        return folder

    def head(self) -> str:
        """The commit that is checked out, in full.

        Raises:
            WrongUse: the repository is empty.
        """
        return self.git("rev-parse", "--verify", "HEAD^{commit}")

    def origin(self, branch: str) -> str:
        """The commit that origin's branch was at when it was last fetched.

        Raises:
            WrongUse: the clone lacks the branch.
        """
        found = self.run("rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{branch}^{{commit}}")
        if found.returncode != 0:
            raise WrongUse(
                f"This clone does not have the branch {branch!r} of origin.",
                "Clone all branches with their history: `git fetch origin '+refs/heads/*:refs/remotes/origin/*'`.",
            )
        return found.stdout.strip()

    def commits(self, *revisions: str, but: Sequence[str] = ()) -> list[str]:
        """Commits, newest first, as `git rev-list` understands revisions and options, without all those that lead to
        `but`.

        Both are listed whole. Asked for `A ^B`, Git goes by the dates of commits and stops a few behind what looks
        older than anything of interest (`SLOP`, https://github.com/git/git/blob/v2.32.0/revision.c): a commit that is
        dated in the future is then listed although B has it.
        """
        known = set(self.git("rev-list", *but).split()) if but else set[str]()
        return [commit for commit in self.git("rev-list", *revisions).split() if commit not in known]

    def require_history(self) -> None:
        """Let only a clone through that has every commit, so that what it does not find is nowhere.

        Raises:
            WrongUse: it is shallow.
        """
        if self.git("rev-parse", "--is-shallow-repository") == "true":
            raise WrongUse(
                "This clone is shallow: it lacks the history that has to be looked through.",
                "Fetch it with `git fetch --unshallow`.",
            )

    def changes(self) -> list[str]:
        """Files that differ from HEAD, and new ones that Git does not ignore."""
        rules = git.ignore_rules(self.root)
        status = self.git(*rules, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        return [entry[3:] for entry in status.split("\0") if entry]

    def require_clean(self, what: str) -> None:
        """Let only a commit through, nothing that differs from it.

        Raises:
            Refused: files differ from HEAD.
        """
        changes = self.changes()
        if changes:
            named = ", ".join(changes[:5]) + (f" and {len(changes) - 5} more" if len(changes) > 5 else "")
            raise Refused(
                f"{len(changes)} files differ from the commit that is checked out: {named}. "
                f"The rule: {what} is of a commit, with nothing changed on top.",
                "Commit them, or put them away with `git stash --include-untracked`.",
            )

    def git(self, *arguments: str) -> str:
        """What Git prints, without the line end.

        Raises:
            WrongUse: Git is missing or refuses; the message holds what it said.
        """
        ran = self.run(*arguments)
        if ran.returncode != 0:
            raise WrongUse(
                f"`git {' '.join(arguments)}` failed in {self.root}: {ran.stderr.strip()}",
                "Run this in a clone of the repository with its whole history.",
            )
        return ran.stdout.rstrip("\n")

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
        remote: bool = False,
        timeout: float = GIT_HAS,
    ) -> subprocess.CompletedProcess[str]:
        """Git's answer, whatever it is; the arguments are those of `infra.git.run`.

        Raises:
            WrongUse: Git is missing, or does not end in time.
        """
        try:
            ran = git.run(
                self.root, *arguments, stdin=stdin.encode(), variables=variables, remote=remote, timeout=timeout
            )
        except git.GitError as error:
            raise WrongUse(error.message, error.way_out) from None
        # Names and texts of other encodings are only shown.
        stdout, stderr = (said.decode(errors="replace") for said in (ran.stdout, ran.stderr))
        return subprocess.CompletedProcess(ran.args, ran.returncode, stdout, stderr)


def add_branch_argument(parser: argparse.ArgumentParser) -> None:
    """`--branch`, for every verb that asks which branch it is."""
    parser.add_argument(
        "--branch",
        type=branch_name,
        help="the branch this is about (default: Jenkins's variables, then the branch that is checked out)",
    )


def branch_name(text: str) -> str:
    """The name of a branch, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a branch, or leave it out")
    return text


def which(branch: str | None, environment: Mapping[str, str], checkout: Checkout) -> Build:
    """What is being built: as `--branch` says, else as Jenkins's variables do, else as Git does.

    Raises:
        WrongUse: nobody says which branch it is.
    """
    if branch:
        return Build(branch=branch, change=None)
    if environment.get("CHANGE_ID") or environment.get("CHANGE_TARGET"):
        source, target = (environment.get(name, "") for name in ("CHANGE_BRANCH", "CHANGE_TARGET"))
        if not source or not target:
            missing = "CHANGE_BRANCH" if not source else "CHANGE_TARGET"
            raise WrongUse(f"This is a pull request, but {missing} is not set.", "Jenkins sets it; or say `--branch`.")
        return Build(
            branch=source, change=Change(source=source, target=target, fork=environment.get("CHANGE_FORK", ""))
        )
    found = environment.get("BRANCH_NAME") or checkout.run("symbolic-ref", "--short", "--quiet", "HEAD").stdout.strip()
    if not found:
        raise WrongUse(
            "Which branch is this? A commit is checked out, no branch, and neither --branch nor BRANCH_NAME says so.",
            "Name it: `--branch develop`.",
        )
    return Build(branch=found, change=None)


def in_ci(environment: Mapping[str, str]) -> bool:
    """Whether a build server runs this: Jenkins sets both (https://www.jenkins.io/doc/book/pipeline/jenkinsfile/)."""
    return bool(environment.get("JENKINS_URL") or environment.get("CI"))
