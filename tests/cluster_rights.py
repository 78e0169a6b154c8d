"""What Kubernetes answers: a request of a role against the cluster roles and the admission policies of a platform."""

from collections.abc import Mapping
from typing import Final, cast

import celpy
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from tests.graph import Graph

CLUSTER_ROLE: Final = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
POLICY: Final = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"

ORDINARY: Final[Mapping[str, Mapping[str, object]]] = {
    "Namespace": {
        "metadata": {
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            }
        }
    },
    "Service": {"spec": {"type": "ClusterIP"}},
    "Ingress": {"spec": {"ingressClassName": "alb"}},
    "Deployment": {"spec": {"template": {"spec": {"automountServiceAccountToken": False, "containers": []}}}},
}
"""The least that is let in, by kind."""

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
    content: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    part: str = "",
) -> bool:
    """Whether every admission policy lets a request of a role through that it has the right to make.

    Parameters:
        content: of the object, as the API server has filled its defaults in; one that an environment may have by
            default.
        before: that of the object that is updated or deleted; one that an environment may have by default.
        part: a subresource.
    """
    request = {
        "operation": operation,
        "kind": {"kind": kind},
        "resource": {"group": group, "resource": plural(kind)},
        "namespace": namespace,
        "name": name,
        "userInfo": {"groups": [f"smallcase:{role}", "system:authenticated"]},
        # What is empty is not there.
        **({"subResource": part} if part else {}),
    }
    made = {"metadata": {"name": name}, **(ORDINARY.get(kind, {}) if content is None else content)}
    old = {"metadata": {"name": name}, **(ORDINARY.get(kind, {}) if before is None else before)}
    asked = {
        "request": request,
        "object": None if operation == "DELETE" else made,
        "oldObject": None if operation == "CREATE" else old,
    }
    for policy in graph.of(POLICY):
        assert policy.at("spec", "failurePolicy") == "Fail"
        conditions, validations = (policy.at("spec", key) for key in ("matchConditions", "validations"))
        if all(_holds(one, asked) for one in cast("list[dict[str, str]]", conditions)) and not all(
            _holds(one, asked) for one in cast("list[dict[str, str]]", validations)
        ):
            return False
    return True


def plural(kind: str) -> str:
    """The resource of a kind."""
    return {"Ingress": "ingresses"}.get(kind, f"{kind.lower()}s")


def _holds(rule: Mapping[str, str], asked: Request) -> bool:
    cel = celpy.Environment()
    activation = {key: json_to_cel(value) for key, value in asked.items()}  # pyright: ignore[reportArgumentType]
    try:
        return bool(cel.program(cel.compile(rule["expression"])).evaluate(activation))  # pyright: ignore[reportUnknownMemberType]
    except CELEvalError:
        return False  # As `failurePolicy: Fail` has it.
