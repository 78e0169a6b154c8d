"""What EC2 refuses: networks, security groups, routes and gateways, instances with their interfaces and volumes."""

# Every check is given the account, whether it looks at it or not.
# ruff: noqa: ARG001

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rehearsal.cloud.properties import Properties, object_at, objects_at, text_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.rules.tables import Check, DeleteCheck, Holders

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

VPC: Final = "aws:ec2/vpc:Vpc"
SUBNET: Final = "aws:ec2/subnet:Subnet"
INTERNET_GATEWAY: Final = "aws:ec2/internetGateway:InternetGateway"
GROUP_RULES: Final = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)
_GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
_TABLE: Final = "aws:ec2/routeTable:RouteTable"
_ASSOCIATION: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"
_ROUTE: Final = "aws:ec2/route:Route"
_NAT: Final = "aws:ec2/natGateway:NatGateway"
_ENDPOINT: Final = "aws:ec2/vpcEndpoint:VpcEndpoint"
_ADDRESS: Final = "aws:ec2/eip:Eip"
_INTERFACE: Final = "aws:ec2/networkInterface:NetworkInterface"
_INSTANCE: Final = "aws:ec2/instance:Instance"
_VOLUME: Final = "aws:ebs/volume:Volume"
_SUBNET_USERS: Final = (
    _NAT,
    _INSTANCE,
    _INTERFACE,
    _ENDPOINT,
    "aws:eks/cluster:Cluster",
    "aws:lb/loadBalancer:LoadBalancer",
)

ID: Final = re.compile(r"(vpc|subnet|igw|nat|rtb|eipalloc|eni|vol|i|sg)-[0-9a-f]{17}")

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
NOT_FOUND: Final[Mapping[str, tuple[str, str, str]]] = {
    "vpc": (VPC, "InvalidVpcID.NotFound", "The vpc ID '{id}' does not exist"),
    "subnet": (SUBNET, "InvalidSubnetID.NotFound", "The subnet ID '{id}' does not exist"),
    "igw": (INTERNET_GATEWAY, "InvalidInternetGatewayID.NotFound", "The internetGateway ID '{id}' does not exist"),
    "nat": (_NAT, "NatGatewayNotFound", "The Nat Gateway {id} was not found"),
    "rtb": (_TABLE, "InvalidRouteTableID.NotFound", "The routeTable ID '{id}' does not exist"),
    "eipalloc": (_ADDRESS, "InvalidAllocationID.NotFound", "The allocation ID '{id}' does not exist"),
    "eni": (_INTERFACE, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{id}' does not exist"),
    "vol": (_VOLUME, "InvalidVolume.NotFound", "The volume '{id}' does not exist."),
    "i": (_INSTANCE, "InvalidInstanceID.NotFound", "The instance ID '{id}' does not exist"),
    "sg": (_GROUP, "InvalidGroup.NotFound", "The security group '{id}' does not exist"),
}
"""By the prefix of an id: its type, and the refusal of one that is not there."""


def _network(cidr: str, code: str, operation: str) -> ipaddress.IPv4Network:
    """The range, which is between /16 and /28 (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)."""
    with suppress(ValueError):
        network = ipaddress.IPv4Network(cidr)
        if 16 <= network.prefixlen <= 28:
            return network
    raise ApiError("EC2", operation, code, f"The CIDR '{cidr}' is invalid.")


def _check_vpc(cloud: "Cloud", inputs: Properties) -> None:
    _network(text_at(inputs, "cidrBlock"), "InvalidVpc.Range", "CreateVpc")


def _check_subnet(cloud: "Cloud", inputs: Properties) -> None:
    cidr, vpc_id = text_at(inputs, "cidrBlock"), text_at(inputs, "vpcId")
    network = _network(cidr, "InvalidSubnet.Range", "CreateSubnet")
    vpc = cloud.find(VPC, vpc_id)
    if vpc is not None and not network.subnet_of(ipaddress.IPv4Network(vpc.text("cidrBlock"))):
        raise ApiError("EC2", "CreateSubnet", "InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    for other in cloud.of(SUBNET):
        if other.text("vpcId") == vpc_id and network.overlaps(ipaddress.IPv4Network(other.text("cidrBlock"))):
            raise ApiError(
                "EC2", "CreateSubnet", "InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet"
            )


def _check_description(operation: str, inputs: Properties) -> None:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html: no apostrophe, no letter beyond ASCII.
    if not re.fullmatch(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}", text_at(inputs, "description")):
        raise ApiError(
            "EC2",
            operation,
            "InvalidParameterValue",
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: "
            "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )


def _check_group_rule(cloud: "Cloud", inputs: Properties) -> None:
    _check_description("AuthorizeSecurityGroupRules", inputs)


def _check_security_group(cloud: "Cloud", inputs: Properties) -> None:
    _check_description("CreateSecurityGroup", inputs)
    name, vpc_id = text_at(inputs, "name"), text_at(inputs, "vpcId")
    for other in cloud.of(_GROUP):
        if (other.text("name"), other.text("vpcId")) == (name, vpc_id):
            raise ApiError(
                "EC2",
                "CreateSecurityGroup",
                "InvalidGroup.Duplicate",
                f"The security group '{name}' already exists for VPC '{vpc_id}'",
            )


def _check_route(cloud: "Cloud", inputs: Properties) -> None:
    destination = text_at(inputs, "destinationCidrBlock")
    for other in cloud.of(_ROUTE):
        if (other.text("routeTableId"), other.text("destinationCidrBlock")) == (
            text_at(inputs, "routeTableId"),
            destination,
        ):
            raise ApiError(
                "EC2", "CreateRoute", "RouteAlreadyExists", f"The route identified by {destination} already exists."
            )


def _check_instance(cloud: "Cloud", inputs: Properties) -> None:
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before encoding.
    packed = base64.b64decode(text_at(inputs, "userDataBase64"))
    if max(len(text_at(inputs, "userData").encode()), len(packed)) > 16384:
        raise ApiError("EC2", "RunInstances", "InvalidParameterValue", "User data is limited to 16384 bytes")
    interface = text_at(object_at(inputs, "primaryNetworkInterface"), "networkInterfaceId")
    if interface and any(other.refers_to(interface) for other in cloud.of(_INSTANCE)):
        raise ApiError("EC2", "RunInstances", "InvalidNetworkInterface.InUse", f"Interface {interface} is in use.")


def _check_no_load_balancer(cloud: "Cloud", subnet: Resource) -> None:
    """An Ingress has a load balancer with a network interface in each public subnet for as long as it exists; whoever
    deletes the controller or the cluster first leaves that behind
    (https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2014)."""
    public = object_at(subnet.inputs, "tags").get("kubernetes.io/role/elb") == "1"
    if public and cloud.of("kubernetes:networking.k8s.io/v1:Ingress"):
        message = f"The subnet '{subnet.id}' has dependencies and cannot be deleted."
        raise ApiError("EC2", "DeleteSubnet", "DependencyViolation", message)


def _check_gateway_detaches(cloud: "Cloud", gateway: Resource) -> None:
    vpc = gateway.text("vpcId")
    subnets = {subnet.id for subnet in cloud.of(SUBNET) if subnet.text("vpcId") == vpc}
    # https://repost.aws/knowledge-center/vpc-troubleshoot-detach-internet-gateway
    if any(nat.text("subnetId") in subnets for nat in cloud.of(_NAT)):
        raise ApiError(
            "EC2",
            "DetachInternetGateway",
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway.",
        )


def is_public(cloud: "Cloud", subnet_id: str) -> bool:
    """Whether the subnet's route table leads to an internet gateway."""
    tables = {link.text("routeTableId") for link in cloud.of(_ASSOCIATION) if link.text("subnetId") == subnet_id}
    routes = [route.inputs for route in cloud.of(_ROUTE) if route.text("routeTableId") in tables]
    for table in cloud.of(_TABLE):
        if table.id in tables:
            routes.extend(objects_at(table.inputs, "routes"))
    return any(text_at(route, "gatewayId").startswith("igw-") for route in routes)


def _instance_replaces(inputs: Properties) -> frozenset[str]:
    # https://www.pulumi.com/registry/packages/aws/api-docs/ec2/instance/#userdatareplaceonchange_python
    return frozenset({"userData", "userDataBase64"} if inputs.get("userDataReplaceOnChange") else ())


def brought(cloud: "Cloud") -> set[str]:
    """Ids of what comes with a VPC."""
    return {vpc.text(key) for vpc in cloud.of(VPC) for key in ("defaultSecurityGroupId", "mainRouteTableId")}


CHECKS: Final[Mapping[str, Check]] = {
    VPC: _check_vpc,
    SUBNET: _check_subnet,
    _GROUP: _check_security_group,
    **dict.fromkeys(GROUP_RULES, _check_group_rule),
    _ROUTE: _check_route,
    _INSTANCE: _check_instance,
}

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (DependencyViolation)
HELD_BY: Final[Mapping[str, tuple[Holders, ...]]] = {
    VPC: (
        Holders(
            (SUBNET, INTERNET_GATEWAY, _GROUP, _TABLE, _ENDPOINT),
            "DependencyViolation",
            "The vpc '{id}' has dependencies and cannot be deleted.",
        ),
    ),
    SUBNET: (
        Holders(_SUBNET_USERS, "DependencyViolation", "The subnet '{id}' has dependencies and cannot be deleted."),
    ),
    _GROUP: (
        Holders(
            (*GROUP_RULES, *_SUBNET_USERS, "aws:ec2/launchTemplate:LaunchTemplate"),
            "DependencyViolation",
            "resource {id} has a dependent object",
        ),
    ),
    _TABLE: (
        Holders(
            (_ASSOCIATION,), "DependencyViolation", "The routeTable '{id}' has dependencies and cannot be deleted."
        ),
    ),
    _INTERFACE: (Holders((_INSTANCE,), "InvalidNetworkInterface.InUse", "Interface {id} is in use."),),
    _ADDRESS: (Holders((_NAT,), "InvalidIPAddress.InUse", "Address {id} is in use."),),
    _VOLUME: (
        Holders(("aws:ec2/volumeAttachment:VolumeAttachment",), "VolumeInUse", "Volume {id} is currently attached"),
    ),
}

DELETE_CHECKS: Final[Mapping[str, DeleteCheck]] = {
    SUBNET: _check_no_load_balancer,
    INTERNET_GATEWAY: _check_gateway_detaches,
}

REPLACES: Final[Mapping[str, Callable[[Properties], frozenset[str]]]] = {_INSTANCE: _instance_replaces}
"""Inputs that EC2 or the provider cannot change in place as the others are, beside those of the table of kinds."""
