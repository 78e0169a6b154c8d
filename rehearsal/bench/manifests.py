"""Copies of an environment's Kubernetes objects, for what the program is measured against. Pure functions."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Final, cast

from rehearsal.load_balancer.objects import Json, at, items, strings, text

_WRITTEN_BY_KUBERNETES: Final = frozenset({"clusterIP", "clusterIPs", "internalTrafficPolicy"})

PodSpec = dict[str, object]


def copies(objects: Sequence[Json], namespace: str, *, replicas: int | None = None) -> list[Json]:
    """The same objects for another namespace, without what the cluster itself wrote into them."""
    return [_copy(found, namespace, replicas) for found in objects]


def _copy(found: Json, namespace: str, replicas: int | None) -> Json:
    spec = {name: value for name, value in _mapping(found, "spec").items() if name not in _WRITTEN_BY_KUBERNETES}
    if replicas is not None and "replicas" in spec:
        spec["replicas"] = replicas
    annotations = {
        name: value
        for name, value in strings(found, "metadata", "annotations").items()
        if not name.startswith(("deployment.kubernetes.io/", "kubectl.kubernetes.io/"))
    }
    return cast(
        "Json",
        {
            "apiVersion": text(found, "apiVersion"),
            "kind": text(found, "kind"),
            "metadata": {
                "name": text(found, "metadata", "name"),
                "namespace": namespace,
                "labels": dict(strings(found, "metadata", "labels")),
                "annotations": annotations,
            },
            "spec": spec,
        },
    )


def namespace_object(name: str, labels: dict[str, str]) -> Json:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def with_pods(objects: Sequence[Json], change: Callable[[PodSpec], None]) -> list[Json]:
    """The same objects, with the pod specification of each Deployment changed."""
    changed = copy.deepcopy(list(objects))
    for found in changed:
        spec = at(found, "spec", "template", "spec")
        if isinstance(spec, dict):
            change(cast("PodSpec", spec))
    return changed


def set_image(image: str) -> Callable[[PodSpec], None]:
    """The same pods with another image."""

    def change(pod: PodSpec) -> None:
        for container in _containers(pod):
            container["image"] = image

    return change


def leave_at_once(pod: PodSpec) -> None:
    """Pods as they are written first: they stop when they are told to, without waiting for anybody to notice."""
    pod["terminationGracePeriodSeconds"] = 30
    for container in _containers(pod):
        container.pop("lifecycle", None)


def as_list(objects: Sequence[Json]) -> str:
    """What `kubectl apply -f -` takes."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _containers(pod: PodSpec) -> list[PodSpec]:
    return [cast("PodSpec", container) for container in items(cast("Json", pod), "containers")]


def _mapping(value: Json, *path: str) -> dict[str, Json]:
    found = at(value, *path)
    return copy.deepcopy(found) if isinstance(found, dict) else {}
