"""Taking a platform down, with everything on it, in the one order that leaves nothing behind.

Load balancers are made and removed by a controller that lives in the platform. Destroyed together with it, an Ingress
hangs on its finalizer, and its load balancer stays and is paid for
(https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2014).
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, cast, final

from operations.refusal import RefusedError
from operations.stacks import Pulumi, Stack, find

KINDS: Final = ("ingresses.networking.k8s.io", "targetgroupbindings.elbv2.k8s.aws")
"""What hangs on the ingress controller."""
REPOSITORY: Final = "aws:ecr/repository:Repository"
IMAGE: Final = "docker-build:index:Image"


class Cluster(Protocol):
    """What is asked of a cluster."""

    def names(self, kubeconfig: str, kind: str) -> Sequence[str]:
        """Namespace and name of every object of a kind."""
        ...


@final
class Kubectl:
    """The `kubectl` on PATH."""

    def names(self, kubeconfig: str, kind: str) -> Sequence[str]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "kubeconfig"
            path.write_text(kubeconfig)
            command = ["kubectl", "--kubeconfig", str(path), "get", kind, "--all-namespaces", "--output", "json"]
            try:
                answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            except FileNotFoundError:
                raise RefusedError(
                    "`kubectl` is not on PATH, so nobody can say whether the cluster is empty."
                ) from None
        if answer.returncode != 0:
            if "the server doesn't have a resource type" in answer.stderr:
                return []
            raise RefusedError(
                f"The cluster does not say whether it is empty: {answer.stderr.strip()}. Where it cannot be reached "
                "any more, docs/recovery.md says what to do."
            )
        items = cast("list[dict[str, dict[str, str]]]", json.loads(answer.stdout)["items"])
        return [f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in items]


def order(platform: str, stacks: Sequence[Stack]) -> list[str]:
    """The stacks to destroy, last of all the one that owns the platform.

    Raises:
        RefusedError: there is no such stack, or it owns no platform.
    """
    owner = find(platform, stacks)
    if not owner.owns_platform:
        raise RefusedError(
            f"{platform!r} owns no platform, it runs on that of {owner.platform!r}. To take down the environment "
            f"alone: `pulumi destroy -s {platform}`."
        )
    return [*(stack.name for stack in stacks if stack.platform == platform and stack != owner), platform]


def teardown(platform: str, stacks: Sequence[Stack], pulumi: Pulumi, cluster: Cluster) -> None:
    """Destroy every environment on a platform, see that nothing hangs on its controller, then destroy the platform.

    Raises:
        RefusedError: a step failed, or something is left that the platform is needed for. What was destroyed stays so;
            the rest is as it was, and the verb may be run again.
    """
    *environments, owner = order(platform, stacks)
    for stack in filter(pulumi.exists, environments):
        _destroy(stack, pulumi)
    if not pulumi.exists(owner):
        return
    own = {f"{pulumi.outputs(owner).get('namespace', '')}/"}
    _require_nothing_hangs(owner, pulumi, cluster, own)
    pulumi.run("state", "unprotect", "--all", "--stack", owner, "--yes")
    _destroy(owner, pulumi)


def _destroy(stack: str, pulumi: Pulumi) -> None:
    pulumi.run("destroy", "--stack", stack, "--yes", "--skip-preview")
    # Stopped from elsewhere, `destroy` says that it has succeeded.
    if left := len(pulumi.resources(stack)):
        raise RefusedError(f"{stack!r} was not destroyed to the end: {left} resources are left. Run this again.")


def _require_nothing_hangs(owner: str, pulumi: Pulumi, cluster: Cluster, own: set[str]) -> None:
    """What of these kinds is not of the owner's own environment was made by hand, or by a stack not declared here."""
    contract = pulumi.outputs(owner).get("platform")
    if not isinstance(contract, dict):
        return
    kubeconfig = str(cast("dict[str, object]", contract)["kubeconfig"])
    hanging = [
        f"{kind.partition('.')[0]} {name}"
        for kind in KINDS
        for name in cluster.names(kubeconfig, kind)
        if not any(len(prefix) > 1 and name.startswith(prefix) for prefix in own)
    ]
    if hanging:
        raise RefusedError(
            f"The platform of {owner!r} stays: {', '.join(hanging)} still hang on its ingress controller, and their "
            "load balancers would stay behind. Destroy the stacks they belong to, or delete them with kubectl, and run "
            "this again."
        )
