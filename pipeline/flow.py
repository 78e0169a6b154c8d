"""The verb `flow`: may this pull request go where it wants to?

GitHub has no rule for where a pull request comes from, so this is one, behind a required check.
"""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Final, TextIO

from pipeline.branches import FLOW
from pipeline.checkout import Build, Change, Checkout, add_branch_argument, branch_name, which
from pipeline.outcomes import Refused

HELP: Final = "check that a pull request flows develop → staging → master, or back, and brings nothing from elsewhere"

SOURCES: Final = {
    "master": re.compile(r"staging|hotfix/.+"),
    "staging": re.compile(r"develop|master"),
    "develop": re.compile(
        r"staging|master|(feature|bugfix|devfix)[/-].+|revert-.+|(renovate|dependabot)[/_-].+"  # GitHub's, and of bots
    ),
}
"""The branches that each of these takes pull requests from."""

RULES: Final = {
    "master": "master takes pull requests from staging and, where production is broken, from hotfix/… only",
    "staging": "staging takes pull requests from develop, and master back, only",
    "develop": "develop takes pull requests from feature/…, bugfix/… and devfix/…, from revert-…, renovate/… and "
    "dependabot/…, and staging and master back, only",
}
NO_FORKS: Final = "pull requests come from branches of this repository, never from a fork"
NO_OTHERS: Final = "pull requests go into develop, staging or master only"
DEVELOP_FIRST: Final = "what is on staging or master came through develop, and branches start from develop"
FROM_MASTER: Final = "a hotfix starts from master and brings its own commits alone"
HOTFIX_BACK: Final = "a hotfix is merged back into develop before anything is promoted again"
BACK: Final = "a branch is merged back as origin has it"

RUNBOOK: Final = "docs/recovery.md, Production is broken"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_branch_argument(parser)
    parser.add_argument(
        "--target", type=branch_name, metavar="BRANCH", help="check as a pull request of --branch into this one"
    )


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Say that it may, or that there is nothing to check.

    Raises:
        Refused: a rule is against it, which the message quotes.
        WrongUse: the clone lacks a branch that is compared with or is shallow, or nobody says which branch it is.
    """
    checkout = Checkout.find()
    build = which(options.branch, os.environ, checkout)
    if options.target:
        change = Change(source=build.branch, target=options.target, fork=os.environ.get("CHANGE_FORK", ""))
        build = Build(branch=build.branch, change=change)
    if not build.change:
        print(f"{build.branch} is no pull request: there is nothing to check.", file=out)
        return
    check_branches(build.change)
    check_commits(build.change, checkout)
    print(f"{build.change.source} may go into {build.change.target}.", file=out)


def check_branches(change: Change) -> None:
    """Whether these two branches may meet.

    Raises:
        Refused: they may not.
    """
    if change.fork:
        raise _refused(change, NO_FORKS, "Push the branch to this repository and open the pull request from there.")
    rule = RULES.get(change.target)
    if rule is None:
        raise _refused(change, NO_OTHERS, "Choose develop as the target.")
    if not SOURCES[change.target].fullmatch(change.source):
        raise _refused(change, rule, _way(change))


def _way(change: Change) -> str:
    """How what a branch brings gets where it wants to."""
    if change.source.startswith("hotfix/"):
        return "Open it into master. What was merged there goes back: pull requests of master into develop and staging."
    if change.target == "master":
        return (
            "Merge it into develop, and promote that into staging and staging into master. Where production is "
            f"broken, deploy the last image, or push it as hotfix/… if it starts from master ({RUNBOOK})."
        )
    if change.target == "staging":
        return "Open it into develop, and promote that. What reverts goes the same way; a bot is told its target."
    return "Start a branch from develop, named for example feature/…"


def check_commits(change: Change, checkout: Checkout) -> None:
    """Whether HEAD brings only what may come this way.

    Raises:
        Refused: it brings commits that may not, or merges with content of their own, or a hotfix was not merged back.
        WrongUse: the clone lacks a branch or its history.
    """
    checkout.require_history()
    if change.source in FLOW[FLOW.index(change.target) + 1 :]:
        rule, way_out = BACK, f"Check out what origin has: `git checkout origin/{change.source}`."
        foreign = checkout.commits("HEAD", but=[checkout.origin(change.source)])
    elif change.target == "develop":
        rule = DEVELOP_FIRST
        way_out = (
            "Move your own commits: `git rebase --onto origin/develop COMMIT`, COMMIT being the one before your first."
        )
        foreign = _started_elsewhere(checkout)
    elif change.source.startswith("hotfix/"):
        rule = FROM_MASTER
        way_out = "Start it with `git switch --create hotfix/… origin/master`, and `git cherry-pick` the fix alone."
        foreign = _not_of_a_hotfix(checkout)
    else:
        _check_promotion(change, checkout)
        return
    if foreign:
        raise _refused(change, rule, way_out, _brings("it brings", foreign, checkout))


def _started_elsewhere(checkout: Checkout) -> list[str]:
    """Commits of staging or master that HEAD's branch was made from: those it has merged are behind a merge."""
    elsewhere = set(checkout.commits(checkout.origin("staging"), checkout.origin("master")))
    if checkout.head() in elsewhere:  # Nothing of its own: what staging or master has is merged back.
        return []
    line = checkout.commits("--first-parent", "HEAD", but=[checkout.origin("develop")])
    return [commit for commit in line if commit in elsewhere]


def _not_of_a_hotfix(checkout: Checkout) -> list[str]:
    """Commits that HEAD brings to master and that were not made on its branch."""
    brought = checkout.commits("HEAD", but=[checkout.origin("master")])
    line = set(checkout.commits("--first-parent", "HEAD"))
    heads = set(checkout.commits("--first-parent", checkout.origin("develop"), checkout.origin("staging")))
    return [commit for commit in brought if commit not in line or commit in heads]


def _check_promotion(change: Change, checkout: Checkout) -> None:
    develop, target = checkout.origin("develop"), checkout.origin(change.target)
    if change.target == "staging":
        master = checkout.origin("master")
        owed = checkout.commits("--no-merges", master, but=[develop, *_as_on_develop(master, checkout)])
        if owed:
            way_out = "Open a pull request of master into develop, merge it, and promote develop then."
            raise _refused(change, HOTFIX_BACK, way_out, _brings("develop lacks what is on master:", owed, checkout))
    # staging and master have merges of their own, one a pull request; every other commit was on develop before.
    known = [develop, target, *_as_on_develop("HEAD", checkout)]
    foreign = checkout.commits("--no-merges", "HEAD", but=known)
    what = "it brings"
    if not foreign:
        foreign = [merge for merge in checkout.commits("--merges", "HEAD", but=known) if _adds(merge, checkout)]
        what = "it brings merges with content of their own, or with conflicts solved otherwise than on develop:"
    if foreign:
        way_out = (
            f"Merge {change.source} back into develop in a pull request, take out there what should not be, and "
            "promote develop again. Where that conflicts, merge it into a branch bugfix/… that starts from develop."
        )
        raise _refused(change, DEVELOP_FIRST, way_out, _brings(what, foreign, checkout))


def _as_on_develop(revision: str, checkout: Checkout) -> list[str]:
    """The newest commit of a branch's own line that has, to the byte, the files that develop had once.

    Whatever is behind it, commits that develop got as copies for instance, it brings nothing else than develop did.
    """
    listed = ("log", "--first-parent", "--format=%T %H")
    had = {row.partition(" ")[0] for row in checkout.git(*listed, checkout.origin("develop")).splitlines()}
    rows = (row.partition(" ") for row in checkout.git(*listed, revision).splitlines())
    return [commit for tree, _, commit in rows if tree in had][:1]


def _adds(merge: str, checkout: Checkout) -> bool:
    """Whether a merge has content that is not from what it merges."""
    made = checkout.run("merge-tree", "--write-tree", f"{merge}^1", f"{merge}^2")
    # Where there was a conflict, or Git is older than 2.38 and cannot say, what was merged has to be all of it.
    content = made.stdout.strip() if made.returncode == 0 else checkout.git("rev-parse", f"{merge}^2^{{tree}}")
    return checkout.git("rev-parse", f"{merge}^{{tree}}") != content


def _brings(what: str, commits: Sequence[str], checkout: Checkout) -> str:
    named = checkout.git("log", "--no-walk=unsorted", "--format=%h %s", *commits[:5]).splitlines()
    more = [f"and {len(commits) - 5} more"] if len(commits) > 5 else []
    return f"{what} {'; '.join([*named, *more])}"


def _refused(change: Change, rule: str, way_out: str, why: str = "") -> Refused:
    came_from = f"{change.source} of the fork {change.fork}" if change.fork else change.source
    reason = f" ({why})" if why else ""
    return Refused(f"{came_from} must not go into {change.target}{reason}. The rule: {rule}.", way_out)
