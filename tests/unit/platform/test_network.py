"""The VPC and its ways out."""

from ipaddress import IPv4Network
from types import SimpleNamespace

import pulumi
import pytest

from infra.platform import network
from tests.graph import Graph, platform
from tests.policies import many


def subnets(graph: Graph, tag: str) -> list[IPv4Network]:
    return [
        IPv4Network(node.text("cidrBlock")) for node in graph.of("aws:ec2/subnet:Subnet") if node.at("tags", tag) == "1"
    ]


@pytest.mark.trap("T14")
def test_names_resolve_inside_the_vpc_or_the_clusters_private_endpoint_would_not() -> None:
    vpc = platform().one("aws:ec2/vpc:Vpc")
    assert (vpc.at("enableDnsHostnames"), vpc.at("enableDnsSupport")) == (True, True)


@pytest.mark.trap("T25")
@pytest.mark.parametrize(("zones", "network"), [("2", "10.42.0.0/16"), ("3", "192.168.0.0/20")])
def test_the_ingress_controller_finds_public_and_private_subnets_with_room_in_every_zone(
    zones: str, network: str
) -> None:
    graph = platform(zones=zones, network=network)
    for role in ("kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"):
        found = subnets(graph, role)
        assert len(found) == int(zones)
        # AWS keeps five addresses of each.
        assert all(subnet.num_addresses - 5 >= 8 for subnet in found)
    zones_of = {node.text("availabilityZone") for node in graph.of("aws:ec2/subnet:Subnet")}
    assert len(zones_of) == int(zones)


@pytest.mark.trap("T25")
def test_no_subnet_is_tagged_for_another_cluster() -> None:
    tags = [node.at("tags") for node in platform().of("aws:ec2/subnet:Subnet")]
    assert not any("kubernetes.io/cluster" in str(tag) for tag in tags)


@pytest.mark.trap("T13")
def test_the_cluster_and_what_runs_in_it_come_after_every_route_and_go_before_it() -> None:
    graph = platform()
    routing = graph.of(
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/natGateway:NatGateway",
    )
    users = [graph.one("eks:index:Cluster"), graph.one("kubernetes:helm.sh/v3:Release")]
    users += graph.of("aws:ec2/instance:Instance")
    assert [(str(user), str(route)) for user in users for route in routing if not graph.depends(user, route)] == []


def test_one_nat_gateway_serves_all_zones_unless_each_is_to_have_its_own() -> None:
    def gateways(**changes: str) -> set[str]:
        routes = platform(**changes).of("aws:ec2/route:Route")
        return {route.text("natGatewayId") for route in routes if route.at("natGatewayId")}

    # A public NAT gateway cannot be made before the VPC has a way out.
    graph = platform()
    internet = graph.one("aws:ec2/internetGateway:InternetGateway")
    assert all(graph.depends(gateway, internet) for gateway in graph.of("aws:ec2/natGateway:NatGateway"))
    assert len(gateways()) == 1
    assert len(gateways(natGateways="per-zone", zones="3")) == 3


@pytest.mark.trap("T59")
def test_an_elastic_ip_says_its_domain_as_version_7_of_the_provider_wants_it() -> None:
    for address in platform().of("aws:ec2/eip:Eip"):
        assert address.at("domain") == "vpc"
        assert "vpc" not in address.inputs


def test_only_the_private_subnets_lack_a_route_to_the_internet_gateway() -> None:
    graph = platform()
    through = {
        route.text("routeTableId") for route in graph.of("aws:ec2/route:Route") if route.at("gatewayId") is not None
    }
    assert len(through) == 1
    public = {
        association.name
        for association in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
        if association.text("routeTableId") in through
    }
    assert public == {"public-0", "public-1"}


def test_image_layers_come_from_s3_without_passing_the_nat_gateway() -> None:
    graph = platform()
    endpoint = graph.one("aws:ec2/vpcEndpoint:VpcEndpoint", "s3")
    private = [route.text("routeTableId") for route in graph.of("aws:ec2/route:Route") if route.at("natGatewayId")]
    assert (endpoint.at("serviceName"), endpoint.at("vpcEndpointType")) == ("com.amazonaws.us-east-1.s3", "Gateway")
    assert sorted(many(endpoint.at("routeTableIds"))) == sorted(private)


def test_pulls_stay_inside_the_vpc_where_that_is_configured() -> None:
    graph = platform(registryEndpoints=True)
    services = {node.text("serviceName") for node in graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")}
    assert services == {f"com.amazonaws.us-east-1.{service}" for service in ("s3", "ecr.api", "ecr.dkr")}
    rule = graph.one("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "registry-endpoints")
    assert (rule.at("cidrIpv4"), rule.at("fromPort"), rule.at("toPort")) == ("10.42.0.0/16", 443, 443)
    for service in ("ecr.api", "ecr.dkr"):
        assert graph.one("aws:ec2/vpcEndpoint:VpcEndpoint", service).at("privateDnsEnabled") is True


def test_the_default_security_group_lets_nobody_in_or_out() -> None:
    group = platform().one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert (group.at("ingress"), group.at("egress")) == ([], [])


def test_flow_logs_are_kept_for_two_weeks_and_written_by_a_role_that_can_do_nothing_else() -> None:
    graph = platform()
    group = graph.one("aws:cloudwatch/logGroup:LogGroup", "flow-logs")
    assert group.at("retentionInDays") == 14
    assert graph.one("aws:ec2/flowLog:FlowLog").at("trafficType") == "ALL"
    assert graph.one("aws:ec2/flowLog:FlowLog").at("logDestination") == (
        f"arn:aws:logs:us-east-1:123456789012:log-group:{group.text('name')}"
    )
    assert "logs:" in graph.one("aws:iam/rolePolicy:RolePolicy", "flow-logs").text("policy")


def test_zones_that_eks_or_fargate_cannot_use_are_left_out_whatever_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def answer(**question: object) -> SimpleNamespace:
        asked.update(question)
        return SimpleNamespace(names=["us-east-1d", "us-east-1b"])

    monkeypatch.setattr("pulumi_aws.get_availability_zones", answer)
    assert network.available_zones(2, pulumi.InvokeOptions()) == ["us-east-1b", "us-east-1d"]
    assert asked["exclude_zone_ids"] == ["use1-az3", "usw1-az2", "cac1-az3", "apne1-az3"]
