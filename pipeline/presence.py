"""Whether an environment is there: the engine knows what it did itself, so the cluster is asked.

What somebody deleted or changed by hand shows in no plan, and no deployment mends it, unless the engine looks first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast, final

from infra.labels import APPLICATION
from pipeline.cluster import Cluster, ClusterUnreachable, Object, at
from pipeline.environments import Target

LOOK_FIRST: Final = ("--refresh", "--run-program")
"""What has the engine look before it plans or does anything, with the credentials that the program gives its providers
now; otherwise it looks with those of the last deployment."""

REFRESH: Final = ("refresh", "--run-program", "--yes", "--skip-preview", "--suppress-progress")
"""Has it look and write down what it finds, so that a plan that is made next brings back what is gone."""

_DEPLOYMENT: Final = f"deployment/{APPLICATION}"


@final
@dataclass(frozen=True, kw_only=True)
class Presence:
    """What the cluster has of an environment."""

    missing: tuple[str, ...] = ()
    """What the stack's state lists and the cluster has not, or is deleting: `service/smallcase`."""
    changed: tuple[str, ...] = ()
    """What the Deployment is told to do instead, in words."""
    unready: str = ""
    """Which pods are still to come, in words; empty where all of them are available."""

    @property
    def by_hand(self) -> str:
        """What somebody else than the engine did, in words; empty where nobody did anything."""
        gone = [f"{', '.join(self.missing)} {'is' if len(self.missing) == 1 else 'are'} gone"] if self.missing else []
        return "; ".join([*gone, *self.changed])


def look(target: Target) -> Presence:
    """Look in the cluster for everything that the stack's state lists there.

    Raises:
        ClusterUnreachable: nobody could be asked.
        WrongUse: there is no such stack, or a credential or the CLI is missing.
        Failed: the state cannot be read.
    """
    namespace, declared = listed(target.pulumi.resources(target.stack))
    if not declared:
        return Presence()
    return compare(declared, Cluster.on(target.pulumi, target.declared.platform, namespace).get(*declared))


def done_by_hand(target: Target) -> str:
    """What somebody deleted or changed in the cluster since it was deployed, in words; empty where nobody did, and
    where nobody can tell.

    Raises:
        WrongUse: there is no such stack, or a credential or the CLI is missing.
        Failed: the state cannot be read.
    """
    try:
        return look(target).by_hand
    except ClusterUnreachable:
        return ""


def listed(resources: Sequence[Object]) -> tuple[str, Mapping[str, Object]]:
    """The namespace of an environment, and what its stack's state lists there: the inputs of each object, by kind and
    name as kubectl takes them."""
    namespace = ""
    declared: dict[str, Object] = {}
    for resource in resources:
        kind = str(resource["type"])
        if not kind.startswith("kubernetes:") or resource.get("delete"):
            continue
        within, _, name = str(resource.get("id")).rpartition("/")
        namespace = within or namespace
        declared[f"{kind.rpartition(':')[2].lower()}/{name}"] = cast("Object", resource.get("inputs") or {})
    return namespace, declared


def compare(declared: Mapping[str, Object], live: Mapping[str, Object]) -> Presence:
    """What is there, of what was declared."""
    missing = tuple(
        name for name in declared if name not in live or at(live[name], "metadata", "deletionTimestamp") is not None
    )
    if _DEPLOYMENT not in declared or _DEPLOYMENT in missing:
        return Presence(missing=missing)
    running = live[_DEPLOYMENT]
    changed = tuple(f"{_DEPLOYMENT} {difference}" for difference in _differences(declared[_DEPLOYMENT], running))
    return Presence(missing=missing, changed=changed, unready=_unready(running))


def _differences(declared: Object, running: Object) -> Iterator[str]:
    image, other = (_image(one) for one in (declared, running))
    if image.rpartition("@")[2] != other.rpartition("@")[2]:
        yield f"runs {other}, not {image}"
    replicas, others = (_number(one, "spec", "replicas") for one in (declared, running))
    if replicas != others:
        yield f"has {others} replicas, not {replicas}"


def _unready(running: Object) -> str:
    """As `kubectl rollout status` reckons it
    (https://github.com/kubernetes/kubectl/blob/v0.35.8/pkg/polymorphichelpers/rollout_status.go)."""
    wanted = _number(running, "spec", "replicas")
    updated, all_, available = (
        _number(running, "status", which) for which in ("updatedReplicas", "replicas", "availableReplicas")
    )
    if _number(running, "status", "observedGeneration") < _number(running, "metadata", "generation"):
        return "a rollout has just begun"
    if updated == all_ == available == wanted:
        return ""
    old = f", and {all_ - updated} of an older version are there" if all_ > updated else ""
    return f"{min(available, updated)} of {wanted} pods are available{old}"


def _image(deployment: Object) -> str:
    containers = cast("Sequence[Mapping[str, str]]", at(deployment, "spec", "template", "spec", "containers") or ())
    return next((one.get("image", "") for one in containers if one.get("name") == APPLICATION), "")


def _number(value: Object, *path: str) -> int:
    found = at(value, *path)
    return int(found) if isinstance(found, int | float) else 0
