"""The verb `teardown`: take a platform down, with everything on it, in the one order that leaves nothing behind.

Load balancers are made and removed by a controller that lives in the platform. Destroyed together with it, an Ingress
hangs on its finalizer, and its load balancer stays and is paid for
(https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2014).
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from infra.annotations import PROTECTED, RELEASED
from infra.labels import APPLICATION
from pipeline.branches import Stack, require_owner, stacks
from pipeline.checkout import Checkout
from pipeline.cluster import Cluster, ClusterUnreachable, annotations
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.outcomes import Failed, Refused
from pipeline.pulumi import Pulumi, add_project_argument, explain, project_directory
from pipeline.roles import in_role, role_of

HELP: Final = "destroy every environment on a platform, then the platform: for a person, never for Jenkins"

KINDS: Final = ("ingresses.networking.k8s.io", "targetgroupbindings.elbv2.k8s.aws")
"""What hangs on the ingress controller."""
INGRESS: Final = f"ingress/{APPLICATION}"

_LEFT: Final = "What was destroyed stays so, the rest is as it was. Mend that and run it again: it goes on from there."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("platform", help="the stack that owns it")
    parser.add_argument("--really", metavar="PLATFORM", required=True, help="the same name again: nothing asks later")
    add_project_argument(parser)
    add_deadline_argument(parser, "2h")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Destroy every environment on a platform, see that nothing hangs on its controller, then destroy the platform.

    Raises:
        Refused: the name is not said twice, it owns no platform, a checkpoint starts more than this program's
            providers, or something is left that the platform is needed for.
        Failed: a step failed, or the deadline passed. The verb may be run again.
        Locked: somebody else held a stack's lock until the deadline.
        WrongUse: there is no such stack, or a program or credential is missing.
    """
    deadline = Deadline.after(options.deadline)
    if options.really != options.platform:
        raise Refused(
            f"--really says {options.really!r}, the platform is {options.platform!r}. "
            "The rule: what cannot be undone is named twice. Nothing is done.",
            f"Say `--really {options.platform}` if that is what you mean.",
        )
    directory = project_directory(options.project, os.environ, Checkout.find().root)
    pulumi = Pulumi(project=directory, environment=dict(os.environ), out=out)
    *environments, owner = order(options.platform, stacks(directory))
    there = pulumi.stacks()
    # Before the first is destroyed, and with no role taken that a foreign checkpoint names.
    for stack in (stack for stack in (*environments, owner) if stack in there):
        pulumi.require_own_checkpoint(stack)
    platform = pulumi.outputs(owner) if owner in there else {}
    for stack in (stack for stack in environments if stack in there):
        role = role_of(stack, platform)
        acting = in_role(pulumi, role) if role else pulumi
        _release(stack, owner, acting, deadline)
        _destroy(stack, acting, deadline)
    if owner not in there:
        print(f"There is no stack {owner!r} to destroy.", file=out)
        return
    _require_nothing_hangs(owner, pulumi)
    _release(owner, owner, pulumi, deadline)
    _destroy(owner, pulumi, deadline)


def order(platform: str, declared: Mapping[str, Stack]) -> list[str]:
    """The stacks to destroy, last of all the one that owns the platform.

    Raises:
        WrongUse: there is no such stack.
        Refused: it owns no platform.
    """
    require_owner(platform, declared, f"To take down the environment alone: `pulumi destroy -s {platform}`.")
    on_it = sorted(name for name, stack in declared.items() if stack.platform == platform)
    return [*(stack for stack in on_it if stack != platform), platform]


def hanging(found: Sequence[str], namespace: str) -> list[str]:
    """What is not of the owner's own environment, and so was made by hand, or by a stack that is not declared here.

    Parameters:
        found: kind, namespace and name of objects, as `ingresses shop/basket`.
        namespace: the owner's own environment's; empty where it has none.
    """
    return [one for one in found if not namespace or not one.partition(" ")[2].startswith(f"{namespace}/")]


def _release(stack: str, owner: str, pulumi: Pulumi, deadline: Deadline) -> None:
    """Lift what protects a stack: in its state, and of its load balancer, which the controller would not delete."""
    namespace = str(pulumi.outputs(stack).get("namespace") or "")
    if namespace:
        try:
            cluster = Cluster.on(pulumi, owner, namespace)
            if any(PROTECTED.items() <= annotations(found).items() for found in cluster.get(INGRESS).values()):
                cluster.annotate(INGRESS, RELEASED)
        except ClusterUnreachable as silent:
            raise Refused(
                f"{stack} stays: the cluster does not let go of its load balancer ({silent}). "
                "The rule: a load balancer goes before the controller that removes it.",
                "Where it cannot be reached any more, docs/recovery.md says what to do.",
            ) from None
    answer = pulumi.run("state", "unprotect", "--all", "--stack", stack, "--yes", deadline=deadline, show=True)
    if answer.code != 0:
        raise explain(answer, f"Lifting the protection of {stack}")


def _destroy(stack: str, pulumi: Pulumi, deadline: Deadline) -> None:
    arguments = ("destroy", "--yes", "--skip-preview", "--suppress-progress")
    answer = pulumi.run_locking(stack, *arguments, deadline=deadline)
    if answer.code != 0:
        stopped = explain(answer, f"The destruction of {stack}")
        raise Failed(stopped.message, _LEFT) if isinstance(stopped, Failed) else stopped
    # Stopped by somebody else, `destroy` says that it has succeeded.
    if left := len(pulumi.resources(stack)):
        raise Failed(f"{stack} was not destroyed to the end: {left} resources are left.", _LEFT)


def _require_nothing_hangs(owner: str, pulumi: Pulumi) -> None:
    outputs = pulumi.outputs(owner)
    if "platform" not in outputs:
        return  # It never came as far as having a cluster.
    try:
        cluster = Cluster.on(pulumi, owner, namespace="default")
        found = [f"{kind.partition('.')[0]} {name}" for kind in KINDS for name in cluster.everywhere(kind)]
    except ClusterUnreachable as silent:
        raise Refused(
            f"The platform of {owner!r} stays: the cluster does not say whether it is empty ({silent}). "
            "The rule: environments go before their platform.",
            "Where it cannot be reached any more, docs/recovery.md says what to do.",
        ) from None
    left = hanging(found, str(outputs.get("namespace") or ""))
    if left:
        raise Refused(
            f"The platform of {owner!r} stays: {', '.join(left)} still hang on its ingress controller, and their load "
            "balancers would stay behind. The rule: environments go before their platform.",
            "Destroy the stacks they belong to, or delete them with kubectl, and run this again.",
        )
