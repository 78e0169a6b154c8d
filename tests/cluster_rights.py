"""What Kubernetes answers: a request of a role against the cluster roles and the admission policies of a platform."""

from collections.abc import Mapping
from typing import Final, cast

import celpy
from celpy.adapter import json_to_cel

from tests.graph import Graph

CLUSTER_ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
POLICY: Final = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"

Granted = set[tuple[str, str, str]]
Request = Mapping[str, object]


def granted(graph: Graph, role: str) -> Granted:
    """(API group, resource, verb) that a role has in every namespace."""
    rules = cast("list[dict[str, list[str]]]", graph.one(CLUSTER_ROLE, role).at("rules"))
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def admits(
    graph: Graph,
    role: str,
    operation: str,
    kind: str,
    *,
    namespace: str = "",
    name: str = "one",
    group: str = "apps",
    labels: Mapping[str, str] | None = None,
) -> bool:
    """Whether every admission policy lets a request of a role through that it has the right to make."""
    request = {
        "operation": operation,
        "kind": {"kind": kind},
        "resource": {"group": group},
        "namespace": namespace,
        "name": name,
        "userInfo": {"groups": [f"smallcase:{role}", "system:authenticated"]},
    }
    asked = {"request": request, "object": {"metadata": {"name": name, "labels": labels or {}}}}
    for policy in graph.of(POLICY):
        assert policy.at("spec", "failurePolicy") == "Fail"
        conditions, validations = (policy.at("spec", key) for key in ("matchConditions", "validations"))
        if all(_holds(one, asked) for one in cast("list[dict[str, str]]", conditions)) and not all(
            _holds(one, asked) for one in cast("list[dict[str, str]]", validations)
        ):
            return False
    return True


def _holds(rule: Mapping[str, str], asked: Request) -> bool:
    cel = celpy.Environment()
    activation = {key: json_to_cel(value) for key, value in asked.items()}  # pyright: ignore[reportArgumentType]
    return bool(cel.program(cel.compile(rule["expression"])).evaluate(activation))  # pyright: ignore[reportUnknownMemberType]
