"""The verb `deploy`: build the image, push it, replace the pods, exactly as planned, and see that they are there."""

import argparse
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from infra.labels import APPLICATION
from pipeline import environments, findings, record
from pipeline.checkout import in_ci
from pipeline.cluster import Cluster, ClusterUnreachable
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import NO_STACK, Target, add_target_arguments
from pipeline.outcomes import Failed, Refused, Stopped
from pipeline.plan import ONLY_WHAT_WAS_SHOWN, Plan
from pipeline.presence import LOOK_FIRST, done_by_hand, look
from pipeline.pulumi import Answer, explain

HELP: Final = "build the image, push it and replace the pods, exactly as a plan says; what ran before serves until then"

_NOT_PLANNED: Final = re.compile(r"violates plan|not allowed by the plan")
_ROLLOUT: Final = re.compile(r"kubernetes:apps/v1:Deployment \S+ (creat|updat|replac)")
_NO_PROGRESS: Final = "ProgressDeadlineExceeded"
"""What Kubernetes says of a Deployment whose new pods do not get ready in time: the old ones stay."""

_SERVES: Final = "The previous version serves."

PATIENCE: Final = 150.0
"""Seconds that pods have to be available once Pulumi is done. After a rollout they are; one that is being moved has as
long as a new one."""
ASKED_AGAIN: Final = 10.0
"""Seconds within which a cluster that does not answer is asked again."""
PAUSE: Final = 2.0
"""Seconds between two looks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_deadline_argument(parser, "35m")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="what `preview --save-plan` saved at this commit")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Deploy the branch's commit.

    Raises:
        Failed: the image, the pods or a provider failed, or the deadline passed; it says which version serves.
        Locked: somebody else held the stack's lock until the deadline.
        Refused: a rule is against it, or against what it put there, which the message quotes.
        WrongUse: the plan is missing, or see `environments.find`.
    """
    deadline = Deadline.after(options.deadline)
    target = environments.find(options, out)
    if not isinstance(target, Target):
        print(NO_STACK.format(branch=target.deployed_as, verb="deploy"), file=out)
        return
    record.forget(target.checkout)
    before = deploy(target, options.plan, deadline)
    print(f"{target.build.branch} is deployed to {target.stack}.", file=out, flush=True)
    findings.of_deployment(target, before, out)
    record.deployed(target.checkout, target.stack)


def deploy(target: Target, plan: Path | None, deadline: Deadline) -> str:
    """Do what the plan says, and nothing else; the image that ran before.

    Raises:
        Failed: the image, the pods or a provider failed, or the deadline passed; it says which version serves.
        Locked: somebody else held the stack's lock until the deadline.
        Refused: a rule is against it, which the message quotes.
        WrongUse: the plan, a program, a credential or the stack is missing.
    """
    _require_allowed(target)
    if plan is None:
        raise Refused(f"No plan is given. {ONLY_WHAT_WAS_SHOWN}", "Make one with `preview --save-plan FILE`.")
    plan = plan.resolve()
    Plan(stack=target.stack, commit=target.checkout.head()).check(plan)
    # Before anything runs: what went wrong later must not be hidden by a setting that is refused.
    namespace = target.declared.environment.namespace
    before = target.image_of(target.stack)
    if by_hand := done_by_hand(target):
        raise Failed(
            f"Since the plan was made, somebody changed {target.stack} by hand: {by_hand}. Nothing was deployed.",
            _way_back(target),
        )
    try:
        answer = target.pulumi.run_locking(
            target.stack,
            *("up", "--plan", str(plan), "--yes", "--skip-preview", "--suppress-progress"),
            deadline=deadline,
        )
    except Failed as failed:
        raise Failed(f"{failed.message}\n{_troubles(target)}\n{_may_finish(namespace)}", failed.way_out) from None
    except KeyboardInterrupt:
        with suppress(OSError):  # An interrupt is one even where nobody reads on.
            print(_may_finish(namespace), file=target.pulumi.out, flush=True)
        raise
    if answer.code != 0:
        raise _failure(explain(answer, f"The deployment of {target.stack}"), answer, target, namespace)
    require_presence(target, deadline)
    return before


def _require_allowed(target: Target) -> None:
    if target.build.change:
        raise Refused(
            "This is a pull request. The rule: only what is on a branch is deployed.",
            "Merge it: its target is then deployed by itself.",
        )
    if target.declared.owns_platform:
        raise Refused(
            f"The stack {target.stack!r} owns the platform, and Jenkins runs on it. "
            "The rule: Jenkins never deploys the stack it runs on, or it would replace itself half-way.",
            f"A person brings it up from a laptop: `pulumi up --stack {target.stack}`.",
        )
    if in_ci(os.environ):
        target.checkout.require_clean("a deployment")


def require_presence(target: Target, deadline: Deadline) -> None:
    """Whatever the engine believes: everything is there, and every pod runs what was deployed.

    Raises:
        Failed: it does not, or nobody can tell.
    """
    patience, asking = (Deadline.after(min(most, deadline.remaining)) for most in (PATIENCE, ASKED_AGAIN))
    while True:
        try:
            found = look(target)
        except ClusterUnreachable as silent:
            if asking.passed:
                raise Failed(
                    f"Pulumi did what was planned. Whether {target.stack} runs cannot be told: {silent}.",
                    "Once `kubectl get namespaces` answers, run the build again.",
                ) from None
        else:
            if found.by_hand:
                raise Failed(f"{target.stack} is not what was deployed: {found.by_hand}.", _way_back(target))
            if not found.unready:
                return
            if patience.passed:
                raise Failed(
                    f"{target.stack} does not run as it was deployed: {found.unready}.\n{_troubles(target)}",
                    "Mend it and push again. The release before is deployed as docs/recovery.md says.",
                )
        if target.pulumi.stopped.wait(PAUSE):
            raise KeyboardInterrupt


def _way_back(target: Target) -> str:
    return (
        "Run the build again: its plan brings back what was deployed. From a laptop, "
        f"`pulumi up --stack {target.stack} {' '.join(LOOK_FIRST)}` does."
    )


def _failure(explained: Stopped, answer: Answer, target: Target, namespace: str) -> Stopped:
    if not isinstance(explained, Failed):
        return explained
    ended = not _ROLLOUT.search(answer.said) or _NO_PROGRESS in answer.said
    serves = _SERVES if ended else _may_finish(namespace)
    if _NOT_PLANNED.search(explained.message):
        return Failed(
            f"{explained.message}\n{serves}",
            "Something changed since the plan was made. Run the build again, which makes a new one.",
        )
    return Failed(
        f"{explained.message}\n{_troubles(target)}",
        f"{serves} Mend it and push again: the next run goes on from what was recorded.",
    )


def _may_finish(namespace: str) -> str:
    """What can be said where Pulumi no longer waits for the pods: Kubernetes goes on with what it was told."""
    return (
        "The previous version served when last seen; the rollout may still finish: "
        f"`kubectl rollout status deployment/{APPLICATION} --namespace {namespace}`."
    )


def _troubles(target: Target) -> str:
    """What the cluster says of the pods, whatever it is: it must not hide what failed."""
    try:
        return Cluster.of(target).troubles()
    except (ClusterUnreachable, Stopped) as silent:
        return f"(The pods could not be asked: {silent})"
