"""An environment: what would be accepted by AWS and Kubernetes and would then lose requests, or never run."""

import json
import re
from typing import cast

import pytest

from infra.environment.ingress import DEREGISTRATION_DELAY
from infra.environment.workload import DRAIN_SECONDS, GRACE_SECONDS
from tests.graph import Node, environment

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
SERVICE = "kubernetes:core/v1:Service"
NAMESPACE = "kubernetes:core/v1:Namespace"
IMAGE = "docker-build:index:Image"
STACKS = ("blue", "green", "develop")


def pod(stack: str = "green") -> dict[str, object]:
    return cast("dict[str, object]", environment(stack).one(DEPLOYMENT).at("spec", "template", "spec"))


def containers(stack: str = "green") -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", pod(stack)["containers"])


def annotation(node: Node, name: str) -> str:
    return node.text("metadata", "annotations", name)


@pytest.mark.trap("T26")
@pytest.mark.parametrize("stack", STACKS)
def test_the_load_balancer_reaches_pods_by_their_address_since_fargate_has_no_instances(stack: str) -> None:
    assert annotation(environment(stack).one(INGRESS), "alb.ingress.kubernetes.io/target-type") == "ip"


@pytest.mark.trap("T27")
def test_pods_are_made_last_or_they_would_miss_their_readiness_gates() -> None:
    graph = environment("green")
    namespace, service, ingress, deployment = (graph.one(kind) for kind in (NAMESPACE, SERVICE, INGRESS, DEPLOYMENT))
    assert namespace.at("metadata", "labels", "elbv2.k8s.aws/pod-readiness-gate-inject") == "enabled"
    assert graph.depends(service, namespace)
    assert graph.depends(ingress, service)
    assert graph.depends(deployment, ingress)


@pytest.mark.trap("T30")
def test_a_leaving_pod_serves_until_the_load_balancer_has_let_go_of_it() -> None:
    graph = environment("green")
    deployment = graph.one(DEPLOYMENT)
    attributes = annotation(graph.one(INGRESS), "alb.ingress.kubernetes.io/target-group-attributes")
    assert attributes == "deregistration_delay.timeout_seconds=30"
    assert (DRAIN_SECONDS, DEREGISTRATION_DELAY, GRACE_SECONDS) == (20, 30, 60)
    [container] = containers()
    assert str(DRAIN_SECONDS) in json.dumps(container["lifecycle"])
    assert pod()["terminationGracePeriodSeconds"] == GRACE_SECONDS >= DRAIN_SECONDS + DEREGISTRATION_DELAY
    assert deployment.at("spec", "strategy", "rollingUpdate", "maxUnavailable") == 0


@pytest.mark.trap("T33")
@pytest.mark.parametrize(("size", "memory"), [("0.25vCPU-0.5GB", "256Mi"), ("1vCPU-2GB", "1792Mi")])
def test_a_pod_asks_for_exactly_what_it_may_use_and_leaves_fargate_its_share(size: str, memory: str) -> None:
    [container] = cast(
        "list[dict[str, dict[str, dict[str, str]]]]",
        environment("green", size=size).one(DEPLOYMENT).at("spec", "template", "spec", "containers"),
    )
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"]["memory"] == memory


@pytest.mark.trap("T34")
@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_asked_of_fargate_that_it_does_not_have(stack: str) -> None:
    graph = environment(stack)
    assert graph.one(IMAGE).at("platforms") == ["linux/amd64"]
    assert not graph.any("kubernetes:apps/v1:DaemonSet")
    text = json.dumps(pod(stack))
    assert "hostPort" not in text
    assert '"privileged": true' not in text
    assert "hostNetwork" not in text


@pytest.mark.trap("T35")
@pytest.mark.parametrize("stack", STACKS)
def test_pods_are_not_spread_by_constraints_that_fargate_ignores(stack: str) -> None:
    assert "topologySpreadConstraints" not in pod(stack)


@pytest.mark.trap("T36")
def test_only_the_service_is_not_waited_for_or_a_broken_app_would_look_deployed() -> None:
    skipping = {
        node.type
        for node in environment("green")
        if node.at("metadata", "annotations", "pulumi.com/skipAwait") is not None
    }
    assert skipping == {SERVICE}


@pytest.mark.trap("T38")
@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_builds_and_pushes_nothing(stack: str) -> None:
    assert environment(stack).one(IMAGE).at("buildOnPreview") is False


@pytest.mark.trap("T39")
@pytest.mark.parametrize("stack", STACKS)
def test_an_image_stays_in_the_registry_when_its_resource_goes(stack: str) -> None:
    assert environment(stack).one(IMAGE).retain_on_delete


@pytest.mark.trap("T40")
@pytest.mark.parametrize("stack", STACKS)
def test_pods_run_a_digest_and_the_tag_says_environment_and_commit(stack: str) -> None:
    [container] = containers(stack)
    image = cast("str", container["image"])
    assert re.fullmatch(rf".+/smallcase:{stack}-[0-9a-f]{{12}}(-dirty-[0-9a-f]{{8}})?@sha256:[0-9a-f]{{64}}", image)
    assert environment(stack).one(IMAGE).at("tags") == [image.partition("@")[0]]


@pytest.mark.trap("T40")
def test_an_image_that_exists_is_deployed_as_it_is_and_not_pushed_again() -> None:
    image = f"registry.test/smallcase:green-0123456789ab@sha256:{'a' * 64}"
    graph = environment("blue", image=image)
    assert not graph.any(IMAGE)
    [container] = cast("list[dict[str, str]]", graph.one(DEPLOYMENT).at("spec", "template", "spec", "containers"))
    assert container["image"] == image


@pytest.mark.trap("T42")
def test_the_registrys_password_is_asked_for_by_the_environment_and_is_a_secret() -> None:
    graph = environment("green")
    assert "registries.password" in graph.one(IMAGE).secrets
    assert not [name for name in cast("dict[str, object]", graph.outputs) if "password" in name.lower()]


def test_registry_cache_is_written_in_the_form_that_ecr_takes() -> None:
    registry = environment("green").one(IMAGE).at("cacheTo", 0, "registry")
    assert isinstance(registry, dict)
    assert (registry["imageManifest"], registry["ociMediaTypes"]) == (True, True)
