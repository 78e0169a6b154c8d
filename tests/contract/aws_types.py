"""What AWS itself calls the resource types of the program: in CloudFormation, and in its API.

Most follow from the token: `aws:ec2/subnet:Subnet` is `AWS::EC2::Subnet` and made by `CreateSubnet` of `ec2`, and its
inputs are called the same but for case and number. What does not is in the tables below.
"""

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, cast, final

from rehearsal.cloud.properties import Properties, Value
from tests.contract.shapes import Node, UnmappedError, Words
from tests.graph import Graph

TOKEN: Final = re.compile(r"aws:(?P<module>\w+)/\w+:(?P<name>\w+)")

MODULES: Final = {
    "acm": ("acm", "CertificateManager"),
    "ebs": ("ec2", "EC2"),
    "lb": ("elbv2", "ElasticLoadBalancingV2"),
    "vpc": ("ec2", "EC2"),
}
"""Modules of the SDK that are called otherwise, in botocore and in CloudFormation."""


@final
@dataclass(frozen=True, kw_only=True)
class Kind:
    """What does not follow from the token of a type.

    Parameters:
        cloudformation: its type there; or in words, why it has none.
        calls: what makes it; or in words, why nothing does.
        names: as in `shapes.Words`. `id` is the resource's own, which is sent where it has a name here.
        adds: what the provider adds of itself, by call or `CloudFormation`, where the description requires it.
        own: inputs that do not become members, with the reason.
    """

    cloudformation: str = ""
    calls: Sequence[str] | str = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    adds: Mapping[str, Properties] = field(default_factory=dict[str, Properties])
    own: Mapping[str, str] = field(default_factory=dict[str, str])


RECORD: Final = "ChangeBatch.Changes.ResourceRecordSet"
RULE: Final = {
    "securityGroupId": "GroupId",
    "cidrIpv4": "CidrIp IpPermissions.IpRanges.CidrIp",
    "description": "Description IpPermissions.IpRanges.Description",
    "fromPort": "IpPermissions.FromPort",
    "toPort": "IpPermissions.ToPort",
    "ipProtocol": "IpPermissions.IpProtocol",
    "referencedSecurityGroupId": (
        "SourceSecurityGroupId DestinationSecurityGroupId IpPermissions.UserIdGroupPairs.GroupId"
    ),
}
PART: Final = "part of "

KINDS: Final[Mapping[str, Kind]] = {
    "aws:acm/certificate:Certificate": Kind(calls=["acm:RequestCertificate"]),
    "aws:acm/certificateValidation:CertificateValidation": Kind(
        cloudformation="waits for the certificate, which CloudFormation does by itself",
        calls="asks whether the certificate is valid until it is",
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        cloudformation="AWS::Logs::LogGroup", calls=["logs:CreateLogGroup", "logs:PutRetentionPolicy"]
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        cloudformation="AWS::CloudWatch::Alarm", calls=["cloudwatch:PutMetricAlarm"], names={"metricQueries": "Metrics"}
    ),
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": Kind(
        adds={name: {"State": "ENABLED"} for name in ("dlm:CreateLifecyclePolicy", "CloudFormation")}
    ),
    "aws:ebs/volume:Volume": Kind(own={"finalSnapshot": "what the provider does before it deletes the volume"}),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(
        cloudformation="made with the VPC, and emptied by the provider",
        calls="RevokeSecurityGroupIngress and -Egress of the rules that it finds",
    ),
    "aws:ec2/eip:Eip": Kind(
        calls=["ec2:AllocateAddress", "ec2:AssociateAddress"],
        names={"id": "AllocationId", "networkInterface": "NetworkInterfaceId"},
        own={"networkInterface": "AWS::EC2::EIPAssociation in CloudFormation"},
    ),
    "aws:ec2/flowLog:FlowLog": Kind(
        calls=["ec2:CreateFlowLogs"],
        names={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId ResourceIds"},
        adds={name: {"ResourceType": "VPC"} for name in ("ec2:CreateFlowLogs", "CloudFormation")},
    ),
    "aws:ec2/instance:Instance": Kind(
        calls=["ec2:RunInstances"],
        names={
            "ami": "ImageId",
            "iamInstanceProfile": "IamInstanceProfile.Name",
            "primaryNetworkInterface": "NetworkInterfaces",
            "rootBlockDevice": "BlockDeviceMappings.Ebs",
            "userDataBase64": "UserData",
        },
        adds={
            "ec2:RunInstances": {
                "MinCount": 1,
                "MaxCount": 1,
                "NetworkInterfaces": [{"DeviceIndex": 0}],
                "BlockDeviceMappings": [{"DeviceName": "/dev/xvda"}],
            },
            "CloudFormation": {
                "NetworkInterfaces": [{"DeviceIndex": "0"}],
                "BlockDeviceMappings": [{"DeviceName": "/dev/xvda"}],
            },
        },
        own={
            "forceDestroy": "what the provider does before it terminates the instance",
            "rootBlockDevice.tags": "CreateTags of the volume",
            "userDataReplaceOnChange": "what the provider takes for a replacement",
        },
    ),
    "aws:ec2/internetGateway:InternetGateway": Kind(
        calls=["ec2:CreateInternetGateway", "ec2:AttachInternetGateway"],
        names={"id": "InternetGatewayId"},
        own={"vpcId": "AWS::EC2::VPCGatewayAttachment in CloudFormation"},
    ),
    "aws:ec2/networkInterface:NetworkInterface": Kind(names={"securityGroups": "GroupSet Groups"}),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind(
        cloudformation="AWS::EC2::SubnetRouteTableAssociation", calls=["ec2:AssociateRouteTable"]
    ),
    "aws:ec2/volumeAttachment:VolumeAttachment": Kind(
        calls=["ec2:AttachVolume"],
        names={"deviceName": "Device"},
        own={"stopInstanceBeforeDetaching": "what the provider does before it detaches the volume"},
    ),
    "aws:ec2/vpc:Vpc": Kind(
        calls=["ec2:CreateVpc", "ec2:ModifyVpcAttribute"],
        names={
            "id": "VpcId",
            "enableDnsHostnames": "EnableDnsHostnames.Value",
            "enableDnsSupport": "EnableDnsSupport.Value",
        },
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Kind(
        cloudformation=f"{PART}AWS::ECR::Repository",
        calls=["ecr:PutLifecyclePolicy"],
        names={"policy": "lifecyclePolicyText", "repository": "repositoryName"},
    ),
    "aws:ecr/repository:Repository": Kind(
        names={
            "filter": "ImageTagMutabilityExclusionFilterValue",
            "filterType": "ImageTagMutabilityExclusionFilterType",
        },
        own={"forceDelete": "an argument of the deletion"},
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Kind(
        cloudformation=f"{PART}AWS::EKS::AccessEntry", calls=["eks:AssociateAccessPolicy"]
    ),
    "aws:eks/cluster:Cluster": Kind(
        names={
            "vpcConfig": "ResourcesVpcConfig",
            "enabledClusterLogTypes": "Logging.ClusterLogging.EnabledTypes Logging.ClusterLogging.Types",
        },
    ),
    "aws:eks/fargateProfile:FargateProfile": Kind(names={"subnetIds": "subnets"}),
    "aws:iam/instanceProfile:InstanceProfile": Kind(
        calls=["iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"],
        names={"role": "Roles RoleName"},
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Kind(
        cloudformation="AWS::IAM::OIDCProvider", calls=["iam:CreateOpenIDConnectProvider"]
    ),
    "aws:iam/policy:Policy": Kind(
        cloudformation="AWS::IAM::ManagedPolicy", names={"name": "ManagedPolicyName", "policy": "PolicyDocument"}
    ),
    "aws:iam/role:Role": Kind(names={"assumeRolePolicy": "AssumeRolePolicyDocument"}),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        calls=["iam:PutRolePolicy"], names={"role": "RoleName", "policy": "PolicyDocument"}
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(
        cloudformation=f"{PART}AWS::IAM::Role", calls=["iam:AttachRolePolicy"], names={"role": "RoleName"}
    ),
    "aws:kms/key:Key": Kind(own={"enableKeyRotation": "whether EnableKeyRotation is called, which has no such member"}),
    "aws:lb/listener:Listener": Kind(
        names={
            "certificateArn": "Certificates.CertificateArn",
            "fixedResponse": "FixedResponseConfig",
            "redirect": "RedirectConfig",
        }
    ),
    "aws:lb/listenerRule:ListenerRule": Kind(
        calls=["elbv2:CreateRule"], names={"pathPattern": "PathPatternConfig", "sourceIp": "SourceIpConfig"}
    ),
    "aws:lb/loadBalancer:LoadBalancer": Kind(
        calls=["elbv2:CreateLoadBalancer", "elbv2:ModifyLoadBalancerAttributes"],
        names={
            "dropInvalidHeaderFields": "LoadBalancerAttributes.Value Attributes.Value",
            "id": "LoadBalancerArn",
            "loadBalancerType": "Type",
        },
        adds={
            "CloudFormation": {"LoadBalancerAttributes": [{"Key": "routing.http.drop_invalid_header_fields.enabled"}]},
            "elbv2:ModifyLoadBalancerAttributes": {
                "Attributes": [{"Key": "routing.http.drop_invalid_header_fields.enabled"}]
            },
        },
        own={
            "accessLogs": "attributes, whose values are any text to both",
            "internal": "false is the scheme `internet-facing`",
        },
    ),
    "aws:lb/targetGroup:TargetGroup": Kind(
        names={"healthCheck.matcher": "Matcher.HttpCode", "healthCheck.path": "HealthCheckPath"}
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": Kind(
        cloudformation=f"{PART}AWS::ElasticLoadBalancingV2::TargetGroup",
        calls=["elbv2:RegisterTargets"],
        names={"targetId": "Targets.Id", "port": "Targets.Port"},
    ),
    "aws:route53/record:Record": Kind(
        cloudformation="AWS::Route53::RecordSet",
        calls=["route53:ChangeResourceRecordSets"],
        names={
            "aliases": f"AliasTarget {RECORD}.AliasTarget",
            "name": f"DNSName {RECORD}.Name",
            "records": f"ResourceRecords {RECORD}.ResourceRecords",
            "ttl": f"{RECORD}.TTL",
            "type": f"{RECORD}.Type",
            "zoneId": "HostedZoneId",
        },
        adds={"route53:ChangeResourceRecordSets": {"ChangeBatch": {"Changes": [{"Action": "UPSERT"}]}}},
        own={"allowOverwrite": "the action of the change"},
    ),
    "aws:s3/bucket:Bucket": Kind(
        calls=["s3:CreateBucket", "s3:PutBucketTagging"],
        names={"bucket": "BucketName", "tags": "Tagging.TagSet"},
        own={"bucketPrefix": "what the provider makes the name of"},
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Kind(
        cloudformation=f"{PART}AWS::S3::Bucket",
        calls=["s3:PutBucketLifecycleConfiguration"],
        names={"rules": "LifecycleConfiguration.Rules"},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Kind(calls=["s3:PutBucketPolicy"], names={"policy": "PolicyDocument"}),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        cloudformation="AWS::SNS::Subscription", calls=["sns:Subscribe"], names={"topic": "TopicArn"}
    ),
    "aws:ssm/parameter:Parameter": Kind(calls=["ssm:PutParameter"]),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Kind(
        cloudformation="AWS::EC2::SecurityGroupEgress",
        calls=["ec2:AuthorizeSecurityGroupEgress"],
        names=RULE,
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Kind(
        cloudformation="AWS::EC2::SecurityGroupIngress",
        calls=["ec2:AuthorizeSecurityGroupIngress"],
        names=RULE,
    ),
}


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """A resource as the program asks AWS for it."""

    name: str
    type: str
    id: str
    inputs: Properties

    @property
    def kind(self) -> Kind:
        return KINDS.get(self.type, Kind())

    @property
    def token(self) -> tuple[str, str]:
        """Module and name of the type."""
        found = TOKEN.fullmatch(self.type)
        assert found, self.type
        return found["module"], found["name"]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


def asked(graph: Graph) -> list[Asked]:
    """All of a stack's resources in AWS, those inside the cluster's component too, with names and the stack's tags."""
    provider = graph.one("pulumi:providers:aws")
    tags = cast("dict[str, Properties]", json.loads(provider.text("defaultTags")))["tags"]
    return [
        Asked(
            name=resource.name,
            type=resource.type,
            id=resource.id,
            inputs=_sent(resource.inputs, KINDS.get(resource.type, Kind()), tags if _has_tags(resource.type) else {}),
        )
        for resource in graph.mocks.cloud
        if resource.type.startswith("aws:")
    ]


def _sent(inputs: Properties, kind: Kind, tags: Properties) -> Properties:
    """The inputs without those that the provider computes or keeps, laid flat where the table names a part of one."""
    sent: Properties = {}
    flat = {name.partition(".")[0] for name in kind.names if "." in name}
    for key, value in inputs.items():
        parts = cast("Properties", value) if isinstance(value, dict) else {}
        if key in flat:
            sent |= {f"{key}.{part}": item for part, item in parts.items()}
        elif any(name.startswith(f"{key}.") for name in kind.own):
            sent[key] = {part: item for part, item in parts.items() if f"{key}.{part}" not in kind.own}
        elif key != "tagsAll":
            sent[key] = value
    if tags:
        sent["tags"] = {**tags, **cast("Properties", sent.get("tags") or {})}
    return sent


@cache
def _has_tags(type_: str) -> bool:
    """Whether the SDK's class of a type has tags: then the provider sends those of the stack."""
    module, name = cast("re.Match[str]", TOKEN.fullmatch(type_)).groups()
    return hasattr(getattr(importlib.import_module(f"pulumi_aws.{module}"), name), "tags")


@final
@dataclass(frozen=True, kw_only=True)
class Description:
    """A resource in AWS's words: of one call, or of a type of CloudFormation's."""

    of: Asked
    what: str
    schema: Node
    said: Properties


def described(resource: Asked, schemas: Mapping[str, Node]) -> Iterator[Description]:
    """A resource in each of these descriptions, by their names.

    Raises:
        UnmappedError: an input is in none of them, and the table has no reason why.
    """
    missing = set(resource.inputs)
    for what, schema in schemas.items():
        words = Words(schema=schema, type=resource.token[1], names=resource.kind.names)
        sent: Properties = {**resource.inputs, **({"id": resource.id} if "id" in resource.kind.names else {})}
        said, unmapped = words.said(sent)
        missing &= unmapped
        added = resource.kind.adds.get(what, {})
        yield Description(of=resource, what=what, schema=schema, said=cast("Properties", _joined(said, added)))
    if lost := missing - resource.kind.own.keys():
        raise UnmappedError(f"{resource}: {', '.join(schemas)} have no {', '.join(sorted(lost))}")


def _joined(said: Value, added: Value) -> Value:
    """Two halves of one document; lists are joined item by item."""
    if isinstance(said, dict) and isinstance(added, dict):
        return {key: _joined(said.get(key), added.get(key)) for key in (*said, *(set(added) - set(said)))}
    if isinstance(said, list) and isinstance(added, list):
        return [_joined(one, other) for one, other in zip(said, added, strict=True)]
    return added if said is None else said
