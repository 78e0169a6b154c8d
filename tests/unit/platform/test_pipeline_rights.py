"""What the pipeline may do in the cluster."""

import re
from collections.abc import Mapping
from typing import cast

import pytest

from rehearsal.node.certificates import DEPLOY, OPEN, PREVIEW
from tests.cluster_rights import CLUSTER_ROLE, POLICY, admits, granted
from tests.graph import environment, platform, program, whole

BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
POLICY_BINDING = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding"

NAMESPACES = {"open": ("smallcase-develop",), "deploy": ("smallcase-blue", "smallcase-green")}
FENCES = {"open": "open-within-environments", "deploy": "within-environments"}
ROLES = ("preview", *NAMESPACES)


@pytest.mark.trap("T46")
def test_the_preview_role_reads_and_nothing_more() -> None:
    assert {verb for _, _, verb in granted(platform(), "preview")} == {"get", "list", "watch"}


@pytest.mark.trap("T45")
@pytest.mark.parametrize(("role", "stack"), [("deploy", "blue"), ("open", "develop")])
def test_the_role_that_deploys_may_change_every_kind_of_object_that_an_environment_has(role: str, stack: str) -> None:
    plurals = {"Ingress": "ingresses"}
    for node in environment(stack):
        if node.type.startswith("kubernetes:"):
            [(group, kind)] = re.findall(r"kubernetes:([a-z.0-9]+)/v\w+:(\w+)", node.type)
            resource = plurals.get(kind, f"{kind.lower()}s")
            for verb in ("get", "list", "watch", "create", "patch", "update", "delete"):
                assert ("" if group == "core" else group, resource, verb) in granted(platform(), role), f"{verb} {node}"


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", ROLES)
def test_no_role_sees_secrets_enters_pods_or_extends_its_own_rights(role: str) -> None:
    resources = {resource for _, resource, _ in granted(platform(), role)}
    assert not resources & {"secrets", "pods/exec", "pods/attach", "serviceaccounts", "serviceaccounts/token", "*"}
    groups = {group for group, _, _ in granted(platform(), role)}
    assert not groups & {"rbac.authorization.k8s.io", "admissionregistration.k8s.io", "*"}


def test_logs_are_read_where_reviewed_code_runs_and_nowhere_else() -> None:
    """Rights on logs reach over all namespaces, and production says more in its own than on its page."""
    assert {role: ("", "pods/log", "get") in granted(platform(), role) for role in ROLES} == {
        "preview": False,
        "open": False,
        "deploy": True,
    }


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_what_a_role_changes_is_fenced_in_by_the_names_of_its_namespaces(role: str) -> None:
    graph = platform()
    policy, binding = graph.one(POLICY, FENCES[role]), graph.one(POLICY_BINDING, FENCES[role])
    assert policy.at("spec", "failurePolicy") == "Fail"
    assert policy.at("spec", "matchConstraints", "resourceRules", 0) == {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*/*"],
    }
    assert policy.at("spec", "matchConditions", 0, "expression") == f"'smallcase:{role}' in request.userInfo.groups"
    assert binding.at("spec") == {"policyName": policy.at("metadata", "name"), "validationActions": ["Deny"]}


RESTRICTED_LABEL = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
@pytest.mark.parametrize(("kind", "group"), [("Deployment", "apps"), ("Service", ""), ("Ingress", "networking.k8s.io")])
def test_the_fence_lets_a_role_change_its_own_environments_and_nothing_else(
    role: str, operation: str, kind: str, group: str
) -> None:
    for inside in NAMESPACES[role]:
        assert admits(platform(), role, operation, kind, group=group, namespace=inside)
    others = [name for other, names in NAMESPACES.items() if other != role for name in names]
    for outside in (*others, "smallcase-later", "smallcase-green-2", "kube-system", "default", "", "smallcase"):
        assert not admits(platform(), role, operation, kind, group=group, namespace=outside, name=NAMESPACES[role][0])


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_the_fence_lets_a_role_ask_what_it_may_do(role: str) -> None:
    assert admits(platform(), role, "CREATE", "SelfSubjectAccessReview", group="authorization.k8s.io")


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_a_namespace_of_the_pipeline_has_an_environments_name_and_always_enforces_the_restricted_standard(
    role: str, operation: str
) -> None:
    def namespace(name: str, labels: Mapping[str, str]) -> bool:
        return admits(platform(), role, operation, "Namespace", group="", name=name, namespace=name, labels=labels)

    own = NAMESPACES[role][0]
    assert namespace(own, RESTRICTED_LABEL)
    assert not namespace("kube-system", RESTRICTED_LABEL)
    assert not namespace(own, {})
    assert not namespace(own, {"pod-security.kubernetes.io/enforce": "privileged"})


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_a_namespace_can_be_deleted_whatever_its_labels(role: str) -> None:
    for name, own in (*((name, True) for name in NAMESPACES[role]), ("kube-system", False)):
        assert admits(platform(), role, "DELETE", "Namespace", group="", name=name, namespace=name) is own


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_the_pipeline_deletes_one_thing_at_a_time(role: str) -> None:
    assert {verb for _, _, verb in granted(platform(), role)} == {
        *("get", "list", "watch"),
        *("create", "update", "patch", "delete"),
    }


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_the_right_to_change_comes_after_the_fence_and_goes_before_it(role: str) -> None:
    graph = platform()
    assert graph.depends(graph.one(BINDING, role), graph.one(POLICY_BINDING, FENCES[role]))


def test_a_namespace_that_a_stack_file_names_is_the_one_that_is_let_in() -> None:
    named = {"qa": {"smallcase:branch": "staging", "smallcase:namespace": "smallcase-quality"}}
    fence = program("platform", beside=named).one(POLICY, FENCES["deploy"])
    assert '"smallcase-quality"' in fence.text("spec", "validations", 0, "expression")
    assert "smallcase-qa" not in fence.text("spec", "validations", 0, "expression")


def test_where_there_is_no_environment_nothing_may_be_changed() -> None:
    """The stack that Jenkins runs on is deployed by people."""
    fence = whole("green").one(POLICY, FENCES["deploy"])
    assert fence.text("spec", "validations", 0, "expression").endswith(" in []")


def test_the_groups_are_those_of_the_access_entries_and_of_the_rehearsal() -> None:
    graph = platform()
    for role, identity in (("open", OPEN), ("deploy", DEPLOY), ("preview", PREVIEW)):
        [subject] = cast("list[dict[str, str]]", graph.one(BINDING, role).at("subjects"))
        assert (subject["kind"], subject["name"]) == ("Group", f"smallcase:{role}")
        assert graph.one("aws:eks/accessEntry:AccessEntry", role).at("kubernetesGroups") == [subject["name"]]
        assert identity.group == subject["name"]
        # https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
        assert not subject["name"].startswith(("system:", "eks:", "aws:", "amazon:", "iam:"))


def test_a_stack_that_owns_both_layers_gives_the_same_rights() -> None:
    for role in ROLES:
        assert whole().one(CLUSTER_ROLE, role).at("rules") == platform().one(CLUSTER_ROLE, role).at("rules")
