"""Kubernetes objects for the tests, as the API server would show them."""

from collections.abc import Mapping

from rehearsal.load_balancer.ingress import PREFIX
from rehearsal.load_balancer.objects import Json, Key, key
from rehearsal.load_balancer.watch import World

NAMESPACE = "smallcase-blue"
NAME = (NAMESPACE, "smallcase")


def ingress(annotations: Mapping[str, str] | None = None, *, deleted: bool = False, **spec: Json) -> Json:
    """An Ingress of class alb for every path of the Service, with target-type ip unless said otherwise."""
    backend: Json = {"service": {"name": "smallcase", "port": {"number": 80}}}
    rules: Json = [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    return {
        "metadata": {
            "namespace": NAMESPACE,
            "name": "smallcase",
            "uid": "1",
            **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}),
            "annotations": {
                f"{PREFIX}{name}": text for name, text in {"target-type": "ip", **(annotations or {})}.items()
            },
        },
        "spec": {"ingressClassName": "alb", "rules": rules, **spec},
    }


def service(name: str = "smallcase", *, kind: str = "ClusterIP", annotations: Mapping[str, str] | None = None) -> Json:
    """A Service on port 80 (`http`) in front of the pods that have its name as their label `app`."""
    return {
        "metadata": {"namespace": NAMESPACE, "name": name, "annotations": dict(annotations or {})},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"name": "http", "port": 80}]},
    }


def pod(name: str, *, gate: str = "", containers_ready: bool = True, terminating: bool = False) -> Json:
    """A pod of the Service."""
    metadata: dict[str, Json] = {"namespace": NAMESPACE, "name": name, "uid": name, "labels": {"app": "smallcase"}}
    if terminating:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"readinessGates": [{"conditionType": gate}] if gate else []},
        "status": {"conditions": [{"type": "ContainersReady", "status": "True" if containers_ready else "False"}]},
    }


def endpoint_slice(ready: Mapping[str, bool], port: int = 8080) -> Json:
    """An EndpointSlice with pods (and whether they are ready) at 10.0.0.1, 10.0.0.2, …"""
    return {
        "metadata": {
            "namespace": NAMESPACE,
            "name": "smallcase-x",
            "labels": {"kubernetes.io/service-name": "smallcase"},
        },
        "ports": [{"name": "http", "port": port}],
        "endpoints": [
            {
                "addresses": [f"10.0.0.{index}"],
                "conditions": {"ready": is_ready},
                "targetRef": {"kind": "Pod", "name": name},
            }
            for index, (name, is_ready) in enumerate(ready.items(), start=1)
        ],
    }


def binding(name: str, *, arn: str = "arn:other", networking: bool = True, service_name: str = "smallcase") -> Json:
    """A TargetGroupBinding that somebody made by hand."""
    spec: dict[str, Json] = {
        "serviceRef": {"name": service_name, "port": 80},
        "targetGroupARN": arn,
        "targetType": "ip",
    }
    if networking:
        spec["networking"] = {"ingress": [{"from": [{"securityGroup": {"groupID": "sg-1"}}], "ports": [{}]}]}
    return {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}


def world(*, with_class: bool = True, parameters: Json = None, **kinds: list[Json]) -> World:
    """The cluster with these objects; `parameters` are the `spec` of the class's."""
    classes: dict[Key, Json] = {}
    if with_class:
        classes["", "alb"] = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
        if parameters is not None:
            refers: Json = {"kind": "IngressClassParams", "name": "alb"}
            classes["", "alb"] = {
                "metadata": {"name": "alb"},
                "spec": {"controller": "ingress.k8s.aws/alb", "parameters": refers},
            }

    def of(kind: str) -> Mapping[Key, Json]:
        return {key(found): found for found in kinds.get(kind, [])}

    return World(
        classes=classes,
        parameters={("", "alb"): {"metadata": {"name": "alb"}, "spec": parameters}} if parameters else {},
        ingresses=of("ingresses"),
        services=of("services"),
        slices=of("slices"),
        pods=of("pods"),
        bindings=of("bindings"),
    )
