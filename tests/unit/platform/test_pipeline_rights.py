"""What the pipeline may do in the cluster."""

import re
from collections.abc import Mapping
from typing import cast

import celpy
import pytest
from celpy.adapter import json_to_cel

from rehearsal.node.certificates import DEPLOY, PREVIEW
from tests.graph import environment, platform, whole

ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
POLICY = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
POLICY_BINDING = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding"

Granted = set[tuple[str, str, str]]


def granted(role: str) -> Granted:
    """(API group, resource, verb) of a role."""
    rules = cast("list[dict[str, list[str]]]", platform().one(ROLE, role).at("rules"))
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.trap("T46")
def test_the_preview_role_reads_and_nothing_more() -> None:
    assert {verb for _, _, verb in granted("preview")} == {"get", "list", "watch"}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("stack", ["blue", "develop"])
def test_the_deploy_role_may_change_every_kind_of_object_that_an_environment_has(stack: str) -> None:
    plurals = {"Ingress": "ingresses"}
    for node in environment(stack):
        if node.type.startswith("kubernetes:"):
            [(group, kind)] = re.findall(r"kubernetes:([a-z.0-9]+)/v\w+:(\w+)", node.type)
            resource = plurals.get(kind, f"{kind.lower()}s")
            for verb in ("get", "list", "watch", "create", "patch", "update", "delete"):
                assert ("" if group == "core" else group, resource, verb) in granted("deploy"), f"{verb} {node}"


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", ["deploy", "preview"])
def test_neither_role_sees_secrets_enters_pods_or_extends_its_own_rights(role: str) -> None:
    resources = {resource for _, resource, _ in granted(role)}
    assert not resources & {"secrets", "pods/exec", "pods/attach", "serviceaccounts", "serviceaccounts/token", "*"}
    groups = {group for group, _, _ in granted(role)}
    assert not groups & {"rbac.authorization.k8s.io", "admissionregistration.k8s.io", "*"}


@pytest.mark.trap("T45")
def test_what_the_deploy_role_changes_is_fenced_in_by_the_names_of_namespaces() -> None:
    graph = platform()
    policy, binding = graph.one(POLICY), graph.one(POLICY_BINDING)
    assert policy.at("spec", "failurePolicy") == "Fail"
    assert policy.at("spec", "matchConstraints", "resourceRules", 0) == {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*/*"],
    }
    assert policy.at("spec", "matchConditions", 0, "expression") == "'smallcase:deploy' in request.userInfo.groups"
    assert binding.at("spec") == {"policyName": policy.at("metadata", "name"), "validationActions": ["Deny"]}


def allowed(
    operation: str,
    kind: str,
    *,
    namespace: str = "",
    name: str = "one",
    group: str = "apps",
    labels: Mapping[str, str] | None = None,
) -> bool:
    """What the fence says of a request of the pipeline."""
    request = {
        "operation": operation,
        "kind": {"kind": kind},
        "resource": {"group": group},
        "namespace": namespace,
        "name": name,
    }
    asked = {"request": request, "object": {"metadata": {"name": name, "labels": labels or {}}}}
    cel = celpy.Environment()
    validations = cast("list[dict[str, str]]", platform().one(POLICY).at("spec", "validations"))
    activation = {key: json_to_cel(value) for key, value in asked.items()}
    return all(
        bool(cel.program(cel.compile(one["expression"])).evaluate(activation))  # pyright: ignore[reportUnknownMemberType]
        for one in validations
    )


RESTRICTED_LABEL = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
@pytest.mark.parametrize(("kind", "group"), [("Deployment", "apps"), ("Service", ""), ("Ingress", "networking.k8s.io")])
def test_the_fence_lets_the_pipeline_change_environments_and_nothing_else(
    operation: str, kind: str, group: str
) -> None:
    assert allowed(operation, kind, group=group, namespace="smallcase-green")
    for outside in ("kube-system", "default", "", "smallcase", "not-smallcase-green"):
        assert not allowed(operation, kind, group=group, namespace=outside, name="smallcase-green")


@pytest.mark.trap("T45")
def test_the_fence_lets_the_pipeline_ask_what_it_may_do() -> None:
    assert allowed("CREATE", "SelfSubjectAccessReview", group="authorization.k8s.io")


@pytest.mark.trap("T45")
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_a_namespace_of_the_pipeline_has_an_environments_name_and_always_enforces_the_restricted_standard(
    operation: str,
) -> None:
    def namespace(name: str, labels: Mapping[str, str]) -> bool:
        return allowed(operation, "Namespace", group="", name=name, namespace=name, labels=labels)

    assert namespace("smallcase-green", RESTRICTED_LABEL)
    assert not namespace("kube-system", RESTRICTED_LABEL)
    assert not namespace("smallcase-green", {})
    assert not namespace("smallcase-green", {"pod-security.kubernetes.io/enforce": "privileged"})


@pytest.mark.trap("T45")
def test_a_namespace_can_be_deleted_whatever_its_labels() -> None:
    assert allowed("DELETE", "Namespace", group="", name="smallcase-green", namespace="smallcase-green")
    assert not allowed("DELETE", "Namespace", group="", name="kube-system", namespace="kube-system")


@pytest.mark.trap("T45")
def test_the_pipeline_deletes_one_thing_at_a_time() -> None:
    assert {verb for _, _, verb in granted("deploy")} == {
        *("get", "list", "watch"),
        *("create", "update", "patch", "delete"),
    }


@pytest.mark.trap("T45")
def test_the_right_to_change_comes_after_the_fence_and_goes_before_it() -> None:
    graph = platform()
    assert graph.depends(graph.one(BINDING, "deploy"), graph.one(POLICY_BINDING))


def test_the_groups_are_those_of_the_access_entries_and_of_the_rehearsal() -> None:
    graph = platform()
    for role, identity in (("deploy", DEPLOY), ("preview", PREVIEW)):
        [subject] = cast("list[dict[str, str]]", graph.one(BINDING, role).at("subjects"))
        assert (subject["kind"], subject["name"]) == ("Group", f"smallcase:{role}")
        assert graph.one("aws:eks/accessEntry:AccessEntry", role).at("kubernetesGroups") == [subject["name"]]
        assert identity.group == subject["name"]
        # https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
        assert not subject["name"].startswith(("system:", "eks:", "aws:", "amazon:", "iam:"))


def test_a_stack_that_owns_both_layers_gives_the_same_rights() -> None:
    assert whole().one(ROLE, "deploy").at("rules") == platform().one(ROLE, "deploy").at("rules")
