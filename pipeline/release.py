"""The verb `release`: a commit of staging that was seen live gets a beta release, one of master a stable one.

A release is an annotated tag with its part of the changelog and, where a repository on GitHub is configured, a release
there. It names the commits that were the branch's head since the last one and never live. Nothing is done twice, so a
run that was cut short is mended by the next.
"""

import argparse
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO, final

from infra import git
from pipeline.branches import stack_of
from pipeline.checkout import Checkout, add_branch_argument, which
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.github import GitHub
from pipeline.outcomes import Failed, Refused, WrongUse
from pipeline.proxy import through
from pipeline.record import require_seen

HELP: Final = "tag and publish the commit that was deployed and seen live: staging as beta, master as stable"

BETA: Final = {"staging": True, "master": False}
"""The branches that have releases, and whether these are betas."""

DEADLINE: Final = "3m"

OWN_LINE: Final = "what is released is on the branch's own line, as origin has it"

A_VERSION: Final = "the newest heading of CHANGELOG.md, but for Unreleased, names a version"

TAGGER: Final = {
    "GIT_COMMITTER_NAME": "smallcase pipeline",
    "GIT_COMMITTER_EMAIL": "pipeline@smallcase.invalid",
}
"""Who makes releases. What anybody else tagged is none, and decides no number."""

_TAG: Final = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-beta\.([1-9][0-9]*))?")
_CLASHING: Final = re.compile(r"! \[rejected\] +(\S+) .*\(would clobber existing tag\)")
_HEADING: Final = re.compile(r"^ {0,3}##[ \t]+\[?([^\]\s]+)\]?.*$", re.MULTILINE)


@final
@dataclass(frozen=True, kw_only=True, order=True)
class Version:
    """A version as Semantic Versioning has it, of which only betas and stable ones occur."""

    number: tuple[int, int, int]
    beta: int | None
    """None for a stable version."""

    @classmethod
    def parse(cls, tag: str) -> "Version | None":
        """The version that a tag names; None for a tag of another kind."""
        found = _TAG.fullmatch(tag)
        if not found:
            return None
        major, minor, patch, beta = found.groups()
        return cls(number=(int(major), int(minor), int(patch)), beta=int(beta) if beta else None)

    @property
    def tag(self) -> str:
        plain = "v" + ".".join(map(str, self.number))
        return plain if self.beta is None else f"{plain}-beta.{self.beta}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_branch_argument(parser)
    add_deadline_argument(parser, DEADLINE)


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Release HEAD, which this build has seen live, and publish what an earlier run tagged and did not publish.

    Raises:
        Refused: the tree is dirty, it is a pull request, HEAD is not on the branch's line or was not seen live, or the
            changelog's newest heading names no version.
        Failed: origin or GitHub refuses, or does not answer before the deadline.
        WrongUse: no branch, no clone or a shallow one, no credential.
    """
    deadline = Deadline.after(options.deadline)
    checkout = Checkout.find()
    build = which(options.branch, os.environ, checkout)
    if build.change:
        raise Refused("This is a pull request. The rule: only what is on a branch is released.", "Merge it first.")
    stack = stack_of(build.branch, checkout.root)
    if stack is None:
        print(f"No stack deploys {build.branch}: there is nothing to release.", file=out)
        return
    if build.branch not in BETA:
        print(f"{build.branch} has no releases: there is nothing to do.", file=out)
        return
    github = GitHub.configured(os.environ, deadline)
    checkout.require_clean("a release")
    checkout.require_history()
    origin = _Origin(checkout=checkout, options=github.git_options() if github else (), deadline=deadline)
    origin.fetch()
    line = own_line(checkout, build.branch)
    require_seen(checkout, stack)
    beta = BETA[build.branch]
    there = origin.tags()
    made = tag_head(checkout, line, there, beta=beta, out=out)
    released = _releases(checkout, beta)
    on_line = [version for commit in line for version in released.get(commit, ())]
    origin.push([version for version in on_line if version.tag not in there], made)
    if not made:
        print(f"{line[-1][:12]} has a release already.", file=out)
    if not github:
        print("No repository on GitHub is configured (GITHUB_REPOSITORY): the tags are the releases.", file=out)
        return
    published = github.releases()
    for version in on_line:
        if version.tag not in published:
            github.release(version.tag, notes=_message(checkout, version.tag), beta=version.beta is not None)
            print(f"Published {version.tag} on GitHub.", file=out, flush=True)


def owed(checkout: Checkout, branch: str) -> str:
    """What to know of HEAD, a branch's head, where it should have a release and this clone knows of none; else
    nothing."""
    if branch not in BETA or checkout.head() in _releases(checkout, BETA[branch]):
        return ""
    head = checkout.git("log", "-1", "--format=%h (%s)")
    return f"{head} of {branch} has no release: it was not seen live yet, was not approved, or failed."


def own_line(checkout: Checkout, branch: str) -> list[str]:
    """The commits of a branch that were its head, oldest first, up to HEAD: those merged into it are in a merge.

    Raises:
        Refused: HEAD is not among them.
    """
    head = checkout.head()
    if head not in checkout.commits("--first-parent", checkout.origin(branch)):
        raise Refused(
            f"{head[:12]} is not on {branch}. The rule: {OWN_LINE}.",
            f"Check out what origin has: `git checkout origin/{branch}`.",
        )
    return checkout.commits("--first-parent", "--reverse", head)


def next_version(existing: Iterable[Version], named: str | None, taken: Collection[str], *, beta: bool) -> Version:
    """The version after those that exist: the one that the changelog names, if that is new, else the next patch; and
    after that the first whose name no other tag has."""
    versions = list(existing)
    newest = max((version.number for version in versions if version.beta is None), default=None)
    number = (newest[0], newest[1], newest[2] + 1) if newest else (0, 1, 0)
    wanted = Version.parse(f"v{named}") if named else None
    if wanted and (newest is None or wanted.number > newest):
        number = wanted.number
    while Version(number=number, beta=None).tag in taken:
        number = (number[0], number[1], number[2] + 1)
    if not beta:
        return Version(number=number, beta=None)
    count = max((version.beta or 0 for version in versions if version.number == number), default=0) + 1
    while (version := Version(number=number, beta=count)).tag in taken:
        count += 1
    return version


def sections(changelog: str) -> dict[str, str]:
    """The parts of a changelog by the names in their headings (`Unreleased`, `1.2.0`), newest first."""
    parts = _HEADING.split(changelog)
    names = (name[1:] if Version.parse(name.lower()) else name for name in parts[1::2])
    return {name: text.strip() for name, text in zip(names, parts[2::2], strict=True)}


def named_version(changelog: Mapping[str, str]) -> str | None:
    """The version that the newest heading names; None where there is only `Unreleased`, or nothing.

    Raises:
        Refused: it names something else, which would be passed over in silence.
    """
    name = next((name for name in changelog if name.lower() != "unreleased"), None)
    version = Version.parse(f"v{name}")
    if name is not None and (version is None or version.beta is not None):
        raise Refused(
            f"A heading of CHANGELOG.md begins with {name!r}, which is no version. The rule: {A_VERSION}.",
            "Write it as `## [1.3.0]`, and other headings with ###.",
        )
    return name


def tag_head(
    checkout: Checkout, line: Sequence[str], there: Collection[str], *, beta: bool, out: TextIO
) -> Version | None:
    """Tag the last commit of a line, unless it has a release of this kind."""
    released = _releases(checkout, beta)
    commit = line[-1]
    if commit in released:
        return None
    shown = checkout.run("show", f"{commit}:CHANGELOG.md")
    changelog = sections(shown.stdout if shown.returncode == 0 else "")
    named = named_version(changelog)
    of_all = [version for found in _releases(checkout, True, False).values() for version in found]
    taken = {*there, *checkout.git("tag", "--list").split()} - {version.tag for version in of_all}
    version = next_version(of_all, named, taken, beta=beta)
    if named and f"v{named}" in taken:
        print(f"v{named} is a tag that this pipeline did not make: passed over.", file=out)
    section = changelog.get(version.tag.removeprefix("v").partition("-")[0]) or changelog.get("Unreleased")
    notes = section or checkout.git("log", "-1", "--format=%s", commit)
    # Git's usual clean-up would take the headings of the changelog for comments.
    arguments = ("tag", "--annotate", "--cleanup=whitespace", "--file=-", version.tag, commit)
    text = f"{version.tag}\n\n{notes}\n{_passed_over(checkout, line, released)}"
    ran = checkout.run(*arguments, stdin=text, variables=TAGGER)
    if ran.returncode != 0:
        raise Failed(f"{version.tag} could not be made: {ran.stderr.strip()}", "Mend that and run it again.")
    print(f"Tagged {commit[:12]} as {version.tag}.", file=out, flush=True)
    return version


def _passed_over(checkout: Checkout, line: Sequence[str], released: Collection[str]) -> str:
    """Which commits were the branch's head since the last release and have none. Before the first, nothing was
    delivered by this pipeline."""
    since = next((index for index in range(len(line) - 1, -1, -1) if line[index] in released), len(line))
    commits = line[since + 1 : -1]
    if not commits:
        return ""
    listed = checkout.git("log", "--no-walk=unsorted", "--format=- %h %s", *reversed(commits))
    return f"\n### Never live by themselves\n\n{listed}\n"


@final
@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The remote that releases are for."""

    checkout: Checkout
    options: Sequence[str]
    deadline: Deadline

    def fetch(self) -> None:
        # Not `--quiet`, which hides which tags are refused.
        ran = self._run("fetch", "--tags", "origin")
        clashing = _CLASHING.findall(ran.stderr)
        if clashing:
            raise Failed(
                f"This clone's {', '.join(clashing)} is not what origin has under that name. Nothing was released.",
                f"Give way to origin's: `git tag --delete {' '.join(clashing)}`, and run it again.",
            )
        if ran.returncode != 0:
            raise Failed(
                f"Origin's branches and tags could not be fetched: {self._said(ran)}",
                "Without them a version could be given twice. Mend that and run it again; nothing was released.",
            )

    def tags(self) -> set[str]:
        """The names of its tags."""
        ran = self._run("ls-remote", "--tags", "--refs", "origin")
        if ran.returncode != 0:
            raise Failed(
                f"Origin's tags could not be listed: {self._said(ran)}",
                "Mend that and run it again; nothing was released.",
            )
        return {row.partition("refs/tags/")[2] for row in ran.stdout.splitlines()}

    def push(self, versions: Sequence[Version], made: Version | None) -> None:
        """Push all tags or none; if none, the one just made goes too: the next run starts from what origin has."""
        if not versions:
            return
        references = [f"refs/tags/{version.tag}" for version in versions]
        ran = self._run("push", "--quiet", "--atomic", "origin", *references)
        if ran.returncode != 0:
            if made:
                self.checkout.git("tag", "--delete", made.tag)
            raise Failed(
                f"Origin did not take {', '.join(version.tag for version in versions)}: {self._said(ran)}",
                "Nothing was released. Mend that and run it again: it picks up every commit without a release.",
            )

    def _said(self, ran: subprocess.CompletedProcess[str]) -> str:
        """What Git said, and the proxy that it had to ask, if it did."""
        asked = through(self.checkout.git("remote", "get-url", "origin"))
        return f"{ran.stderr.strip()}{f' (asked{asked})' if asked else ''}"

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        timeout = min(git.TIMEOUT, self.deadline.remaining)
        try:
            return self.checkout.run(*self.options, *arguments, remote=True, timeout=timeout)
        except WrongUse as hung:
            if self.deadline.passed:
                raise Failed(hung.message, f"{hung.way_out} Run it again: it goes on where it was.") from None
            raise


def _releases(checkout: Checkout, *betas: bool) -> Mapping[str, list[Version]]:
    """The releases that the pipeline made, betas or stable ones or both, by their commits: those on origin, and those
    that a run which was cut short made here.

    Each is on the line of a branch that has releases, as origin has it. Who may push could tag anything, also in the
    pipeline's name, before GitHub's rules were there; on these lines is only what was approved.
    """
    heads = checkout.git("for-each-ref", "--format=%(objectname)", *(f"refs/remotes/origin/{name}" for name in BETA))
    lines = set(checkout.commits("--first-parent", *heads.split())) if heads else set[str]()
    found: dict[str, list[Version]] = {}
    # The first is the tagged commit, and empty for a tag that is only a name.
    what = "--format=%(*objectname) %(taggeremail:trim) %(refname:strip=2)"
    for row in checkout.git("for-each-ref", what, "refs/tags/v*").splitlines():
        commit, tagger, tag = row.split(" ", 2)
        version = Version.parse(tag)
        ours = tagger == TAGGER["GIT_COMMITTER_EMAIL"] and commit in lines
        if version and ours and (version.beta is not None) in betas:
            found.setdefault(commit, []).append(version)
    return found


def _message(checkout: Checkout, tag: str) -> str:
    return checkout.git("for-each-ref", "--format=%(contents:body)", f"refs/tags/{tag}").strip()
