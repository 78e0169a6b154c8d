"""The table of AWS's resource types: how each is named and identified, what AWS adds to it, what cannot be changed in
place.

Templates are filled with `{hex}` (17 hexadecimal digits that stay with the resource), `{name}`, `{id}`, `{arn}`,
`{account}`, `{region}` and `{inputs[…]}`. A type that is not in the table echoes its inputs with an id and an ARN.
"""

# `type` and `id` are the words of the protocol.
# A long template is read best on one line.

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from rehearsal.cloud.properties import Value


@final
@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is particular to one resource type.

    `named` is the input that holds the physical name and that the provider fills when it is left out; `longest` is
    the length AWS allows it. `replaces` are the inputs that AWS cannot change in place (`ForceNew` in the provider's
    schema). `unsettled` are outputs that a preview of an update does not know. `duplicate` is the error code and text
    for a second resource of the same physical name.
    """

    service: str
    operation: str
    id: str = "{hex}"
    arn: str = ""
    named: str = ""
    longest: int = 255
    replaces: frozenset[str] = frozenset()
    computed: Mapping[str, Value] = field(default_factory=dict[str, Value])
    unsettled: frozenset[str] = frozenset()
    tagged: bool = True
    duplicate: tuple[str, str] | None = None


def _replaces(*properties: str) -> frozenset[str]:
    return frozenset(properties)


_EC2_ARN: Final = "arn:aws:ec2:{region}:{account}:"


def _ec2(operation: str, prefix: str, *replaces: str, computed: Mapping[str, Value] | None = None) -> Kind:
    kebab = "".join(f"-{c.lower()}" if c.isupper() else c for c in operation).lstrip("-")
    return Kind(
        service="EC2",
        operation=operation,
        id=f"{prefix}-{{hex}}",
        arn=f"{_EC2_ARN}{kebab}/{{id}}",
        replaces=_replaces(*replaces),
        computed={"ownerId": "{account}", **(computed or {})},
    )


def _link(service: str, operation: str, id: str, *replaces: str, computed: Mapping[str, Value] | None = None) -> Kind:
    """A resource that only ties two others together: no name, no tags."""
    return Kind(
        service=service,
        operation=operation,
        id=id,
        replaces=_replaces(*replaces),
        computed=computed or {},
        tagged=False,
    )


def _iam(operation: str, segment: str, duplicate: str, longest: int, *replaces: str, id: str = "{name}") -> Kind:
    return Kind(
        service="IAM",
        operation=operation,
        id=id,
        arn=f"arn:aws:iam::{{account}}:{segment}{{inputs[path]}}{{name}}",
        named="name",
        longest=longest,
        replaces=_replaces("name", "namePrefix", "path", *replaces),
        computed={"uniqueId": "A{hex}", "path": "/", "createDate": "2026-01-01T00:00:00Z"},
        duplicate=("EntityAlreadyExists", duplicate),
    )


_RULE: Final = _ec2(
    "SecurityGroupRule", "sgr", "securityGroupId", computed={"securityGroupRuleId": "{id}", "ownerId": "{account}"}
)

KINDS: Final[Mapping[str, Kind]] = {
    "aws:ec2/vpc:Vpc": _ec2(
        "Vpc",
        "vpc",
        "cidrBlock",
        "instanceTenancy",
        computed={
            "mainRouteTableId": "rtb-{hex}",
            "defaultRouteTableId": "rtb-{hex}",
            "defaultNetworkAclId": "acl-{hex}",
            "defaultSecurityGroupId": "sg-{hex}",
            "dhcpOptionsId": "dopt-{hex}",
            "enableDnsSupport": True,
            "enableDnsHostnames": False,
            "instanceTenancy": "default",
        },
    ),
    "aws:ec2/subnet:Subnet": _ec2(
        "Subnet",
        "subnet",
        "vpcId",
        "cidrBlock",
        "availabilityZone",
        "availabilityZoneId",
        computed={"mapPublicIpOnLaunch": False, "availabilityZone": "{region}a"},
    ),
    "aws:ec2/internetGateway:InternetGateway": _ec2("InternetGateway", "igw"),
    "aws:ec2/eip:Eip": _ec2(
        "Address",
        "eipalloc",
        "domain",
        computed={
            "allocationId": "{id}",
            "publicIp": "198.51.100.{octet}",
            "domain": "vpc",
            "publicDns": "ec2-198-51-100-{octet}.compute-1.amazonaws.com",
        },
    ),
    "aws:ec2/natGateway:NatGateway": _ec2(
        "NatGateway",
        "nat",
        "subnetId",
        "allocationId",
        "connectivityType",
        computed={
            "networkInterfaceId": "eni-{hex}",
            "publicIp": "198.51.100.{octet}",
            "privateIp": "10.0.0.{octet}",
            "connectivityType": "public",
        },
    ),
    "aws:ec2/routeTable:RouteTable": _ec2("RouteTable", "rtb", "vpcId"),
    "aws:ec2/route:Route": _link(
        "EC2",
        "Route",
        "r-{inputs[routeTableId]}{hex}",
        "routeTableId",
        "destinationCidrBlock",
        "destinationIpv6CidrBlock",
        computed={"origin": "CreateRoute", "state": "active"},
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _link(
        "EC2", "RouteTableAssociation", "rtbassoc-{hex}", "subnetId", "gatewayId"
    ),
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        service="EC2",
        operation="SecurityGroup",
        id="sg-{hex}",
        arn=_EC2_ARN + "security-group/{id}",
        named="name",
        replaces=_replaces("name", "namePrefix", "description", "vpcId"),
        computed={"ownerId": "{account}", "description": "Managed by Pulumi"},
    ),
    "aws:ec2/securityGroupRule:SecurityGroupRule": _link(
        "EC2",
        "SecurityGroupRule",
        "sgrule-{hex}",
        "securityGroupId",
        "type",
        "protocol",
        "fromPort",
        "toPort",
        "cidrBlocks",
        "sourceSecurityGroupId",
        "self",
        computed={"securityGroupRuleId": "sgr-{hex}"},
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULE,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULE,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _ec2(
        "VpcEndpoint",
        "vpce",
        "vpcId",
        "serviceName",
        "vpcEndpointType",
        computed={"state": "available", "vpcEndpointType": "Gateway", "prefixListId": "pl-{hex}"},
    ),
    "aws:ec2/flowLog:FlowLog": _ec2(
        "VpcFlowLog", "fl", "vpcId", "subnetId", "trafficType", "logDestination", "iamRoleArn"
    ),
    # Without rules of its own it is AWS's, which the VPC brings.
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(
        service="EC2",
        operation="DefaultSecurityGroup",
        id="sg-{hex}",
        arn=_EC2_ARN + "security-group/{id}",
        replaces=_replaces("vpcId"),
        computed={"ownerId": "{account}", "name": "default", "description": "default VPC security group"},
    ),
    "aws:ec2/networkInterface:NetworkInterface": _ec2(
        "NetworkInterface",
        "eni",
        "subnetId",
        "interfaceType",
        computed={
            "privateIp": "10.0.0.{octet}",
            "privateIps": ["10.0.0.{octet}"],
            "privateDnsName": "ip-10-0-0-{octet}.ec2.internal",
            "macAddress": "02:00:00:00:00:01",
            "interfaceType": "interface",
            "sourceDestCheck": True,
        },
    ),
    "aws:ec2/instance:Instance": _ec2(
        "Instance",
        "i",
        "ami",
        "subnetId",
        "availabilityZone",
        "associatePublicIpAddress",
        "keyName",
        "primaryNetworkInterface",
        computed={
            "instanceState": "running",
            "privateIp": "10.0.1.{octet}",
            "privateDns": "ip-10-0-1-{octet}.ec2.internal",
            "primaryNetworkInterfaceId": "eni-{hex}",
            "availabilityZone": "{region}a",
            "publicIp": "",
            "publicDns": "",
        },
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        service="EC2",
        operation="LaunchTemplate",
        id="lt-{hex}",
        arn=_EC2_ARN + "launch-template/{id}",
        named="name",
        longest=128,
        replaces=_replaces("name", "namePrefix"),
        computed={"latestVersion": 1, "defaultVersion": 1},
    ),
    "aws:ebs/volume:Volume": _ec2(
        "Volume",
        "vol",
        "availabilityZone",
        "encrypted",
        "kmsKeyId",
        "snapshotId",
        computed={"iops": 3000, "throughput": 125},
    ),
    "aws:ec2/volumeAttachment:VolumeAttachment": _link(
        "EC2", "VolumeAttachment", "vai-{hex}", "deviceName", "instanceId", "volumeId"
    ),
    "aws:ecr/repository:Repository": Kind(
        service="ECR",
        operation="Repository",
        id="{name}",
        arn="arn:aws:ecr:{region}:{account}:repository/{name}",
        named="name",
        longest=256,
        replaces=_replaces("name", "encryptionConfigurations"),
        computed={"registryId": "{account}", "repositoryUrl": "{registry}/{name}", "imageTagMutability": "MUTABLE"},
        duplicate=(
            "RepositoryAlreadyExistsException",
            "The repository with name '{name}' already exists in the registry with id '{account}'",
        ),
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _link(
        "ECR", "LifecyclePolicy", "{inputs[repository]}", "repository", computed={"registryId": "{account}"}
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": _link(
        "ECR", "RepositoryPolicy", "{inputs[repository]}", "repository", computed={"registryId": "{account}"}
    ),
    "aws:iam/role:Role": _iam("Role", "role", "Role with name {name} already exists.", 64),
    "aws:iam/policy:Policy": _iam(
        "Policy",
        "policy",
        "A policy called {name} already exists. Duplicate names are not allowed.",
        128,
        "description",
        id="{arn}",
    ),
    "aws:iam/instanceProfile:InstanceProfile": _iam(
        "InstanceProfile", "instance-profile", "Instance Profile {name} already exists.", 128
    ),
    "aws:iam/user:User": _iam("User", "user", "User with name {name} already exists.", 64),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        service="IAM",
        operation="RolePolicy",
        id="{inputs[role]}:{name}",
        named="name",
        longest=128,
        replaces=_replaces("name", "role"),
        tagged=False,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _link(
        "IAM", "RolePolicyAttachment", "{inputs[role]}/{inputs[policyArn]}", "role", "policyArn"
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Kind(
        service="IAM",
        operation="OpenIDConnectProvider",
        id="{arn}",
        arn="arn:aws:iam::{account}:oidc-provider/{inputs[url]}",
        replaces=_replaces("url"),
        computed={"thumbprintLists": ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]},
    ),
    "aws:kms/key:Key": Kind(
        service="KMS",
        operation="Key",
        id="{uuid}",
        arn="arn:aws:kms:{region}:{account}:key/{id}",
        replaces=_replaces("customerMasterKeySpec", "keyUsage", "multiRegion"),
        computed={"keyId": "{id}"},
    ),
    "aws:kms/alias:Alias": Kind(
        service="KMS",
        operation="Alias",
        id="{name}",
        arn="arn:aws:kms:{region}:{account}:{name}",
        named="name",
        replaces=_replaces("name"),
        tagged=False,
        computed={"targetKeyArn": "{inputs[targetKeyId]}"},
        duplicate=(
            "AlreadyExistsException",
            "An alias with the name arn:aws:kms:{region}:{account}:{name} already exists",
        ),
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        service="CloudWatch Logs",
        operation="LogGroup",
        id="{name}",
        arn="arn:aws:logs:{region}:{account}:log-group:{name}",
        named="name",
        longest=512,
        replaces=_replaces("name", "namePrefix", "logGroupClass"),
        computed={"retentionInDays": 0, "logGroupClass": "STANDARD"},
        duplicate=("ResourceAlreadyExistsException", "The specified log group already exists"),
    ),
    "aws:eks/cluster:Cluster": Kind(
        service="EKS",
        operation="Cluster",
        id="{name}",
        arn="arn:aws:eks:{region}:{account}:cluster/{name}",
        named="name",
        longest=100,
        replaces=_replaces("name", "roleArn", "kubernetesNetworkConfig", "encryptionConfig"),
        computed={
            "endpoint": "{server}",
            "certificateAuthority": {"data": "{ca}"},
            "status": "ACTIVE",
            "platformVersion": "eks.1",
            "version": "1.35",
            "createdAt": "2026-01-01T00:00:00Z",
            "identities": [{"oidcs": [{"issuer": "https://oidc.eks.{region}.amazonaws.com/id/{HEX}"}]}],
            "vpcConfig": {
                "clusterSecurityGroupId": "sg-{hex}",
                "endpointPrivateAccess": False,
                "endpointPublicAccess": True,
            },
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
            "accessConfig": {"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True},
        },
        # pulumi-aws answers with what Terraform plans, which keeps them. Others do not know them until the update is
        # done, and all that was made of a kubeconfig looked as if it had to go: nothing may hang on the better answer.
        # https://github.com/pulumi/pulumi-eks/issues/352, https://github.com/pulumi/pulumi-aws-native/issues/2247
        unsettled=frozenset({"endpoint", "certificateAuthority"}),
        duplicate=("ResourceInUseException", "Cluster already exists with name: {name}"),
    ),
    "aws:eks/fargateProfile:FargateProfile": Kind(
        service="EKS",
        operation="FargateProfile",
        id="{inputs[clusterName]}:{name}",
        named="fargateProfileName",
        longest=100,
        arn="arn:aws:eks:{region}:{account}:fargateprofile/{inputs[clusterName]}/{name}/{uuid}",
        replaces=_replaces("clusterName", "fargateProfileName", "podExecutionRoleArn", "selectors", "subnetIds"),
        computed={"status": "ACTIVE"},
        duplicate=("ResourceInUseException", "Fargate Profile already exists with this name."),
    ),
    "aws:eks/accessEntry:AccessEntry": Kind(
        service="EKS",
        operation="AccessEntry",
        id="{inputs[clusterName]}:{inputs[principalArn]}",
        arn="arn:aws:eks:{region}:{account}:access-entry/{inputs[clusterName]}/{hex}",
        replaces=_replaces("clusterName", "principalArn", "type"),
        computed={"type": "STANDARD", "userName": "{inputs[principalArn]}"},
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _link(
        "EKS",
        "AccessPolicyAssociation",
        "{inputs[clusterName]}#{inputs[principalArn]}#{inputs[policyArn]}",
        "clusterName",
        "principalArn",
        "policyArn",
        "accessScope",
    ),
    "aws:eks/addon:Addon": Kind(
        service="EKS",
        operation="Addon",
        id="{inputs[clusterName]}:{inputs[addonName]}",
        arn="arn:aws:eks:{region}:{account}:addon/{inputs[clusterName]}/{inputs[addonName]}/{uuid}",
        replaces=_replaces("clusterName", "addonName"),
        computed={"addonVersion": "v1.0.0-eksbuild.1"},
    ),
    "aws:lb/loadBalancer:LoadBalancer": Kind(
        service="Elastic Load Balancing v2",
        operation="LoadBalancer",
        id="{arn}",
        named="name",
        longest=32,
        arn="arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex}",
        replaces=_replaces("name", "internal", "loadBalancerType"),
        computed={
            "dnsName": "{name}-{octet}.{region}.elb.amazonaws.com",
            "zoneId": "Z35SXDOTRQ7X7K",
            "arnSuffix": "app/{name}/{hex}",
            "vpcId": "vpc-{hex}",
        },
        duplicate=(
            "DuplicateLoadBalancerName",
            "A load balancer with the same name '{name}' exists, but with different settings",
        ),
    ),
    "aws:lb/targetGroup:TargetGroup": Kind(
        service="Elastic Load Balancing v2",
        operation="TargetGroup",
        id="{arn}",
        named="name",
        longest=32,
        arn="arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex}",
        replaces=_replaces("name", "port", "protocol", "targetType", "vpcId"),
        computed={"arnSuffix": "targetgroup/{name}/{hex}"},
        duplicate=(
            "DuplicateTargetGroupName",
            "A target group with the same name '{name}' exists, but with different settings",
        ),
    ),
    "aws:lb/listener:Listener": Kind(
        service="Elastic Load Balancing v2",
        operation="Listener",
        id="{arn}",
        arn="arn:aws:elasticloadbalancing:{region}:{account}:listener/app/{hex}",
        replaces=_replaces("loadBalancerArn"),
    ),
    "aws:lb/listenerRule:ListenerRule": Kind(
        service="Elastic Load Balancing v2",
        operation="Rule",
        id="{arn}",
        arn="arn:aws:elasticloadbalancing:{region}:{account}:listener-rule/app/{hex}",
        replaces=_replaces("listenerArn"),
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": _link(
        "Elastic Load Balancing v2",
        "Targets",
        "{inputs[targetGroupArn]}-{hex}",
        "targetGroupArn",
        "targetId",
        "port",
    ),
    "aws:s3/bucket:Bucket": Kind(
        service="S3",
        operation="Bucket",
        id="{name}",
        arn="arn:aws:s3:::{name}",
        named="bucket",
        longest=63,
        replaces=_replaces("bucket", "bucketPrefix"),
        computed={
            "bucketDomainName": "{name}.s3.amazonaws.com",
            "hostedZoneId": "Z3AQBSTGFYJSTF",
            "bucketRegion": "{region}",
            "bucketRegionalDomainName": "{name}.s3.{region}.amazonaws.com",
        },
        duplicate=(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ),
    ),
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": Kind(
        service="DLM", operation="LifecyclePolicy", id="policy-{hex}", arn="arn:aws:dlm:{region}:{account}:policy/{id}"
    ),
    "aws:scheduler/schedule:Schedule": Kind(
        service="Scheduler",
        operation="Schedule",
        id="default/{name}",
        arn="arn:aws:scheduler:{region}:{account}:schedule/default/{name}",
        named="name",
        longest=64,
        replaces=_replaces("name", "namePrefix", "groupName"),
        tagged=False,
    ),
    "aws:ssm/parameter:Parameter": Kind(
        service="SSM",
        operation="Parameter",
        id="{name}",
        arn="arn:aws:ssm:{region}:{account}:parameter/{name}",
        named="name",
        longest=2048,
        replaces=_replaces("name", "dataType"),
        computed={"version": 1, "dataType": "text", "tier": "Standard"},
        duplicate=(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ),
    ),
    "aws:secretsmanager/secret:Secret": Kind(
        service="Secrets Manager",
        operation="Secret",
        id="{arn}",
        named="name",
        longest=512,
        replaces=_replaces("name", "namePrefix"),
        arn="arn:aws:secretsmanager:{region}:{account}:secret:{name}-{hex6}",
        duplicate=("ResourceExistsException", "The operation failed because the secret {name} already exists."),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": _link(
        "Secrets Manager",
        "SecretVersion",
        "{inputs[secretId]}|{uuid}",
        "secretId",
        "secretString",
        "secretBinary",
        computed={"arn": "{inputs[secretId]}", "versionId": "{uuid}", "versionStages": ["AWSCURRENT"]},
    ),
    "aws:route53/zone:Zone": Kind(
        service="Route 53",
        operation="HostedZone",
        id="Z{HEX}",
        arn="arn:aws:route53:::hostedzone/{id}",
        replaces=_replaces("name"),
        computed={"zoneId": "{id}", "nameServers": [f"ns-{n}.awsdns-00.example" for n in range(4)]},
    ),
    "aws:route53/record:Record": _link(
        "Route 53",
        "Record",
        "{inputs[zoneId]}_{inputs[name]}_{inputs[type]}",
        "zoneId",
        "name",
        "type",
        computed={"fqdn": "{inputs[name]}"},
    ),
    "aws:acm/certificate:Certificate": Kind(
        service="ACM",
        operation="Certificate",
        id="{arn}",
        arn="arn:aws:acm:{region}:{account}:certificate/{uuid}",
        replaces=_replaces("domainName", "subjectAlternativeNames", "validationMethod"),
        computed={
            "status": "ISSUED",
            "domainValidationOptions": [
                {
                    "domainName": "{inputs[domainName]}",
                    "resourceRecordName": "_{hex}.{inputs[domainName]}.",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "_{hex}.acm-validations.aws.",
                }
            ],
        },
    ),
    "aws:acm/certificateValidation:CertificateValidation": _link(
        "ACM", "CertificateValidation", "2026-01-01 00:00:00 +0000 UTC", "certificateArn", "validationRecordFqdns"
    ),
    "aws:sns/topic:Topic": Kind(
        service="SNS",
        operation="Topic",
        id="{arn}",
        arn="arn:aws:sns:{region}:{account}:{name}",
        named="name",
        longest=256,
        replaces=_replaces("name", "namePrefix", "fifoTopic"),
        computed={"owner": "{account}"},
    ),
    "aws:sns/topicSubscription:TopicSubscription": _link(
        "SNS",
        "Subscription",
        "{inputs[topic]}:{uuid}",
        "topic",
        "protocol",
        "endpoint",
        computed={"arn": "{inputs[topic]}:{uuid}", "pendingConfirmation": True, "ownerId": "{account}"},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        service="CloudWatch",
        operation="MetricAlarm",
        id="{name}",
        arn="arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
        named="name",
        replaces=_replaces("name"),
    ),
}


def kind_of(type: str) -> Kind:
    """The table's entry, or for an unknown type one that echoes with an id and an ARN."""
    known = KINDS.get(type)
    if known is not None:
        return known
    module, _, name = type.partition(":")[2].partition(":")
    service, _, slug = module.partition("/")
    return Kind(
        service=service.upper(),
        operation=name,
        id=f"{slug or name.lower()}-{{hex}}",
        arn=f"arn:aws:{service}:{{region}}:{{account}}:{slug or name.lower()}/{{id}}",
    )
