"""The EKS cluster, which runs every pod on Fargate."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from infra import fargate, iam, versions
from infra.names import physical_name
from infra.platform.network import Network

ADMINISTRATOR_POLICY: Final = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
POD_EXECUTION_POLICY: Final = "arn:aws:iam::aws:policy/AmazonEKSFargatePodExecutionRolePolicy"
CONTROL_PLANE_LOGS: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
CONTROL_PLANE_LOG_RETENTION: Final = 30
"""Days."""
DNS_SIZE: Final = fargate.PodSize.parse("0.25vCPU-0.5GB")
"""Of a CoreDNS pod: what it asks and the 256 MB that Fargate adds make the smallest size."""


@final
@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """A cluster in a network."""

    name: str
    region: str
    account_id: pulumi.Input[str]
    network: Network
    api_allow_list: Sequence[IPv4Network]


@final
class Cluster(pulumi.ComponentResource):
    """A Kubernetes API and nothing to look after: no node, no node role, no security group of our own."""

    name: str
    """Plain: what is known of a cluster by its name stays the same cluster's through every change of it. Whoever uses
    the name and nothing else of the cluster depends on it besides."""
    kubeconfig: pulumi.Output[str]
    oidc_provider_arn: pulumi.Output[str]
    oidc_issuer: pulumi.Output[str]
    """Without `https://`."""
    security_group_id: pulumi.Output[str]
    """The group of the API's private addresses and of every pod."""
    pod_execution_role: aws.iam.Role

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Cluster", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = aws.kms.Key(
            "secrets",
            description=f"Kubernetes secrets of {args.name}",
            enable_key_rotation=True,
            # A cluster whose key is gone cannot be read any more.
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        # EKS would make one that never expires and stays behind.
        logs = aws.cloudwatch.LogGroup(
            "control-plane",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=CONTROL_PLANE_LOG_RETENTION,
            opts=child,
        )
        # Ours, because pod logs need a right on it. EKS makes the access entry it needs, which a path would break.
        self.pod_execution_role = aws.iam.Role(
            "pod-execution",
            name=physical_name(args.name, "pod-execution", limit=64),
            assume_role_policy=pulumi.Output.from_input(args.account_id).apply(
                lambda account: pod_execution_trust(args.region, account, args.name)
            ),
            opts=child,
        )
        pod_execution = aws.iam.RolePolicyAttachment(
            "pod-execution", role=self.pod_execution_role.name, policy_arn=POD_EXECUTION_POLICY, opts=child
        )
        self.name = args.name
        self._cluster = eks.Cluster(
            "cluster",
            name=args.name,
            version=versions.KUBERNETES,
            upgrade_policy={"support_type": "STANDARD"},
            vpc_id=args.network.vpc_id,
            public_subnet_ids=args.network.public_subnet_ids,
            private_subnet_ids=args.network.private_subnet_ids,
            fargate=eks.FargateProfileArgs(
                pod_execution_role_arn=self.pod_execution_role.arn,
                selectors=[
                    aws.eks.FargateProfileSelectorArgs(namespace=selector) for selector in fargate.NAMESPACE_SELECTORS
                ],
                subnet_ids=args.network.private_subnet_ids,
            ),
            # CONFIG_MAP, the default, loses the Fargate role at later edits: https://github.com/pulumi/pulumi-eks/issues/807
            authentication_mode=eks.AuthenticationMode.API,
            skip_default_node_group=True,
            create_instance_role=False,
            # Fargate uses the cluster's own; also https://github.com/pulumi/pulumi-eks/issues/1226
            skip_default_security_groups=True,
            create_oidc_provider=True,
            # With an allow-list alone, pods could not reach the API and the first `up` would hang.
            endpoint_private_access=True,
            # Said aloud, because the component waits for the API only then.
            endpoint_public_access=True,
            public_access_cidrs=[str(allowed) for allowed in args.api_allow_list],
            enabled_cluster_log_types=list(CONTROL_PLANE_LOGS),
            encryption_config_key_arn=key.arn,
            # The default is the newest at the time, so that a preview would change by itself.
            coredns_addon_options=eks.CoreDnsAddonOptionsArgs(
                version=versions.COREDNS,
                configuration_values={
                    "computeType": "Fargate",
                    "resources": {"requests": DNS_SIZE.requests, "limits": DNS_SIZE.requests},
                },
            ),
            kube_proxy_addon_options=eks.KubeProxyAddonOptionsArgs(version=versions.KUBE_PROXY),
            vpc_cni_options=eks.VpcCniOptionsArgs(addon_version=versions.VPC_CNI),
            # Pods need the routes for as long as the cluster lives, and the component looks them up at run time.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.network, logs, pod_execution],
                protect=True,
                transforms=[identified_as(args.name)],
            ),
        )
        self.kubeconfig = self._cluster.kubeconfig_json
        self.oidc_provider_arn = self._cluster.oidc_provider_arn
        self.oidc_issuer = self._cluster.oidc_issuer
        self.security_group_id = self._cluster.cluster_security_group_id
        self.register_outputs({"name": self.name})

    def grant_administration(self, name: str, principal_arn: str) -> None:
        """Let a role or user administer the cluster. Never its creator: EKS made that one an administrator and
        refuses a second entry."""
        entry = self._entry(name, principal_arn, ())
        aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=self.name,
            principal_arn=principal_arn,
            policy_arn=ADMINISTRATOR_POLICY,
            access_scope={"type": "cluster"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
        )

    def grant_groups(self, name: str, principal_arn: pulumi.Input[str], groups: Sequence[str]) -> None:
        """Let an IAM role in as a member of Kubernetes groups; what these may do is said in the cluster."""
        self._entry(name, principal_arn, groups)

    def _entry(self, name: str, principal_arn: pulumi.Input[str], groups: Sequence[str]) -> aws.eks.AccessEntry:
        # Not the component's own argument: what the component makes is protected as the cluster is, and people leave.
        return aws.eks.AccessEntry(
            name,
            cluster_name=self.name,
            principal_arn=principal_arn,
            kubernetes_groups=list(groups),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._cluster]),
        )

    def grant_api(self, name: str, security_group_id: pulumi.Input[str], description: str) -> None:
        """Let hosts of the VPC reach the API: inside, its name resolves to private addresses."""
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=self.security_group_id,
            referenced_security_group_id=security_group_id,
            description=description,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=pulumi.ResourceOptions(parent=self),
        )


def identified_as(cluster: str) -> pulumi.ResourceTransform:
    """Let the component's own provider for Kubernetes know its cluster by the name too. It is protected with the rest,
    and would be replaced whenever a preview does not know the kubeconfig, which refuses the preview."""

    def identify(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != "pulumi:providers:kubernetes":
            return None
        return pulumi.ResourceTransformResult(props={**args.props, "clusterIdentifier": cluster}, opts=args.opts)

    return identify


def pod_execution_trust(region: str, account: str, cluster: str) -> str:
    """Only this cluster's profiles may use the role:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-execution-role.html"""
    profiles = iam.arn("eks", region, account, f"fargateprofile/{cluster}/*")
    return iam.trust("eks-fargate-pods.amazonaws.com", when={"ArnLike": {"aws:SourceArn": profiles}})
