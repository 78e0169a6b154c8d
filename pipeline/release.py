"""The verb `release`: every commit of staging has a beta release, every commit of master a stable one.

A release is an annotated tag with its part of the changelog and, where a repository on GitHub is configured, a release
there. Nothing is done twice, so a run that was cut short is mended by the next.
"""

import argparse
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO, final

from pipeline.branches import stack_of
from pipeline.checkout import Checkout, add_branch_argument, which
from pipeline.github import GitHub
from pipeline.outcomes import Failed, Refused
from pipeline.proxy import through

HELP: Final = "tag and publish what has no release yet: staging as beta, master as stable"

BETA: Final = {"staging": True, "master": False}
"""The branches that have releases, and whether these are betas."""

OWN_LINE: Final = "what is released is on the branch's own line, as origin has it"

TAGGER: Final = {
    "GIT_COMMITTER_NAME": "smallcase pipeline",
    "GIT_COMMITTER_EMAIL": "pipeline@smallcase.invalid",
}

_TAG: Final = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-beta\.([1-9][0-9]*))?")
_CLASHING: Final = re.compile(r"! \[rejected\] +(\S+) .*\(would clobber existing tag\)")
_HEADING: Final = re.compile(r"^## +\[?([^\]\s]+)\]?.*$", re.MULTILINE)


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


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Release every commit of the branch's own line, up to HEAD, that has no release yet.

    Raises:
        Refused: the tree is dirty, it is a pull request, or HEAD is not on the branch's line.
        Failed: origin or GitHub refuses.
        WrongUse: no branch, no clone or a shallow one, no credential.
    """
    checkout = Checkout.find()
    build = which(options.branch, os.environ, checkout)
    if build.change:
        raise Refused("This is a pull request. The rule: only what is on a branch is released.", "Merge it first.")
    if stack_of(build.branch, checkout.root) is None:
        print(f"No stack deploys {build.branch}: there is nothing to release.", file=out)
        return
    if build.branch not in BETA:
        print(f"{build.branch} has no releases: there is nothing to do.", file=out)
        return
    checkout.require_clean("a release")
    checkout.require_history()
    github = GitHub.configured(os.environ)
    origin = _Origin(checkout=checkout, options=github.git_options() if github else ())
    origin.fetch()
    line = own_line(checkout, build.branch)
    beta = BETA[build.branch]
    there = origin.tags()
    made = tag_line(checkout, line, there, beta=beta, out=out)
    tagged = _versions(checkout, there)
    on_line = [version for commit in line for version in tagged.get(commit, ()) if _is(version, beta=beta)]
    origin.push([version for version in on_line if version.tag not in there], made)
    if not made:
        print(f"Every commit of {build.branch} has a release already.", file=out)
    if not github:
        print("No repository on GitHub is configured (GITHUB_REPOSITORY): the tags are the releases.", file=out)
        return
    published = github.releases()
    for version in on_line:
        if version.tag not in published:
            github.release(version.tag, notes=_message(checkout, version.tag), beta=version.beta is not None)
            print(f"Published {version.tag} on GitHub.", file=out, flush=True)


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


def unreleased(line: Sequence[str], released: Iterable[str]) -> list[str]:
    """The commits of a line to release, oldest first: those since the first that was, or, if none was, the newest.

    What came before the first release was never delivered by this pipeline.
    """
    done = set(released)
    first = next((index for index, commit in enumerate(line) if commit in done), len(line) - 1)
    return [commit for commit in line[first:] if commit not in done]


def next_version(existing: Iterable[Version], named: str | None, *, beta: bool) -> Version:
    """The version after those that exist: the one that the changelog names, if that is new, else the next patch."""
    versions = list(existing)
    newest = max((version.number for version in versions if version.beta is None), default=None)
    number = (newest[0], newest[1], newest[2] + 1) if newest else (0, 1, 0)
    wanted = Version.parse(f"v{named}") if named else None
    if wanted and wanted.beta is None and (newest is None or wanted.number > newest):
        number = wanted.number
    betas = [version.beta or 0 for version in versions if version.number == number]
    return Version(number=number, beta=max(betas, default=0) + 1 if beta else None)


def sections(changelog: str) -> dict[str, str]:
    """The parts of a changelog by the names in their headings (`Unreleased`, `1.2.0`), newest first."""
    parts = _HEADING.split(changelog)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def tag_line(
    checkout: Checkout, line: Sequence[str], there: Collection[str], *, beta: bool, out: TextIO
) -> list[Version]:
    """Tag, oldest first, what has no release of this kind yet."""
    tagged = _versions(checkout, there)
    existing = [version for versions in tagged.values() for version in versions]
    released = [commit for commit, versions in tagged.items() if any(_is(version, beta=beta) for version in versions)]
    made: list[Version] = []
    for commit in unreleased(line, released):
        shown = checkout.run("show", f"{commit}:CHANGELOG.md")
        changelog = sections(shown.stdout if shown.returncode == 0 else "")
        named = next((name for name in changelog if Version.parse(f"v{name}")), None)
        version = next_version([*existing, *made], named, beta=beta)
        section = changelog.get(version.tag.removeprefix("v").partition("-")[0]) or changelog.get("Unreleased")
        notes = section or checkout.git("log", "-1", "--format=%s", commit)
        # Git's usual clean-up would take the headings of the changelog for comments.
        arguments = ("tag", "--annotate", "--cleanup=whitespace", "--file=-", version.tag, commit)
        ran = checkout.run(*arguments, stdin=f"{version.tag}\n\n{notes}\n", variables=TAGGER)
        if ran.returncode != 0:
            raise Failed(f"{version.tag} could not be made: {ran.stderr.strip()}", "Mend that and run it again.")
        made.append(version)
        print(f"Tagged {commit[:12]} as {version.tag}.", file=out, flush=True)
    return made


@final
@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The remote that releases are for."""

    checkout: Checkout
    options: Sequence[str]

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

    def push(self, versions: Sequence[Version], made: Sequence[Version]) -> None:
        """Push all tags or none; if none, those just made go too, so that the next run starts from what origin has."""
        if not versions:
            return
        references = [f"refs/tags/{version.tag}" for version in versions]
        ran = self._run("push", "--quiet", "--atomic", "origin", *references)
        if ran.returncode != 0:
            if made:
                self.checkout.git("tag", "--delete", *(version.tag for version in made))
            raise Failed(
                f"Origin did not take {', '.join(version.tag for version in made or versions)}: {self._said(ran)}",
                "Nothing was released. Mend that and run it again: it picks up every commit without a release.",
            )

    def _said(self, ran: subprocess.CompletedProcess[str]) -> str:
        """What Git said, and the proxy that it had to ask, if it did."""
        asked = through(self.checkout.git("remote", "get-url", "origin"))
        return f"{ran.stderr.strip()}{f' (asked{asked})' if asked else ''}"

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.checkout.run(*self.options, *arguments, remote=True)


def _versions(checkout: Checkout, there: Collection[str]) -> Mapping[str, list[Version]]:
    """The versions of each commit that has one: those that are there on origin, and those made here by a run that was
    cut short. Other tags of this clone are no releases."""
    found: dict[str, list[Version]] = {}
    # The first of the two is the tagged commit of an annotated tag, and empty for a tag that is only a name.
    listed = checkout.git(
        "for-each-ref", "--format=%(*objectname) %(objectname) %(taggeremail:trim) %(refname:strip=2)", "refs/tags/v*"
    )
    for row in listed.splitlines():
        peeled, direct, tagger, tag = row.split(" ", 3)
        version = Version.parse(tag)
        if version and (tag in there or tagger == TAGGER["GIT_COMMITTER_EMAIL"]):
            found.setdefault(peeled or direct, []).append(version)
    return found


def _is(version: Version, *, beta: bool) -> bool:
    return (version.beta is not None) == beta


def _message(checkout: Checkout, tag: str) -> str:
    return checkout.git("for-each-ref", "--format=%(contents:body)", f"refs/tags/{tag}").strip()
