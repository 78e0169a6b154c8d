"""An environment as the program registers it, under mocks."""

from functools import cache
from typing import cast

import pytest

from infra import contract
from infra.contract import PlatformMissing
from infra.environment.image import build_arguments
from infra.environment.ingress import DEREGISTRATION_DELAY
from infra.environment.workload import DRAIN_SECONDS, GRACE_SECONDS, PROGRESS_DEADLINE
from infra.revision import Revision
from tests.stack_files import config
from tests.unit.program import Graph, run

DIGEST = "sha256:" + "a1" * 32
ENVIRONMENTS = ("blue", "green", "develop")

Tree = dict[str, "Tree"]


@cache
def graph(stack: str) -> Graph:
    return run(stack)


def at(tree: object, *path: str | int) -> object:
    """What stands at a path of keys and positions."""
    for step in path:
        tree = cast("dict[str | int, object]", tree)[step]
    return tree


def deployment(stack: str) -> object:
    return graph(stack).one("kubernetes:apps/v1:Deployment")


def pod(stack: str) -> object:
    return at(deployment(stack), "spec", "template", "spec")


def container(stack: str) -> object:
    return at(pod(stack), "containers", 0)


def annotations(stack: str) -> object:
    return at(graph(stack).one("kubernetes:networking.k8s.io/v1:Ingress"), "metadata", "annotations")


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_everything_of_an_environment_is_in_its_own_namespace(stack: str) -> None:
    namespaced = ("Service", "Ingress", "Deployment", "PodDisruptionBudget")
    found = [r for r in graph(stack).resources if r.type.startswith("kubernetes:") and r.type.endswith(namespaced)]
    assert {at(resource.inputs, "metadata", "namespace") for resource in found} == {f"smallcase-{stack}"}
    assert len(found) == (3 if stack == "develop" else 4)


def test_the_three_environments_register_the_same_resources_but_for_the_budget_of_a_single_pod() -> None:
    kinds = {stack: {resource.type for resource in graph(stack).resources} for stack in ENVIRONMENTS}
    assert kinds["blue"] == kinds["green"]
    assert kinds["green"] - kinds["develop"] == {"kubernetes:policy/v1:PodDisruptionBudget"}


def test_the_namespace_enforces_restricted_pods_and_asks_for_readiness_gates() -> None:
    labels = cast("dict[str, str]", at(graph("green").one("kubernetes:core/v1:Namespace"), "metadata", "labels"))
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["elbv2.k8s.aws/pod-readiness-gate-inject"] == "enabled"


def test_resources_are_registered_so_that_readiness_gates_can_be_injected() -> None:
    order = [resource.type for resource in graph("green").resources if resource.type.startswith("kubernetes:")]
    assert order.index("kubernetes:core/v1:Namespace") < order.index("kubernetes:core/v1:Service")
    assert order.index("kubernetes:core/v1:Service") < order.index("kubernetes:networking.k8s.io/v1:Ingress")
    assert order.index("kubernetes:networking.k8s.io/v1:Ingress") < order.index("kubernetes:apps/v1:Deployment")


def test_the_image_is_deployed_by_digest_under_a_tag_of_its_environment_and_commit() -> None:
    image = cast("str", graph("green").outputs["image"])
    assert at(container("green"), "image") == image
    assert f":green-{graph('green').outputs['commit']}@sha256:" in image


def test_a_preview_neither_builds_nor_pushes() -> None:
    assert graph("green").one("docker-build:index:Image")["buildOnPreview"] is False


def test_the_image_is_for_the_processors_that_fargate_has() -> None:
    assert graph("green").one("docker-build:index:Image")["platforms"] == ["linux/amd64"]


def test_the_cache_lies_under_a_tag_that_may_move_in_a_form_that_ecr_takes() -> None:
    image = graph("green").one("docker-build:index:Image")
    cache_to = at(image, "cacheTo", 0, "registry")
    assert str(at(cache_to, "ref")).endswith(":cache-app")
    assert (at(cache_to, "imageManifest"), at(cache_to, "ociMediaTypes")) == (True, True)
    assert at(image, "cacheFrom", 0, "registry", "ref") == at(cache_to, "ref")


def test_the_password_of_the_registry_is_a_secret_and_no_output() -> None:
    assert "password" not in str(graph("green").outputs)


def test_an_image_to_promote_is_deployed_as_it_is_and_the_page_says_its_own_commit() -> None:
    image = f"registry.test/smallcase:green-0123456789ab@{DIGEST}"
    promoted = run("blue", image=image)
    assert promoted.of("docker-build:index:Image") == []
    assert promoted.outputs["image"] == image
    assert promoted.outputs["commit"] == "0123456789ab"


def test_two_clones_in_two_places_give_the_same_inputs() -> None:
    image = graph("green").one("docker-build:index:Image")
    assert at(image, "context", "location") == "app"
    assert at(image, "dockerfile", "location") == "app/Dockerfile"


def test_the_build_depends_on_the_application_and_its_base_alone() -> None:
    one = Revision(commit="aaaaaaaaaaaa", app_commit="cafe", app_timestamp=1700000000)
    other = Revision(commit="bbbbbbbbbbbb", app_commit="cafe", app_timestamp=1700000000)
    assert build_arguments(one, None) == build_arguments(other, None)
    assert build_arguments(one, "base@sha256:0")["BASE"] == "base@sha256:0"


def test_the_container_may_do_as_little_as_pod_security_restricted_demands() -> None:
    assert at(pod("green"), "securityContext", "runAsNonRoot") is True
    assert cast("int", at(pod("green"), "securityContext", "runAsUser")) >= 10000
    assert at(pod("green"), "securityContext", "seccompProfile", "type") == "RuntimeDefault"
    assert at(container("green"), "securityContext") == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert at(pod("green"), "automountServiceAccountToken") is False


def test_requests_equal_limits_as_fargate_wants_it() -> None:
    resources = at(container("green"), "resources")
    assert at(resources, "requests") == at(resources, "limits") == {"cpu": "250m", "memory": "256Mi"}


def test_a_pod_asks_for_nothing_that_fargate_does_not_have() -> None:
    assert {"topologySpreadConstraints", "hostNetwork", "nodeSelector"} & set(cast("Tree", pod("blue"))) == set()
    assert "hostPort" not in str(container("blue"))


def test_a_rollout_never_has_fewer_pods_than_asked_for_and_fails_soon() -> None:
    spec = at(deployment("blue"), "spec")
    assert at(spec, "strategy", "rollingUpdate", "maxUnavailable") == 0
    assert at(spec, "progressDeadlineSeconds") == PROGRESS_DEADLINE <= 180


def test_a_leaving_pod_drains_longer_than_the_load_balancer_takes_to_notice_and_ends_within_its_grace() -> None:
    assert at(container("blue"), "lifecycle", "preStop", "exec", "command") == [
        "python3",
        "-m",
        "smallcase.drain",
        str(DRAIN_SECONDS),
    ]
    delay = f"deregistration_delay.timeout_seconds={DEREGISTRATION_DELAY}"
    assert cast("dict[str, str]", annotations("blue"))["alb.ingress.kubernetes.io/target-group-attributes"] == delay
    interval = int(
        cast("dict[str, str]", annotations("blue"))["alb.ingress.kubernetes.io/healthcheck-interval-seconds"]
    )
    assert interval * 2 < DRAIN_SECONDS
    assert at(pod("blue"), "terminationGracePeriodSeconds") == GRACE_SECONDS
    assert GRACE_SECONDS >= DRAIN_SECONDS + DEREGISTRATION_DELAY


def test_all_three_probes_ask_the_application() -> None:
    paths = {
        name: at(container("green"), f"{name}Probe", "httpGet", "path") for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}


def test_only_the_service_does_not_wait_for_its_pods() -> None:
    skipping = [r.type for r in graph("blue").resources if "pulumi.com/skipAwait" in str(r.inputs)]
    assert skipping == ["kubernetes:core/v1:Service"]


def test_the_load_balancer_targets_pods_and_asks_whether_they_are_ready() -> None:
    said = cast("dict[str, str]", annotations("green"))
    assert said["alb.ingress.kubernetes.io/target-type"] == "ip"
    assert said["alb.ingress.kubernetes.io/healthcheck-path"] == "/readyz"
    assert said["alb.ingress.kubernetes.io/scheme"] == "internet-facing"


def test_a_budget_keeps_pods_up_wherever_there_is_more_than_one() -> None:
    assert [len(graph(stack).of("kubernetes:policy/v1:PodDisruptionBudget")) for stack in ENVIRONMENTS] == [1, 1, 0]


def test_one_image_becomes_an_environment_by_its_variables() -> None:
    variables = {
        stack: {at(v, "name"): v.get("value") for v in cast("list[Tree]", at(container(stack), "env"))}
        for stack in ENVIRONMENTS
    }
    assert {stack: found["SMALLCASE_ENVIRONMENT"] for stack, found in variables.items()} == {
        "blue": "production",
        "green": "staging",
        "develop": "development",
    }
    assert {stack: found["SMALLCASE_BRANCH"] for stack, found in variables.items()} == {
        "blue": "master",
        "green": "staging",
        "develop": "develop",
    }
    assert variables["blue"]["SMALLCASE_COLOUR"] == config("blue")["smallcase:colour"]


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_an_environment_exports_what_people_and_pipelines_ask_for(stack: str) -> None:
    outputs = graph(stack).outputs
    assert set(outputs) == {"url", "namespace", "image", "commit", "environment", "branch"}
    assert outputs["namespace"] == f"smallcase-{stack}"
    assert cast("str", outputs["url"]).startswith("http://k8s-")


def test_a_host_name_becomes_the_rule_and_the_address() -> None:
    named = run("green", host="green.example.test")
    assert named.outputs["url"] == "http://green.example.test"
    assert at(named.one("kubernetes:networking.k8s.io/v1:Ingress"), "spec", "rules", 0, "host") == "green.example.test"


def test_an_environment_creates_nothing_in_aws() -> None:
    assert [r.type for r in graph("green").resources if r.type.startswith(("aws:", "eks:"))] == []


def test_a_missing_platform_is_one_sentence_with_both_ways_out() -> None:
    with pytest.raises(PlatformMissing) as missing:
        run("green", platform="plattform")
    message = str(missing.value)
    assert "unknown stack" in message
    assert "pulumi up -s plattform" in message
    assert "pulumi config set smallcase:platform self -s green" in message


def test_in_self_one_stack_exports_both_layers() -> None:
    both = run("green", platform="self")
    assert both.of("pulumi:pulumi:StackReference") == []
    assert {"url", contract.OUTPUT} <= set(both.outputs)
