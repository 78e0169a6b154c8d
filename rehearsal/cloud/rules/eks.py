"""What EKS refuses: a cluster, and what is made in one."""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001
# Every check is given the account, whether it looks at it or not.
# ruff: noqa: ARG001

import ipaddress
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.cloud.properties import Properties, object_at, objects_at, text_at, texts_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.rules import ec2
from rehearsal.cloud.rules.tables import Check, DeleteCheck, Holders
from rehearsal.places import ZONES

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

_CLUSTER: Final = "aws:eks/cluster:Cluster"
_PROFILE: Final = "aws:eks/fargateProfile:FargateProfile"
_ENTRY: Final = "aws:eks/accessEntry:AccessEntry"

_RESERVED: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
_UNSUPPORTED_ZONES: Final = frozenset({"use1-az3"})


def _check_cluster(cloud: "Cloud", inputs: Properties) -> None:
    subnets = [cloud.find(ec2.SUBNET, id) for id in texts_at(object_at(inputs, "vpcConfig"), "subnetIds")]
    zones = {subnet.text("availabilityZone") for subnet in subnets if subnet is not None}
    # https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
    if len(zones) < 2:
        raise ApiError(
            "EKS",
            "CreateCluster",
            "InvalidParameterException",
            "Subnets specified must be in at least two different AZs",
        )
    # https://docs.aws.amazon.com/eks/latest/userguide/config-cluster-endpoint.html
    for cidr in texts_at(object_at(inputs, "vpcConfig"), "publicAccessCidrs"):
        if any(ipaddress.IPv4Network(cidr).overlaps(reserved) for reserved in _RESERVED):
            raise ApiError(
                "EKS",
                "CreateCluster",
                "InvalidParameterException",
                f"The following CIDRs are invalid in publicAccessCidrs: [{cidr}]",
            )
    # https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html#network-requirements-subnets
    for zone in sorted(zones):
        if ZONES.get(zone[-1:]) in _UNSUPPORTED_ZONES:
            raise ApiError(
                "EKS",
                "CreateCluster",
                "UnsupportedAvailabilityZoneException",
                f"Cannot create cluster '{text_at(inputs, 'name')}' because EKS does not support creating control "
                f"plane instances in {zone}, the targeted availability zone. Retry cluster creation using control "
                "plane subnets that span at least two other availability zones.",
            )


def _check_fargate_profile(cloud: "Cloud", inputs: Properties) -> None:
    cluster = text_at(inputs, "clusterName")
    _check_cluster_exists(cloud, "CreateFargateProfile", cluster)
    selectors = objects_at(inputs, "selectors")
    # https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html: up to five selectors, five labels each.
    if not 1 <= len(selectors) <= 5:
        raise ApiError(
            "EKS",
            "CreateFargateProfile",
            "InvalidParameterException",
            "Fargate Profile must have between 1 and 5 selectors",
        )
    for subnet in texts_at(inputs, "subnetIds"):
        # https://repost.aws/knowledge-center/eks-troubleshoot-fargate-profile
        if ec2.is_public(cloud, subnet):
            raise ApiError(
                "EKS",
                "CreateFargateProfile",
                "InvalidParameterException",
                f"Subnet {subnet} provided in Fargate Profile is not a private subnet",
            )


def _check_cluster_exists(cloud: "Cloud", operation: str, name: str) -> None:
    if cloud.find(_CLUSTER, name) is None:
        raise ApiError("EKS", operation, "ResourceNotFoundException", f"No cluster found for name: {name}.", 404)


def _check_access_entry(cloud: "Cloud", inputs: Properties) -> None:
    cluster_name, principal = text_at(inputs, "clusterName"), text_at(inputs, "principalArn")
    _check_cluster_exists(cloud, "CreateAccessEntry", cluster_name)
    cluster = cloud.find(_CLUSTER, cluster_name)
    access = object_at(cluster.outputs, "accessConfig") if cluster else {}
    if access.get("authenticationMode") == "CONFIG_MAP":
        raise ApiError(
            "EKS",
            "CreateAccessEntry",
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of "
            "[API, API_AND_CONFIG_MAP] to perform this operation.",
        )
    creator = access.get("bootstrapClusterCreatorAdminPermissions") and principal == cloud.settings.caller_arn
    entries = {(entry.text("clusterName"), entry.text("principalArn")) for entry in cloud.of(_ENTRY)}
    # The creator has an entry from the start: https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
    if creator or (cluster_name, principal) in entries:
        raise ApiError(
            "EKS",
            "CreateAccessEntry",
            "ResourceInUseException",
            "The specified access entry resource is already in use on this cluster.",
            409,
        )


def _check_addon(cloud: "Cloud", inputs: Properties) -> None:
    _check_cluster_exists(cloud, "CreateAddon", text_at(inputs, "clusterName"))


def _check_deletion_protection(cloud: "Cloud", cluster: Resource) -> None:
    if cluster.inputs.get("deletionProtection"):
        message = f"Cluster {cluster.id} has deletion protection enabled"
        raise ApiError("EKS", "DeleteCluster", "InvalidRequestException", message)


def _vpc_of_cluster(cloud: "Cloud", inputs: Properties) -> Properties:
    """The VPC of a cluster is that of its subnets."""
    for id in texts_at(object_at(inputs, "vpcConfig"), "subnetIds"):
        subnet = cloud.find(ec2.SUBNET, id)
        if subnet is not None:
            return {"vpcId": subnet.text("vpcId")}
    return {}


def brought(cloud: "Cloud") -> set[str]:
    """Ids of the security groups that come with a cluster."""
    clusters = cloud.of(_CLUSTER)
    return {text_at(object_at(cluster.outputs, "vpcConfig"), "clusterSecurityGroupId") for cluster in clusters}


CHECKS: Final[Mapping[str, Check]] = {
    _CLUSTER: _check_cluster,
    _PROFILE: _check_fargate_profile,
    _ENTRY: _check_access_entry,
    "aws:eks/addon:Addon": _check_addon,
}

# https://docs.aws.amazon.com/eks/latest/APIReference/API_DeleteCluster.html (ResourceInUseException)
HELD_BY: Final[Mapping[str, tuple[Holders, ...]]] = {
    _CLUSTER: (Holders((_PROFILE,), "ResourceInUseException", "Cluster has Fargate profiles attached"),),
}

DELETE_CHECKS: Final[Mapping[str, DeleteCheck]] = {_CLUSTER: _check_deletion_protection}

DERIVED: Final[Mapping[str, Callable[["Cloud", Properties], Properties]]] = {_CLUSTER: _vpc_of_cluster}
"""Outputs that EKS takes from another resource."""
