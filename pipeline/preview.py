"""The verb `preview`: what would a deployment change?"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

from pipeline import changes, environments, findings
from pipeline.changes import Changes
from pipeline.checkout import in_ci
from pipeline.cluster import Cluster, ClusterUnreachable
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import NO_STACK, Target, add_target_arguments
from pipeline.outcomes import Refused
from pipeline.plan import Plan, place
from pipeline.presence import REFRESH, done_by_hand
from pipeline.progress import under_way
from pipeline.pulumi import explain
from pipeline.report import Report

HELP: Final = "show what a deployment would change, of a pull request that of its target; it builds and changes nothing"

REPORT: Final = "preview.md"

CLIENT_SIDE: Final = (
    "> [!NOTE]\n> Previewed without the right to change anything, so the cluster was not asked what it would make of "
    "this: what its admission rules refuse or add does not show here."
)
UNKNOWN: Final = (
    "> [!NOTE]\n> It is not known whether the cluster was asked what it would make of this ({reason}): what its "
    "admission rules refuse or add may not show here."
)

BY_HAND: Final = (
    "> [!NOTE]\n> Since the last deployment somebody changed the cluster by hand: {what}. This plan brings back what "
    "was deployed."
)

SCANNED: Final = "> [!WARNING]\n> {what}"

BEHIND: Final = (
    "> [!NOTE]\n> This pull request lacks {number} commits of {target}: what they changed shows here as if it were "
    "undone. Merge {target} into it to see what the merge would change."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_deadline_argument(parser, "12m")
    parser.add_argument("--save-plan", type=Path, metavar="FILE", help="save the plan, for `deploy --plan`")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Print the summary, write it to `reports/preview.md`, and the plan where asked to.

    Raises:
        Failed: the program or a provider refuses, or the deadline passed.
        Refused: no agent has rights on it yet; a plan of a pull request, or in CI of a dirty tree; see
            `findings.of_promotion`.
        WrongUse: see `environments.find` and `plan.place`.
    """
    deadline = Deadline.after(options.deadline)
    plan = place(options.save_plan) if options.save_plan else None
    report = Report.begin(REPORT)
    target = environments.find(options, out)
    if not isinstance(target, Target):
        report.write(NO_STACK.format(branch=target.deployed_as, verb="preview"), out)
        return
    with under_way(f"previewing {target.stack}"):
        found = preview(target, deadline, plan)
    notes = (
        SCANNED.format(what=found.scanned) if found.scanned else "",
        BY_HAND.format(what=found.by_hand) if found.by_hand else "",
        _behind(target),
        _note(target),
    )
    report.write(summary(target, found, note="\n\n".join(filter(None, notes))), out)


def preview(target: Target, deadline: Deadline, plan: Path | None = None) -> Changes:
    """What a deployment would change; the plan of it is saved where one is asked for, and then brings back what
    somebody deleted or changed in the cluster.

    Raises:
        Failed: the program or a provider refuses, or the deadline passed.
        Locked: the cluster was changed by hand, and somebody else held the stack's lock until the deadline.
        Refused: no agent has rights on it yet; a plan of a pull request, or in CI of a dirty tree; see
            `findings.of_promotion`.
        WrongUse: a program, a credential or the stack is missing.
    """
    by_hand = scanned = ""
    arguments = ["preview", "--stack", target.stack, "--json"]
    if plan:
        _require_plan_allowed(target)
    target.require_known()
    if plan:
        scanned = findings.of_promotion(target)
        by_hand = _looked_at(target, deadline)
        arguments += ["--save-plan", str(plan)]
    answer = target.pulumi.run(*arguments, deadline=deadline)
    if answer.code != 0:
        raise explain(answer, f"The preview of {target.stack}", changes.errors(answer))
    if plan:
        Plan(stack=target.stack, commit=target.checkout.head()).sign(plan)
    return replace(changes.read(answer), by_hand=by_hand, scanned=scanned)


def _looked_at(target: Target, deadline: Deadline) -> str:
    """What somebody did by hand, in words, once the stack's state has it. A plan that was made with a refresh of its
    own is held against the state before it, and refused (https://github.com/pulumi/pulumi/issues/16670)."""
    by_hand = done_by_hand(target)
    if by_hand:
        answer = target.pulumi.run_locking(target.stack, *REFRESH, deadline=deadline)
        if answer.code != 0:
            raise explain(answer, f"The refresh of {target.stack}")
    return by_hand


def summary(target: Target, found: Changes, *, note: str) -> str:
    """The preview for people, what cannot be undone first, what it cannot show last."""
    environment = f"`{target.stack}` (branch {target.build.deployed_as})"
    lines = [f"## {environment} at `{target.checkout.head()[:12]}`", "", f"{found}.", ""]
    undone = [*found.of("delete"), *found.of("replace")]
    if undone:
        lines += ["> [!WARNING]"]
        lines += [f"> **{changes.WORDS[one.operation]}**: {one.type} `{one.name}`{_because(one)}  " for one in undone]
        lines += [""]
    lines += [f"Image: `{before}` → `{after}`" for before, after in found.images] + [""] * bool(found.images)
    lines += changes.table(found)
    lines += [note]
    return "\n".join(lines).rstrip()


def _because(change: changes.Change) -> str:
    return f", because of {', '.join(change.properties)}" if change.operation == "replace" and change.properties else ""


def _behind(target: Target) -> str:
    """What to know of a pull request whose target has moved on; nothing where this clone does not have the target."""
    if not target.build.change:
        return ""
    branch = f"refs/remotes/origin/{target.build.change.target}"
    if target.checkout.run("rev-parse", "--verify", "--quiet", branch).returncode != 0:
        return ""
    # A merge brings what its commits bring, and those of a promotion never come back.
    lacking = target.checkout.commits("--no-merges", branch, but=["HEAD"])
    return BEHIND.format(number=len(lacking), target=target.build.change.target) if lacking else ""


def _note(target: Target) -> str:
    """What to know of the preview; nothing where the `kubernetes` provider could ask the cluster. Where it could not,
    it goes by its own reckoning, in silence
    (https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/provider/provider.go, `Create`)."""
    try:
        return "" if Cluster.of(target).may_change() else CLIENT_SIDE
    except ClusterUnreachable as unreachable:
        return UNKNOWN.format(reason=unreachable)


def _require_plan_allowed(target: Target) -> None:
    if target.build.change:
        raise Refused(
            "A pull request makes no plan. The rule: a branch's commit is deployed, and the merge will be another one.",
            "Leave --save-plan out.",
        )
    if in_ci(os.environ):
        target.checkout.require_clean("a plan")
