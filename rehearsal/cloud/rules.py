"""What AWS's API refuses at once, in its own words.

Only what the API checks in the call itself. What AWS accepts and what fails later is refused by the program's own
settings.
"""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001
# The protocol gives every method its request and context, the table gives every function the account.
# ruff: noqa: ARG001

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from rehearsal.cloud import images
from rehearsal.cloud.kinds import kind_of
from rehearsal.cloud.properties import Properties, Value, strings_in
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

ZONES: Final = {"a": "use1-az1", "b": "use1-az2", "c": "use1-az4", "d": "use1-az3"}
"""Ids of the region's zones by the last letter of their names, which differ from account to account."""
_NOT_FOR_EKS: Final = frozenset({"use1-az3"})

_EC2_ID: Final = re.compile(r"(vpc|subnet|igw|nat|rtb|eipalloc|eni|vol|i|sg)-[0-9a-f]{17}")

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_NOT_FOUND: Final[Mapping[str, tuple[str, str, str]]] = {
    "vpc": ("aws:ec2/vpc:Vpc", "InvalidVpcID.NotFound", "The vpc ID '{id}' does not exist"),
    "subnet": ("aws:ec2/subnet:Subnet", "InvalidSubnetID.NotFound", "The subnet ID '{id}' does not exist"),
    "igw": (
        "aws:ec2/internetGateway:InternetGateway",
        "InvalidInternetGatewayID.NotFound",
        "The internetGateway ID '{id}' does not exist",
    ),
    "nat": ("aws:ec2/natGateway:NatGateway", "NatGatewayNotFound", "The Nat Gateway {id} was not found"),
    "rtb": ("aws:ec2/routeTable:RouteTable", "InvalidRouteTableID.NotFound", "The routeTable ID '{id}' does not exist"),
    "eipalloc": (
        "aws:ec2/eip:Eip",
        "InvalidAllocationID.NotFound",
        "The allocation ID '{id}' does not exist",
    ),
    "eni": (
        "aws:ec2/networkInterface:NetworkInterface",
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID '{id}' does not exist",
    ),
    "vol": ("aws:ebs/volume:Volume", "InvalidVolume.NotFound", "The volume '{id}' does not exist."),
    "i": ("aws:ec2/instance:Instance", "InvalidInstanceID.NotFound", "The instance ID '{id}' does not exist"),
    "sg": ("aws:ec2/securityGroup:SecurityGroup", "InvalidGroup.NotFound", "The security group '{id}' does not exist"),
}

_VPC: Final = "aws:ec2/vpc:Vpc"
_SUBNET: Final = "aws:ec2/subnet:Subnet"
_NAT: Final = "aws:ec2/natGateway:NatGateway"
_REPOSITORY: Final = "aws:ecr/repository:Repository"
_CLUSTER: Final = "aws:eks/cluster:Cluster"
_ENTRY: Final = "aws:eks/accessEntry:AccessEntry"
_INSTANCE: Final = "aws:ec2/instance:Instance"
_INTERFACE: Final = "aws:ec2/networkInterface:NetworkInterface"
_SUBNET_USERS: Final = (
    _NAT,
    _CLUSTER,
    _INSTANCE,
    _INTERFACE,
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:lb/loadBalancer:LoadBalancer",
)
_GROUP_RULES: Final = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)

# What keeps a resource from being deleted: the types that may refer to it, and the refusal.
# EC2: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (DependencyViolation);
# IAM: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html (DeleteConflict) and its neighbours;
# EKS: https://docs.aws.amazon.com/eks/latest/APIReference/API_DeleteCluster.html (ResourceInUseException).
_HELD_BY: Final[Mapping[str, tuple[tuple[tuple[str, ...], str, str], ...]]] = {
    _VPC: (
        (
            (
                _SUBNET,
                "aws:ec2/internetGateway:InternetGateway",
                "aws:ec2/securityGroup:SecurityGroup",
                "aws:ec2/routeTable:RouteTable",
                "aws:ec2/vpcEndpoint:VpcEndpoint",
            ),
            "DependencyViolation",
            "The vpc '{id}' has dependencies and cannot be deleted.",
        ),
    ),
    _SUBNET: ((_SUBNET_USERS, "DependencyViolation", "The subnet '{id}' has dependencies and cannot be deleted."),),
    "aws:ec2/securityGroup:SecurityGroup": (
        (
            (*_GROUP_RULES, *_SUBNET_USERS, "aws:ec2/launchTemplate:LaunchTemplate"),
            "DependencyViolation",
            "resource {id} has a dependent object",
        ),
    ),
    "aws:ec2/routeTable:RouteTable": (
        (
            ("aws:ec2/routeTableAssociation:RouteTableAssociation",),
            "DependencyViolation",
            "The routeTable '{id}' has dependencies and cannot be deleted.",
        ),
    ),
    _INTERFACE: (((_INSTANCE,), "InvalidNetworkInterface.InUse", "Interface {id} is in use."),),
    "aws:ec2/eip:Eip": (((_NAT,), "InvalidIPAddress.InUse", "Address {id} is in use."),),
    "aws:ebs/volume:Volume": (
        (("aws:ec2/volumeAttachment:VolumeAttachment",), "VolumeInUse", "Volume {id} is currently attached"),
    ),
    "aws:iam/role:Role": (
        (
            ("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
            "DeleteConflict",
            "Cannot delete entity, must detach all policies first.",
        ),
        (("aws:iam/rolePolicy:RolePolicy",), "DeleteConflict", "Cannot delete entity, must delete policies first."),
        (
            ("aws:iam/instanceProfile:InstanceProfile",),
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        ),
    ),
    "aws:iam/policy:Policy": (
        (
            ("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        ),
    ),
    _CLUSTER: (
        (("aws:eks/fargateProfile:FargateProfile",), "ResourceInUseException", "Cluster has Fargate profiles attached"),
    ),
    "aws:lb/targetGroup:TargetGroup": (
        (
            ("aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"),
            "ResourceInUse",
            "Target group '{id}' is currently in use by a listener or a rule",
        ),
    ),
}


def _text(inputs: Properties, key: str) -> str:
    value = inputs.get(key)
    return value if isinstance(value, str) else ""


def _texts(inputs: Properties, key: str) -> list[str]:
    value = inputs.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _objects(inputs: Properties, key: str) -> list[Properties]:
    value = inputs.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(inputs: Properties, key: str) -> Properties:
    value = inputs.get(key)
    return value if isinstance(value, dict) else {}


def _network(cidr: str, code: str, operation: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ApiError("EC2", operation, code, f"The CIDR '{cidr}' is invalid.") from error


def _check_vpc(cloud: "Cloud", inputs: Properties) -> None:
    cidr = _text(inputs, "cidrBlock")
    # https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html: between /16 and /28.
    if not 16 <= _network(cidr, "InvalidVpc.Range", "CreateVpc").prefixlen <= 28:
        raise ApiError("EC2", "CreateVpc", "InvalidVpc.Range", f"The CIDR '{cidr}' is invalid.")


def _check_subnet(cloud: "Cloud", inputs: Properties) -> None:
    cidr, vpc_id = _text(inputs, "cidrBlock"), _text(inputs, "vpcId")
    network = _network(cidr, "InvalidSubnet.Range", "CreateSubnet")
    vpc = cloud.find(_VPC, vpc_id)
    outside = vpc is not None and not network.subnet_of(ipaddress.IPv4Network(vpc.text("cidrBlock")))
    if outside or not 16 <= network.prefixlen <= 28:
        raise ApiError("EC2", "CreateSubnet", "InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    for other in cloud.of(_SUBNET):
        if other.text("vpcId") == vpc_id and network.overlaps(ipaddress.IPv4Network(other.text("cidrBlock"))):
            raise ApiError(
                "EC2", "CreateSubnet", "InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet"
            )


def _check_description(operation: str, inputs: Properties) -> None:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html: no apostrophe, no letter beyond ASCII.
    if not re.fullmatch(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}", _text(inputs, "description")):
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
    name, vpc_id = _text(inputs, "name"), _text(inputs, "vpcId")
    for other in cloud.of("aws:ec2/securityGroup:SecurityGroup"):
        if (other.text("name"), other.text("vpcId")) == (name, vpc_id):
            raise ApiError(
                "EC2",
                "CreateSecurityGroup",
                "InvalidGroup.Duplicate",
                f"The security group '{name}' already exists for VPC '{vpc_id}'",
            )


def _check_route(cloud: "Cloud", inputs: Properties) -> None:
    destination = _text(inputs, "destinationCidrBlock")
    for other in cloud.of("aws:ec2/route:Route"):
        if (other.text("routeTableId"), other.text("destinationCidrBlock")) == (
            _text(inputs, "routeTableId"),
            destination,
        ):
            raise ApiError(
                "EC2", "CreateRoute", "RouteAlreadyExists", f"The route identified by {destination} already exists."
            )


def _check_instance(cloud: "Cloud", inputs: Properties) -> None:
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before encoding.
    packed = base64.b64decode(_text(inputs, "userDataBase64"))
    if max(len(_text(inputs, "userData").encode()), len(packed)) > 16384:
        raise ApiError("EC2", "RunInstances", "InvalidParameterValue", "User data is limited to 16384 bytes")
    interface = _text(_object(inputs, "primaryNetworkInterface"), "networkInterfaceId")
    if interface and any(_holds_text(other, interface) for other in cloud.of(_INSTANCE)):
        raise ApiError("EC2", "RunInstances", "InvalidNetworkInterface.InUse", f"Interface {interface} is in use.")


def _check_policy_text(operation: str, document: str, limit: int, limit_text: str) -> None:
    try:
        json.loads(document)
    except ValueError as error:
        raise ApiError("IAM", operation, "MalformedPolicyDocument", "This policy contains invalid Json") from error
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: white space is not counted.
    if len(re.sub(r"\s", "", document)) > limit:
        raise ApiError("IAM", operation, "LimitExceeded", f"Cannot exceed quota for {limit_text}: {limit}", 409)


def _check_iam_name(operation: str, member: str, name: str, longest: int) -> None:
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    if len(name) > longest:
        reason = f"Member must have length less than or equal to {longest}"
    elif not re.fullmatch(r"[\w+=,.@-]+", name):
        reason = "Member must satisfy regular expression pattern: [\\w+=,.@-]+"
    else:
        return
    raise ApiError(
        "IAM",
        operation,
        "ValidationError",
        f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {reason}",
    )


def _check_role(cloud: "Cloud", inputs: Properties) -> None:
    _check_iam_name("CreateRole", "roleName", _text(inputs, "name"), 64)
    _check_policy_text("CreateRole", _text(inputs, "assumeRolePolicy"), 2048, "ACLSizePerRole")


def _check_policy(cloud: "Cloud", inputs: Properties) -> None:
    _check_iam_name("CreatePolicy", "policyName", _text(inputs, "name"), 128)
    _check_policy_text("CreatePolicy", _text(inputs, "policy"), 6144, "PolicySize")


def _check_role_policy(cloud: "Cloud", inputs: Properties) -> None:
    _check_policy_text("PutRolePolicy", _text(inputs, "policy"), 10240, "RolePolicySize")


def _check_repository(cloud: "Cloud", inputs: Properties) -> None:
    name = _text(inputs, "name")
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
    pattern = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
    if not re.fullmatch(pattern, name):
        raise ApiError(
            "ECR",
            "CreateRepository",
            "InvalidParameterException",
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            f"'must satisfy regular expression '{pattern}''",
        )


def _check_cluster(cloud: "Cloud", inputs: Properties) -> None:
    subnets = [cloud.find(_SUBNET, id) for id in _texts(_object(inputs, "vpcConfig"), "subnetIds")]
    zones = {subnet.text("availabilityZone") for subnet in subnets if subnet is not None}
    # https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
    if len(zones) < 2:
        raise ApiError(
            "EKS",
            "CreateCluster",
            "InvalidParameterException",
            "Subnets specified must be in at least two different AZs",
        )
    # https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html#network-requirements-subnets
    for zone in sorted(zones):
        if ZONES.get(zone[-1:]) in _NOT_FOR_EKS:
            raise ApiError(
                "EKS",
                "CreateCluster",
                "UnsupportedAvailabilityZoneException",
                f"Cannot create cluster '{_text(inputs, 'name')}' because EKS does not support creating control plane "
                f"instances in {zone}, the targeted availability zone. Retry cluster creation using control plane "
                "subnets that span at least two other availability zones.",
            )


def _check_load_balancer(cloud: "Cloud", inputs: Properties) -> None:
    if inputs.get("internal"):
        return
    subnets = [cloud.find(_SUBNET, id) for id in _texts(inputs, "subnets")]
    gateways = {gateway.text("vpcId") for gateway in cloud.of("aws:ec2/internetGateway:InternetGateway")}
    for vpc in sorted({subnet.text("vpcId") for subnet in subnets if subnet} - gateways):
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
        message = f"VPC {vpc} has no internet gateway"
        raise ApiError("Elastic Load Balancing v2", "CreateLoadBalancer", "InvalidSubnet", message)


def is_public(cloud: "Cloud", subnet_id: str) -> bool:
    """Whether the subnet's route table leads to an internet gateway."""
    tables = {
        link.text("routeTableId")
        for link in cloud.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
        if link.text("subnetId") == subnet_id
    }
    routes = [route.inputs for route in cloud.of("aws:ec2/route:Route") if route.text("routeTableId") in tables]
    for table in cloud.of("aws:ec2/routeTable:RouteTable"):
        if table.id in tables:
            routes.extend(_objects(table.inputs, "routes"))
    return any(_text(route, "gatewayId").startswith("igw-") for route in routes)


def _check_fargate_profile(cloud: "Cloud", inputs: Properties) -> None:
    cluster = _text(inputs, "clusterName")
    _check_cluster_exists(cloud, "CreateFargateProfile", cluster)
    selectors = _objects(inputs, "selectors")
    # https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html: up to five selectors, five labels each.
    if not 1 <= len(selectors) <= 5:
        raise ApiError(
            "EKS",
            "CreateFargateProfile",
            "InvalidParameterException",
            "Fargate Profile must have between 1 and 5 selectors",
        )
    for subnet in _texts(inputs, "subnetIds"):
        # https://repost.aws/knowledge-center/eks-troubleshoot-fargate-profile
        if is_public(cloud, subnet):
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
    cluster_name, principal = _text(inputs, "clusterName"), _text(inputs, "principalArn")
    _check_cluster_exists(cloud, "CreateAccessEntry", cluster_name)
    cluster = cloud.find(_CLUSTER, cluster_name)
    access = _object(cluster.outputs, "accessConfig") if cluster else {}
    if access.get("authenticationMode") == "CONFIG_MAP":
        raise ApiError(
            "EKS",
            "CreateAccessEntry",
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of "
            "[API, API_AND_CONFIG_MAP] to perform this operation.",
        )
    creator = access.get("bootstrapClusterCreatorAdminPermissions") and principal == caller_arn(cloud.settings.account)
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
    _check_cluster_exists(cloud, "CreateAddon", _text(inputs, "clusterName"))


def caller_arn(account: str) -> str:
    """Who the provider's calls are made by."""
    return f"arn:aws:iam::{account}:user/rehearsal"


_CHECKS: Final[Mapping[str, Callable[["Cloud", Properties], None]]] = {
    _VPC: _check_vpc,
    _SUBNET: _check_subnet,
    "aws:ec2/securityGroup:SecurityGroup": _check_security_group,
    "aws:ec2/route:Route": _check_route,
    _INSTANCE: _check_instance,
    "aws:iam/role:Role": _check_role,
    "aws:iam/policy:Policy": _check_policy,
    "aws:iam/rolePolicy:RolePolicy": _check_role_policy,
    _REPOSITORY: _check_repository,
    _CLUSTER: _check_cluster,
    "aws:eks/fargateProfile:FargateProfile": _check_fargate_profile,
    _ENTRY: _check_access_entry,
    **dict.fromkeys(_GROUP_RULES, _check_group_rule),
    "aws:lb/loadBalancer:LoadBalancer": _check_load_balancer,
    "aws:eks/addon:Addon": _check_addon,
}


def _check_references(cloud: "Cloud", type: str, operation: str, inputs: Properties) -> None:
    default_groups = {_cluster_group(cluster) for cluster in cloud.of(_CLUSTER)}
    default_groups |= {vpc.text("defaultSecurityGroupId") for vpc in cloud.of(_VPC)}
    tables = {vpc.text("mainRouteTableId") for vpc in cloud.of(_VPC)}
    for text in strings_in(cast(Value, inputs)):
        found = _EC2_ID.fullmatch(text)
        if found is None or text in default_groups or text in tables:
            continue
        of_type, code, message = _NOT_FOUND[found[1]]
        if cloud.find(of_type, text) is None:
            raise ApiError(kind_of(type).service, operation, code, message.format(id=text))


def _cluster_group(cluster: Resource) -> str:
    return _text(_object(cluster.outputs, "vpcConfig"), "clusterSecurityGroupId")


def check_create(cloud: "Cloud", type: str, inputs: Properties) -> None:
    """Raises `ApiError` where AWS refuses to create such a resource beside those that the account has."""
    kind = kind_of(type)
    operation = f"Create{kind.operation}"
    _check_references(cloud, type, operation, inputs)
    name = _text(inputs, kind.named)
    if kind.duplicate is not None and any(other.text(kind.named) == name for other in cloud.of(type)):
        code, message = kind.duplicate
        text = message.format(name=name, account=cloud.settings.account, region=cloud.settings.region)
        raise ApiError(kind.service, operation, code, text, 409 if kind.service == "IAM" else 400)
    check = _CHECKS.get(type)
    if check is not None:
        check(cloud, inputs)


def check_update(cloud: "Cloud", type: str, inputs: Properties) -> None:
    """Raises `ApiError` where AWS refuses the new inputs."""
    _check_references(cloud, type, f"Modify{kind_of(type).operation}", inputs)
    match type:
        case "aws:iam/policy:Policy":
            _check_policy(cloud, inputs)
        case "aws:iam/rolePolicy:RolePolicy":
            _check_role_policy(cloud, inputs)
        case _:
            pass


def _holds(holder: Resource, held: Resource) -> bool:
    if holder.type in _GROUP_RULES and holder.text("securityGroupId") == held.id:
        return False  # A group's own rules go with it.
    return _holds_text(holder, held.id) or _holds_text(holder, held.text("arn"))


def _holds_text(holder: Resource, id: str) -> bool:
    return id in strings_in(holder.inputs)


def check_delete(cloud: "Cloud", resource: Resource) -> None:
    """Raises `ApiError` where AWS refuses to delete what others still refer to."""
    kind = kind_of(resource.type)
    operation = f"Delete{kind.operation}"
    for holders, code, message in _HELD_BY.get(resource.type, ()):
        if any(_holds(holder, resource) for type in holders for holder in cloud.of(type)):
            raise ApiError(
                kind.service, operation, code, message.format(id=resource.id), 409 if kind.service == "IAM" else 400
            )
    match resource.type:
        case "aws:ec2/subnet:Subnet":
            _check_no_load_balancer(cloud, resource)
        case "aws:ec2/internetGateway:InternetGateway":
            _check_gateway_detaches(cloud, resource)
        case "aws:ecr/repository:Repository":
            _check_repository_empty(cloud, resource)
        case "aws:eks/cluster:Cluster" if resource.inputs.get("deletionProtection"):
            message = f"Cluster {resource.id} has deletion protection enabled"
            raise ApiError("EKS", operation, "InvalidRequestException", message)
        case _:
            pass


def _check_no_load_balancer(cloud: "Cloud", subnet: Resource) -> None:
    """An Ingress has a load balancer with a network interface in each public subnet for as long as it exists; whoever
    deletes the controller or the cluster first leaves that behind
    (https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2014)."""
    public = _object(subnet.inputs, "tags").get("kubernetes.io/role/elb") == "1"
    if public and cloud.of("kubernetes:networking.k8s.io/v1:Ingress"):
        message = f"The subnet '{subnet.id}' has dependencies and cannot be deleted."
        raise ApiError("EC2", "DeleteSubnet", "DependencyViolation", message)


def _check_gateway_detaches(cloud: "Cloud", gateway: Resource) -> None:
    vpc = gateway.text("vpcId")
    subnets = {subnet.id for subnet in cloud.of(_SUBNET) if subnet.text("vpcId") == vpc}
    # https://repost.aws/knowledge-center/vpc-troubleshoot-detach-internet-gateway
    if any(nat.text("subnetId") in subnets for nat in cloud.of(_NAT)):
        raise ApiError(
            "EC2",
            "DetachInternetGateway",
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway.",
        )


def _check_repository_empty(cloud: "Cloud", repository: Resource) -> None:
    if repository.inputs.get("forceDelete"):
        return
    start = repository.text("repositoryUrl")
    if any(image.text("ref").startswith(f"{start}:") for image in _pushed(cloud)):
        # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html
        raise ApiError(
            "ECR",
            "DeleteRepository",
            "RepositoryNotEmptyException",
            f"The repository with name '{repository.id}' in registry with id '{cloud.settings.account}' "
            "cannot be deleted because it still contains images",
        )


def _pushed(cloud: "Cloud") -> list[Resource]:
    return [*cloud.of(images.IMAGE), *cloud.of(images.INDEX)]


def check_push(cloud: "Cloud", image: Properties, digest: str) -> None:
    """Raises `ApiError` for a push onto a tag that the repository keeps as it is, and for an index of an image that is
    not there."""
    repositories = {repository.text("repositoryUrl") for repository in cloud.of(_REPOSITORY)}
    for source in _texts(image, "sources"):
        ours = source.partition("@")[0].rpartition(":")[0] in repositories
        if ours and not any(source.endswith(f"@{other.text('digest')}") for other in _pushed(cloud)):
            raise ApiError("ECR", "BatchGetImage", "ImageNotFoundException", f"{source}: not found", 404)
    for tag in images.tags(image):
        url, _, name = tag.rpartition(":")
        for repository in cloud.of(_REPOSITORY):
            mutability = repository.text("imageTagMutability")
            excluded = [
                _text(entry, "filter") for entry in _objects(repository.inputs, "imageTagMutabilityExclusionFilters")
            ]
            free = mutability.startswith("MUTABLE") or any(
                re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) for pattern in excluded
            )
            taken = any(tag in images.tags(other.inputs) and other.text("digest") != digest for other in _pushed(cloud))
            if repository.text("repositoryUrl") == url and not free and taken:
                raise ApiError(
                    "ECR",
                    "PutImage",
                    "ImageTagAlreadyExistsException",
                    f"The image tag '{name}' already exists in the '{repository.id}' repository "
                    "and cannot be overwritten because the tag is immutable.",
                )


def replaces(type: str, inputs: Properties) -> frozenset[str]:
    """Inputs that, as the others are, AWS or its provider cannot change in place."""
    # https://www.pulumi.com/registry/packages/aws/api-docs/ec2/instance/#userdatareplaceonchange_python
    if type == _INSTANCE and inputs.get("userDataReplaceOnChange"):
        return kind_of(type).replaces | {"userData", "userDataBase64"}
    return kind_of(type).replaces


def derived(cloud: "Cloud", type: str, inputs: Properties) -> Properties:
    """Outputs that AWS takes from another resource: the VPC of a cluster is that of its subnets."""
    if type != _CLUSTER:
        return {}
    for id in _texts(_object(inputs, "vpcConfig"), "subnetIds"):
        subnet = cloud.find(_SUBNET, id)
        if subnet is not None:
            return {"vpcId": subnet.text("vpcId")}
    return {}
