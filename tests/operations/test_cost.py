"""What the stacks cost."""

from collections.abc import Mapping

import pytest

from operations.cost import items, prices, report
from tests.graph import WITH_DOMAIN, Graph, environment, platform
from tests.stack_files import CHECKOUT

ENVIRONMENTS = ("develop", "green", "blue")
ZONES: dict[str, int] = dict.fromkeys(("platform", *ENVIRONMENTS), 2)


def resources(graph: Graph) -> list[Mapping[str, object]]:
    """As they are in the state; what the cluster's component makes is only there."""
    registered = [{"type": node.type, "inputs": node.inputs} for node in graph]
    inside = [
        {"type": made.type, "inputs": made.inputs} for made in graph.mocks.cloud if made.type.startswith("aws:eks/")
    ]
    return [*registered, *(resource for resource in inside if resource["type"] != "aws:eks/accessEntry:AccessEntry")]


def test_the_platform_is_a_cluster_a_nat_gateway_four_hosts_and_four_pods() -> None:
    used = items(resources(platform()), 2)
    assert (used["cluster"], used["NAT gateway"], used["t3.medium"]) == (1, 1, 4)
    # Two of CoreDNS with 0.5 GB, two of the ingress controller with 1 GB.
    assert (used["fargate vCPU"], used["fargate GB"]) == (1, 3)
    assert used["gp3, per GB"] == 4 * 30 + 50
    assert used["public IPv4 address"] == 2


@pytest.mark.parametrize("zones", [2, 3])
def test_an_environment_is_its_pods_and_a_load_balancer_with_an_address_in_each_zone(zones: int) -> None:
    used = items(resources(environment("blue")), zones)
    assert used == {"fargate vCPU": 0.75, "fargate GB": 1.5, "load balancer": 1, "public IPv4 address": zones}


def test_shared_agents_are_a_host_less() -> None:
    assert items(resources(platform()), 2) - items(resources(platform(agents="shared")), 2) == {
        "t3.medium": 1,
        "gp3, per GB": 30,
    }


def test_every_choice_has_a_number() -> None:
    plain = items(resources(platform(zones=3)), 3)
    dear = items(resources(platform(zones=3, natGateways="per-zone", registryEndpoints=True, **WITH_DOMAIN)), 3)
    assert dear["NAT gateway"] - plain["NAT gateway"] == 2
    assert dear["interface endpoint, per zone"] == 6
    assert (dear["load balancer"], dear["alarm"]) == (1, 7)


@pytest.mark.parametrize("graph", [platform(), environment("green")], ids=["platform", "green"])
def test_everything_that_is_counted_has_a_price(graph: Graph) -> None:
    assert all(prices().of(item) > 0 for item in items(resources(graph), 2))


def test_the_table_adds_up_and_says_what_it_leaves_out() -> None:
    text = report({"platform": resources(platform()), "blue": resources(environment("blue"))}, ZONES, prices())
    lines = text.splitlines()
    totals = [float(line.split()[-1]) for line in lines if not line.startswith((" ", "Prices"))]
    assert sum(totals[:-1]) == pytest.approx(totals[-1], abs=0.02)
    assert "us-east-1, 2026-11" in text
    assert "Left out: traffic" in text


def test_the_table_in_the_first_deployment_is_what_the_program_costs() -> None:
    stacks = {"platform": resources(platform()), **{name: resources(environment(name)) for name in ENVIRONMENTS}}
    assert report(stacks, ZONES, prices()) in (CHECKOUT / "docs" / "first-deployment.md").read_text(encoding="utf-8")


def test_extended_support_of_a_version_costs_six_times_as_much() -> None:
    assert prices().of("cluster in extended support") == 6 * prices().of("cluster")
