"""Decisions that are pure functions: they need neither Pulumi nor a cloud."""

from contextlib import suppress
from ipaddress import IPv4Network
from itertools import combinations

import pytest

from infra import fargate
from infra.fargate import PodSize
from infra.image_reference import ImageReference
from infra.names import physical_name
from infra.platform.addresses import divide


@pytest.mark.parametrize("network", ["10.42.0.0/16", "172.16.0.0/18", "192.168.0.0/20"])
def test_subnets_lie_in_the_vpc_and_do_not_overlap(network: str) -> None:
    vpc = IPv4Network(network)
    subnets = [subnet for zone in divide(vpc, 3) for subnet in (zone.private, zone.public)]
    assert all(subnet.subnet_of(vpc) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


def test_even_the_smallest_network_has_room_for_a_load_balancer_and_for_pods() -> None:
    for zone in divide(IPv4Network("192.168.0.0/20"), 3):
        assert zone.public.num_addresses - 5 >= 8
        assert zone.private.num_addresses >= 1024


def test_adding_a_zone_moves_no_subnet() -> None:
    vpc = IPv4Network("10.42.0.0/16")
    assert divide(vpc, 3)[:2] == divide(vpc, 2)


def test_a_fourth_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="not 4"):
        divide(IPv4Network("10.42.0.0/16"), 4)


@pytest.mark.parametrize(
    ("size", "cpu", "memory"),
    [("0.25vCPU-0.5GB", "250m", "256Mi"), ("1vCPU-2GB", "1000m", "1792Mi"), ("16vCPU-120GB", "16000m", "122624Mi")],
)
def test_a_pod_asks_for_what_fargate_rounds_up_to_its_size(size: str, cpu: str, memory: str) -> None:
    assert PodSize.parse(size).requests == {"cpu": cpu, "memory": memory}


@pytest.mark.parametrize(
    ("cpu", "memories"),
    [
        ("0.25", ["0.5", "1", "2"]),
        ("0.5", ["1", "2", "3", "4"]),
        ("1", ["2", "3", "4", "5", "6", "7", "8"]),
        ("2", [str(gigabytes) for gigabytes in range(4, 17)]),
        ("4", [str(gigabytes) for gigabytes in range(8, 31)]),
        ("8", [str(gigabytes) for gigabytes in range(16, 61, 4)]),
        ("16", [str(gigabytes) for gigabytes in range(32, 121, 8)]),
    ],
)
def test_fargate_has_these_sizes_and_no_others(cpu: str, memories: list[str]) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html"""
    taken: list[str] = []
    for memory in ["0.5", *map(str, range(1, 200))]:
        with suppress(ValueError):
            PodSize.parse(f"{cpu}vCPU-{memory}GB")
            taken.append(memory)
    assert taken == memories


@pytest.mark.parametrize("size", ["0.25vCPU-4GB", "8vCPU-18GB", "0.3vCPU-1GB", "1GB", "1vCPU-2GB ", "NaNvCPU-1GB", ""])
def test_a_size_that_fargate_does_not_have_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match=r"vCPU|GB"):
        PodSize.parse(size)


def test_the_fargate_profile_selects_every_environment_and_the_controllers() -> None:
    assert [name for name in ("smallcase-blue", "smallcase-pr-7", "kube-system") if not fargate.selects(name)] == []
    assert [name for name in ("default", "smallcase", "shop-smallcase-blue") if fargate.selects(name)] == []
    assert len(fargate.NAMESPACE_SELECTORS) <= 5


def test_a_short_name_is_kept_and_a_long_one_ends_in_a_hash_of_the_whole() -> None:
    assert physical_name("smallcase", "blue", limit=32) == "smallcase-blue"
    one, other = (physical_name("smallcase", "x" * 40, ending, limit=32) for ending in ("a", "b"))
    assert len(one) == len(other) == 32
    assert one != other


def test_an_image_reference_reads_back_as_it_was_written() -> None:
    text = "localhost:5077/smallcase:green-0123456789ab-dirty-01234567@sha256:" + "0" * 64
    reference = ImageReference.parse(text)
    assert str(reference) == text
    assert reference.commit == "0123456789ab-dirty-01234567"
