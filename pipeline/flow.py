"""The verb `flow`: may this pull request go where it wants to?

GitHub has no rule for where a pull request comes from, so this is one, behind a required check.
"""

import argparse
import os
import re
from typing import Final, TextIO

from pipeline.checkout import Build, Change, Checkout, add_branch_argument, branch_name, which
from pipeline.outcomes import Refused

HELP: Final = "check that a pull request flows develop → staging → master and brings nothing from elsewhere"

SOURCES: Final = {"master": "staging", "staging": "develop"}
"""The only branch that each of these takes pull requests from."""

RULES: Final = {
    "master": "master takes pull requests from staging only",
    "staging": "staging takes pull requests from develop only",
    "develop": "develop takes pull requests from feature/…, bugfix/… and devfix/… only",
}
NO_FORKS: Final = "pull requests come from branches of this repository, never from a fork"
NO_OTHERS: Final = "pull requests go into develop, staging or master only"
DEVELOP_FIRST: Final = "what is on staging or master came through develop, and branches start from develop"

_WORK: Final = re.compile(r"(feature|bugfix|devfix)[/-].+")


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
    fits = change.source == SOURCES[change.target] if change.target in SOURCES else _WORK.fullmatch(change.source)
    if not fits:
        way_out = (
            f"Merge it into {SOURCES[change.target]} first, and open the pull request from there."
            if change.target in SOURCES
            else "Start a branch from develop, named for example feature/…"
        )
        raise _refused(change, rule, way_out)


def check_commits(change: Change, checkout: Checkout) -> None:
    """Whether HEAD brings only what may come this way.

    Raises:
        Refused: it brings commits that never were on develop, or merges with content of their own.
        WrongUse: the clone lacks a branch or its history.
    """
    checkout.require_history()
    develop = checkout.origin("develop")
    what = "it brings"
    if change.target == "develop":
        elsewhere = checkout.commits(checkout.origin("staging"), checkout.origin("master"), f"^{develop}")
        brought = set(checkout.commits("HEAD", f"^{develop}"))
        foreign = [commit for commit in elsewhere if commit in brought]
        way_out = (
            "Move your own commits: `git rebase --onto origin/develop COMMIT`, COMMIT being the one before your first."
        )
    else:
        # staging and master have merges of their own, one a pull request; every other commit was on develop before.
        foreign = checkout.commits("--no-merges", "HEAD", f"^{develop}")
        way_out = "Bring them to develop in a pull request of their own, then promote that."
        if not foreign:
            merges = checkout.commits("--merges", "HEAD", f"^{develop}", f"^{checkout.origin(change.target)}")
            foreign = [merge for merge in merges if _adds(merge, checkout)]
            what = "it brings merges with content of their own, or with conflicts solved otherwise than on develop:"
            way_out = (
                f"Bring that content to develop. Then take {change.source} back to before the first of them, and "
                "promote develop again."
            )
    if foreign:
        named = checkout.git("log", "--no-walk=unsorted", "--format=%h %s", *foreign[:5]).splitlines()
        more = [f"and {len(foreign) - 5} more"] if len(foreign) > 5 else []
        raise _refused(change, DEVELOP_FIRST, way_out, f"{what} {'; '.join([*named, *more])}")


def _adds(merge: str, checkout: Checkout) -> bool:
    """Whether a merge has content that is not from what it merges."""
    made = checkout.run("merge-tree", "--write-tree", f"{merge}^1", f"{merge}^2")
    # Where there was a conflict, or Git is older than 2.38 and cannot say, what was merged has to be all of it.
    content = made.stdout.strip() if made.returncode == 0 else checkout.git("rev-parse", f"{merge}^2^{{tree}}")
    return checkout.git("rev-parse", f"{merge}^{{tree}}") != content


def _refused(change: Change, rule: str, way_out: str, why: str = "") -> Refused:
    came_from = f"{change.source} of the fork {change.fork}" if change.fork else change.source
    reason = f" ({why})" if why else ""
    return Refused(f"{came_from} must not go into {change.target}{reason}. The rule: {rule}.", way_out)
