"""What requests pass on their way to the pods, in every stack: load balancer, target group, service."""

from collections.abc import Iterator
from typing import Final, cast

import pytest

from rehearsal.cloud.properties import Properties
from tests.contract.test_graph import EVERY, STACKS
from tests.graph import Graph, Node, environment, whole

BINDING: Final = "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding"
GATE: Final = "elbv2.k8s.aws/pod-readiness-gate-inject"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
REPOSITORY: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform"
LISTENERS: Final = ("aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule")


def backends(ingress: Node) -> Iterator[str]:
    """Names of the services that an Ingress forwards to."""
    for rule in cast("list[Properties]", ingress.at("spec", "rules") or []):
        for path in cast("list[Properties]", cast("Properties", rule["http"])["paths"]):
            service = cast("Properties", cast("Properties", path["backend"])["service"])
            yield f"{service['name']}"


def bound(graph: Graph) -> list[Node]:
    """Bindings of our own, whatever version of their kind they are written in."""
    return [node for node in graph if node.type.endswith(":TargetGroupBinding")]


@pytest.mark.trap("T28")
@EVERY
def test_pods_that_wait_for_a_load_balancer_stand_behind_a_rule_of_one(stack: str) -> None:
    """A target group that no listener forwards to stays unused, and a pod with a gate on it never becomes ready."""
    graph = STACKS[stack]()
    ingresses = {node.text("metadata", "namespace"): node for node in graph.any(INGRESS)}
    gated = [
        node.text("metadata", "name")
        for node in graph.any("kubernetes:core/v1:Namespace")
        if node.at("metadata", "labels", GATE) == "enabled"
    ]
    assert sorted(gated) == sorted(ingresses)
    for service in graph.any("kubernetes:core/v1:Service"):
        name, namespace = service.text("metadata", "name"), service.text("metadata", "namespace")
        assert name in set(backends(ingresses[namespace]))
    for binding in bound(graph):
        listeners = graph.of(*LISTENERS)
        assert any(graph.depends(binding, listener) for listener in listeners), str(binding)


@pytest.mark.trap("T29")
@EVERY
def test_a_binding_of_our_own_says_which_load_balancer_may_reach_its_pods(stack: str) -> None:
    """The controller opens the pods' security group for its own bindings by itself, and for ours where we say so."""
    graph = STACKS[stack]()
    assert [str(node) for node in bound(graph) if not node.at("spec", "networking", "ingress")] == []


@pytest.mark.trap("T31")
def test_the_service_behind_a_load_balancer_is_the_same_for_every_image_size_and_environment() -> None:
    """Another service is another target group: the old one is deleted with the connections that it still has."""
    graphs = [
        *(environment(stack) for stack in ("blue", "green", "develop")),
        environment("green", colour="#123456", replicas=3, size="0.5vCPU-1GB", host="shop.example.net"),
        environment(
            "green",
            image=f"{REPOSITORY}:green-0123456789ab@sha256:{'0' * 64}",
        ),
        whole(),
    ]
    assert {name for graph in graphs for node in graph.of(INGRESS) for name in backends(node)} == {"smallcase"}
    swaps = [
        str(key)
        for graph in graphs
        for node in graph.of(INGRESS)
        for key in cast("Properties", node.at("metadata", "annotations"))
        if "/actions." in key
    ]
    assert swaps == []
