"""What holds for every resource of every stack."""

import json
import re
from collections.abc import Callable

import pytest

from infra import fargate
from infra.branches import PRODUCTION
from rehearsal.cloud.account import Cloud
from rehearsal.cloud.kinds import KINDS
from tests.graph import EKS_CLUSTER, WITH_DOMAIN, Graph, environment, platform, program, whole

STACKS: dict[str, Callable[[], Graph]] = {
    "platform": platform,
    "platform with everything": lambda: platform(
        **WITH_DOMAIN, registryEndpoints=True, natGateways="per-zone", zones=3
    ),
    "blue": lambda: environment("blue"),
    "green": lambda: environment("green"),
    "develop": lambda: environment("develop"),
    "green that owns both layers": whole,
}
EVERY = pytest.mark.parametrize("stack", STACKS)


@EVERY
def test_descriptions_of_firewalls_have_only_characters_that_ec2_takes(stack: str) -> None:
    """It refuses an apostrophe, a quarter of an hour into the first deployment.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html"""
    allowed = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]{1,255}")
    described = [
        f"{node}: {node.at('description')}"
        for node in STACKS[stack]()
        if "ecurityGroup" in node.type and not allowed.fullmatch(str(node.at("description")))
    ]
    assert described == []


@EVERY
def test_everything_in_aws_carries_the_tags_of_its_stack(stack: str) -> None:
    """Default tags come from the one provider, so each resource has to be its."""
    graph = STACKS[stack]()
    provider = graph.one("pulumi:providers:aws")
    tags = json.loads(provider.text("defaultTags"))["tags"]
    assert tags == {"Project": "smallcase", "Stack": graph.stack}
    strangers = [str(node) for node in graph if node.type.startswith("aws:") and node.provider != provider.urn]
    assert strangers == []
    clusters = [node for node in graph if node.type == EKS_CLUSTER]
    assert all(node.providers.get("aws") == provider.urn for node in clusters)


@EVERY
def test_everything_in_a_cluster_goes_there_by_a_provider_of_the_program(stack: str) -> None:
    graph = STACKS[stack]()
    providers = {node.urn for node in graph.any("pulumi:providers:kubernetes")}
    assert [str(node) for node in graph if node.type.startswith("kubernetes:") and node.provider not in providers] == []


@EVERY
def test_every_resource_belongs_to_a_component(stack: str) -> None:
    top = {"smallcase:platform:Platform", "smallcase:environment:Environment", "pulumi:providers:aws"}
    graph = STACKS[stack]()
    assert {node.type for node in graph if node.parent not in graph.nodes} <= top


@EVERY
def test_no_physical_name_is_longer_than_aws_takes(stack: str) -> None:
    graph = STACKS[stack]()
    assert_names_fit(graph)


def test_names_fit_even_where_the_stacks_name_is_long() -> None:
    graph = program("green", named="a-stack-with-a-name-that-nobody-would-want-to-type-but-somebody-does-" + "x" * 24,
                    changes={"platform": "self", **WITH_DOMAIN, "namespace": "smallcase-green"})  # fmt: skip
    assert_names_fit(graph)


@pytest.mark.parametrize("domains", [("", ""), ("example.org", "example.net")])
def test_an_account_holds_two_platforms_beside_one_another(domains: tuple[str, str]) -> None:
    """The stand-in refuses what AWS refuses: a second role, repository, cluster or parameter of the same name."""
    cloud, held = Cloud(), list[int]()
    for stack, domain in zip(("platform", "second"), domains, strict=True):
        program("platform", changes={**WITH_DOMAIN, "domain": domain} if domain else {}, named=stack, cloud=cloud)
        made = {(one.type, one.id) for one in cloud if one.type.startswith("aws:")}
        # A validation is nothing in itself, and its id a date.
        held.append(len([type_ for type_, _ in made if "Validation" not in type_]))
    assert held[1] == 2 * held[0]


def assert_names_fit(graph: Graph) -> None:
    for resource in graph.mocks.cloud:
        if resource.type in KINDS:
            kind = KINDS[resource.type]
            name = resource.text(kind.named) if kind.named else ""
            assert len(name) <= kind.longest, f"{resource.type} {name}"


@EVERY
def test_every_namespace_with_pods_is_selected_by_the_fargate_profile(stack: str) -> None:
    graph = STACKS[stack]()
    pods = graph.any("kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet", "kubernetes:batch/v1:Job")
    namespaces = {node.text("metadata", "namespace") for node in pods}
    namespaces |= {node.text("namespace") for node in graph.any("kubernetes:helm.sh/v3:Release")}
    assert [name for name in sorted(namespaces) if not fargate.selects(name)] == []


def test_with_both_layers_in_one_stack_an_environment_comes_after_the_controller_and_goes_before_it() -> None:
    graph = whole()
    controller = graph.one("kubernetes:helm.sh/v3:Release")
    [owner] = graph.of("smallcase:environment:Environment")
    environments = [node for node in graph.children(owner.urn) if node.type.startswith("kubernetes:")]
    assert environments
    assert [str(node) for node in environments if not graph.depends(node, controller)] == []


def test_with_both_layers_in_one_stack_everything_in_the_cluster_goes_before_the_network() -> None:
    graph = whole()
    network = [node for node in graph if "platform:Network$" in node.urn]
    inside = [node for node in graph if node.type.startswith("kubernetes:")]
    assert len(network) > 15
    assert len(inside) > 10
    assert [f"{node} before {part}" for node in inside for part in network if not graph.depends(node, part)] == []


@EVERY
def test_no_secret_is_in_state_or_outputs(stack: str) -> None:
    graph = STACKS[stack]()
    # Whoever previews decrypts the state, so what builds and pushes has no secret input: its password would be theirs.
    assert [str(node) for node in graph if node.type.startswith("docker-build:") and node.secrets] == []
    # What looks like a credential is none of ours to hold.
    assert not [str(node) for node, text in graph.strings() if re.search(r"AKIA[0-9A-Z]{16}|PRIVATE KEY-----", text)]


@EVERY
def test_what_holds_data_or_takes_long_to_rebuild_is_protected(stack: str) -> None:
    graph = STACKS[stack]()
    held = {
        "aws:ebs/volume:Volume",
        "aws:ec2/vpc:Vpc",
        "aws:ecr/repository:Repository",
        "aws:kms/key:Key",
        EKS_CLUSTER,
        "kubernetes:helm.sh/v3:Release",
    }
    assert [str(node) for node in graph if node.type in held and not node.protect] == []
    # An environment can always be taken down, and production once somebody has lifted that.
    for owner in graph.any("smallcase:environment:Environment"):
        kept = [node.type for node in graph.children(owner.urn) if node.protect]
        production = graph.outputs["environment"] == PRODUCTION
        assert kept == (["kubernetes:networking.k8s.io/v1:Ingress"] if production else [])


@EVERY
def test_no_two_resources_of_a_kind_share_a_name_where_one_would_take_the_others_place(stack: str) -> None:
    graph = STACKS[stack]()
    for holder in ("aws:iam/rolePolicy:RolePolicy",):
        ids = [(node.at("role"), node.at("name")) for node in graph.any(holder) if node.at("name")]
        assert len(ids) == len({str(id_) for id_ in ids})
