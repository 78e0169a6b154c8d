"""What the pipeline may do in the cluster."""

import re
from collections.abc import Mapping
from typing import cast

import pytest

from rehearsal.cloud.properties import Properties
from rehearsal.node.certificates import DEPLOY, OPEN, PREVIEW
from tests.cluster_rights import CLUSTER_ROLE, ORDINARY, POLICY, admits, granted, plural
from tests.graph import WITH_DOMAIN, environment, platform, program, whole

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
    for node in environment(stack):
        if node.type.startswith("kubernetes:"):
            [(group, kind)] = re.findall(r"kubernetes:([a-z.0-9]+)/v\w+:(\w+)", node.type)
            for verb in ("get", "list", "watch", "create", "patch", "update", "delete"):
                assert ("" if group == "core" else group, plural(kind), verb) in granted(platform(), role), (
                    f"{verb} {node}"
                )


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
    def namespace(name: str, **labels: str) -> bool:
        content = {
            "metadata": {"labels": {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}}
        }
        return admits(platform(), role, operation, "Namespace", group="", name=name, namespace=name, content=content)

    own = NAMESPACES[role][0]
    restricted = {"enforce": "restricted", "enforce-version": "latest"}
    assert namespace(own, **restricted)
    assert not namespace("kube-system", **restricted)
    assert not namespace(own)
    assert not namespace(own, **{**restricted, "enforce": "privileged"})
    # One that does not look at capabilities yet, say.
    assert not namespace(own, **{**restricted, "enforce-version": "v1.0"})
    assert not namespace(own, enforce="restricted")


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


@pytest.mark.trap("T45")
@pytest.mark.parametrize(("role", "stack"), [("deploy", "blue"), ("deploy", "green"), ("open", "develop")])
@pytest.mark.parametrize("domain", [False, True])
def test_the_fence_lets_in_what_an_environment_consists_of(role: str, stack: str, domain: bool) -> None:
    graph = platform(**(WITH_DOMAIN if domain else {}))
    made = [
        node
        for node in program(stack, cast("Properties", graph.outputs["platform"]))
        if node.type.startswith("kubernetes:")
    ]
    assert len(made) >= 4
    for node in made:
        [(group, kind)] = re.findall(r"kubernetes:([a-z.0-9]+)/v\w+:(\w+)", node.type)
        namespace, name = f"smallcase-{stack}", node.text("metadata", "name")
        for operation in ("CREATE", "UPDATE", "DELETE"):
            api = "" if group == "core" else group
            asked = admits(graph, role, operation, kind, group=api, namespace=namespace, name=name, content=node.inputs)
            assert asked, str(node)


REPOSITORIES = {
    "open": "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform-open",
    "deploy": "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform",
}
PINNED = f":develop-0123456789ab@sha256:{'a' * 64}"
ALB = "alb.ingress.kubernetes.io/"


def let_in(role: str, kind: str, group: str, content: Mapping[str, object], shared: Mapping[str, str]) -> set[bool]:
    """Whether an object with some content may be made, and whether another may become one."""
    return {
        admits(platform(**shared), role, operation, kind, group=group, namespace=own, content=content)
        for operation in ("CREATE", "UPDATE")
        for own in NAMESPACES[role]
    }


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"spec": {"type": "ClusterIP"}}, True),
        ({"spec": {"type": "ClusterIP", "clusterIP": "None", "externalIPs": []}}, True),
        # kube-proxy of every node sends what is for that address to the pods behind it (CVE-2020-8554).
        ({"spec": {"type": "ClusterIP", "externalIPs": ["203.0.113.7"]}}, False),
        ({"spec": {"type": "ExternalName", "externalName": "metadata.example"}}, False),
        ({"spec": {"type": "NodePort"}}, False),
        ({"spec": {"type": "LoadBalancer"}}, False),
        # The controller reads those of a Service before those of its Ingress.
        ({"metadata": {"annotations": {f"{ALB}auth-type": "none"}}, "spec": {"type": "ClusterIP"}}, False),
        (
            {
                "metadata": {"annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "external"}},
                "spec": {"type": "ClusterIP"},
            },
            False,
        ),
    ],
)
def test_a_service_is_reached_inside_the_cluster_alone(
    role: str, content: Mapping[str, object], expected: bool
) -> None:
    assert let_in(role, "Service", "", content, {}) == {expected}


def running(image: str, **spec: object) -> Mapping[str, object]:
    pod = {"automountServiceAccountToken": False, "containers": [{"name": "smallcase", "image": image}]}
    return {"spec": {"replicas": 1, "template": {"spec": pod}, **spec}}


FOREIGN = f"registry.example/smallcase:hotfix@sha256:{'b' * 64}"
BY_ADMINISTRATORS: Mapping[str, tuple[str, Mapping[str, object], Mapping[str, object]]] = {
    "Deployment": ("apps", running(FOREIGN), running(FOREIGN, replicas=2)),
    "Service": (
        "",
        {"spec": {"type": "ClusterIP", "externalIPs": ["203.0.113.7"]}},
        {"spec": {"type": "ClusterIP", "externalIPs": ["203.0.113.7"], "ports": [{"port": 81}]}},
    ),
    "Ingress": (
        "networking.k8s.io",
        {"metadata": {"annotations": {f"{ALB}auth-type": "none"}}, "spec": {"ingressClassName": "alb"}},
        {"metadata": {"annotations": {f"{ALB}auth-type": "oidc"}}, "spec": {"ingressClassName": "alb"}},
    ),
}
"""By kind its group, what somebody put there whom the fence does not hold up, and a change that leaves it."""


@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize("kind", BY_ADMINISTRATORS)
def test_what_an_administrator_put_there_may_stay_as_it_is_and_goes_with_the_next_change(role: str, kind: str) -> None:
    group, found, changed = BY_ADMINISTRATORS[kind]

    def may_become(content: Mapping[str, object]) -> bool:
        (own, *_) = NAMESPACES[role]
        return admits(platform(), role, "UPDATE", kind, group=group, namespace=own, content=content, before=found)

    assert may_become(
        {**found, "metadata": {**cast("Mapping[str, object]", found.get("metadata", {})), "labels": {"a": "b"}}}
    )
    assert not may_become(changed)
    ordinary = running(f"{REPOSITORIES[role]}{PINNED}") if kind == "Deployment" else ORDINARY[kind]
    assert may_become(ordinary)


@pytest.mark.parametrize("role", NAMESPACES)
def test_a_namespace_does_not_lose_its_standard_whatever_it_was_before(role: str) -> None:
    (own, *_) = NAMESPACES[role]
    bare: Mapping[str, object] = {"metadata": {"labels": {}}, "spec": {"finalizers": ["kubernetes"]}}
    assert not admits(
        platform(), role, "UPDATE", "Namespace", group="", name=own, namespace=own, content=bare, before=bare
    )


WITHOUT_DOMAIN: Mapping[str, str] = {}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/another"


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group.name", "smallcase-blue"),
        ("group.order", "1"),
        ("security-groups", "sg-0123456789abcdef0"),
        ("manage-backend-security-group-rules", "true"),
        ("inbound-cidrs", "0.0.0.0/0"),
        ("scheme", "internet-facing"),
        ("subnets", "subnet-0123456789abcdef0"),
        ("load-balancer-name", "smallcase-platform-jenkins"),
        ("load-balancer-attributes", "routing.http.drop_invalid_header_fields.enabled=false"),
        ("load-balancer-attributes", "access_logs.s3.enabled=true,access_logs.s3.bucket=somebody-elses"),
        ("load-balancer-attributes", "deletion_protection.enabled=true,access_logs.s3.enabled=false"),
        ("certificate-arn", CERTIFICATE),
        ("create-acm-cert", "true"),
        ("ssl-policy", "ELBSecurityPolicy-2016-08"),
        ("listen-ports", '[{"HTTP": 8080}]'),
        ("listen-ports", '[{"HTTP": 80}]'),
        ("target-type", "instance"),
        ("target-node-labels", "a=b"),
        ("conditions.smallcase", "[]"),
        ("actions.smallcase", '{"type": "redirect"}'),
        ("transforms.smallcase", "[]"),
        ("auth-type", "oidc"),
        ("auth-idp-oidc", "{}"),
        ("jwt-validation", "{}"),
        ("mutual-authentication", "[]"),
        ("wafv2-acl-arn", ""),
        ("waf-acl-id", "none"),
        ("shield-advanced-protection", "false"),
        ("tags", "elbv2.k8s.aws/cluster=another"),
        ("healthcheck-port", "22"),
        ("enable-frontend-nlb", "true"),
        ("frontend-nlb-eip-allocations", "eipalloc-0123456789abcdef0"),
        ("an-annotation-that-comes-later", "whatever"),
    ],
)
def test_an_ingress_says_nothing_of_its_load_balancer_that_the_platform_does_not_know(
    role: str, name: str, value: str
) -> None:
    shown = {"metadata": {"annotations": {f"{ALB}{name}": value}}, "spec": {"ingressClassName": "alb"}}
    for shared in (WITHOUT_DOMAIN, WITH_DOMAIN):
        assert let_in(role, "Ingress", "networking.k8s.io", shown, shared) == {False}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize(
    "content",
    [
        {"spec": {"ingressClassName": "another"}},
        {"spec": {}},
        {"metadata": {"annotations": {"kubernetes.io/ingress.class": "alb"}}, "spec": {}},
        {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": {"ingressClassName": "alb"}},
        {"metadata": {"annotations": {"alb.example.org/group.name": "x"}}, "spec": {"ingressClassName": "alb"}},
    ],
)
def test_an_ingress_is_of_the_one_class_and_of_the_one_controller(role: str, content: Mapping[str, object]) -> None:
    assert let_in(role, "Ingress", "networking.k8s.io", content, {}) == {False}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
def test_the_protection_of_a_load_balancer_can_be_lifted_before_it_is_deleted(role: str) -> None:
    for value in ("true", "false"):
        annotations = {f"{ALB}load-balancer-attributes": f"deletion_protection.enabled={value}"}
        shown = {"metadata": {"annotations": annotations}, "spec": {"ingressClassName": "alb"}}
        assert let_in(role, "Ingress", "networking.k8s.io", shown, {}) == {True}


def deployment(**pod: object) -> Mapping[str, object]:
    """One with a pod that says this besides."""
    said: dict[str, object] = {
        "automountServiceAccountToken": False,
        "containers": [],
        "schedulerName": "default-scheduler",
        **pod,
    }
    return {"spec": {"template": {"spec": said}}}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("{own}{pinned}", True),
        ("{other}{pinned}", False),
        ("{own}:develop-0123456789ab", False),
        ("{own}@sha256:" + "a" * 64, False),
        ("{own}-else{pinned}", False),
        ("{own}/else{pinned}", False),
        ("evil.example/{own}{pinned}", False),
        ("{own}:x@sha256:" + "a" * 64 + "0", False),
        ("{own}:evil.example/x{pinned}", False),
        ("123456789012xdkr.ecr.us-east-1.amazonaws.com/smallcase-platform{pinned}", False),
        ("docker.io/library/busybox{pinned}", False),
        ("busybox", False),
    ],
)
@pytest.mark.parametrize("place", ["containers", "initContainers"])
def test_an_image_is_of_the_repository_of_the_namespaces_trust_domain_and_named_by_its_digest(
    role: str, image: str, expected: bool, place: str
) -> None:
    other = next(name for name in REPOSITORIES if name != role)
    named = image.format(own=REPOSITORIES[role], other=REPOSITORIES[other], pinned=PINNED)
    good = {"name": "good", "image": f"{REPOSITORIES[role]}{PINNED}"}
    content = deployment(**{"containers": [good], place: [good, {"name": "one", "image": named}]})
    assert let_in(role, "Deployment", "apps", content, {}) == {expected}


def test_where_agents_are_shared_each_namespace_keeps_the_repository_of_its_own_domain() -> None:
    graph = platform(agents="shared")
    for namespace, domain in (("smallcase-develop", "open"), ("smallcase-green", "deploy")):
        for name, repository in REPOSITORIES.items():
            content = deployment(containers=[{"name": "one", "image": f"{repository}{PINNED}"}])
            admitted = admits(graph, "deploy", "CREATE", "Deployment", namespace=namespace, content=content)
            assert admitted is (name == domain)


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}], "restartPolicy": "Always"}, True),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, False),
        ({"volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}, False),
        ({"volumes": [{"name": "secret", "secret": {"secretName": "one"}}]}, False),
        ({"volumes": [{"name": "disk", "csi": {"driver": "one"}}]}, False),
        ({"automountServiceAccountToken": True}, False),
        ({"serviceAccountName": "another"}, False),
        ({"serviceAccount": "another"}, False),
        ({"hostNetwork": True}, False),
        ({"hostPID": True}, False),
        ({"hostIPC": True}, False),
        ({"hostAliases": [{"ip": "203.0.113.7", "hostnames": ["api.example"]}]}, False),
        # Past the scheduler, onto the node of another environment's pod.
        ({"nodeName": "fargate-ip-10-42-64-7.ec2.internal"}, False),
        ({"nodeSelector": {"one": "two"}}, False),
        ({"schedulerName": "another"}, False),
        ({"tolerations": [{"operator": "Exists"}]}, False),
        ({"priorityClassName": "system-node-critical"}, False),
        ({"runtimeClassName": "another"}, False),
        ({"imagePullSecrets": [{"name": "another"}]}, False),
        ({"ephemeralContainers": [{"name": "one", "image": "busybox"}]}, False),
    ],
)
def test_a_pod_is_the_application_and_nothing_else(role: str, pod: Mapping[str, object], expected: bool) -> None:
    assert let_in(role, "Deployment", "apps", deployment(**pod), {}) == {expected}


def test_a_pod_that_says_nothing_of_its_token_has_none_mounted_by_default() -> None:
    content: dict[str, object] = {
        "spec": {"template": {"spec": {"containers": [{"image": f"{REPOSITORIES['open']}{PINNED}"}]}}}
    }
    assert let_in("open", "Deployment", "apps", content, {}) == {False}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_bind_pods_to_a_target_group_that_another_load_balancer_may_have(role: str) -> None:
    assert not {resource for group, resource, _ in granted(platform(), role) if group == "elbv2.k8s.aws"}


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", NAMESPACES)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
@pytest.mark.parametrize(
    ("group", "kind", "part"),
    [
        ("elbv2.k8s.aws", "TargetGroupBinding", ""),
        ("", "Pod", ""),
        ("", "Pod", "ephemeralcontainers"),
        ("apps", "ReplicaSet", ""),
        ("apps", "DaemonSet", ""),
        ("batch", "Job", ""),
        ("", "ServiceAccount", "token"),
        ("", "Endpoints", ""),
        ("discovery.k8s.io", "EndpointSlice", ""),
        ("", "Service", "status"),
        ("networking.k8s.io", "Ingress", "status"),
        ("extensions", "Deployment", ""),
    ],
)
def test_the_fence_stands_even_where_somebody_has_given_a_role_more_rights(
    role: str, operation: str, group: str, kind: str, part: str
) -> None:
    content = ORDINARY.get(kind, {})
    for namespace in NAMESPACES[role]:
        assert not admits(
            platform(), role, operation, kind, group=group, namespace=namespace, content=content, part=part
        )


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
