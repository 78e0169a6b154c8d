"""The EKS cluster, which runs every pod on Fargate."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from infra import fargate, versions
from infra.platform.network import Network

ADMINISTRATOR_POLICY: Final = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
CONTROL_PLANE_LOGS: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")


@final
@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """A cluster in a network."""

    name: str
    network: Network
    administrators: Sequence[str]
    """ARNs, besides whoever creates the cluster: EKS makes that one an administrator and refuses a second entry."""
    api_allow_list: Sequence[IPv4Network]


@final
class Cluster(pulumi.ComponentResource):
    """A Kubernetes API and nothing to look after: no node, no node role, no security group of our own."""

    name: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    oidc_provider_arn: pulumi.Output[str]
    oidc_issuer: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Cluster", name, {}, opts)
        key = aws.kms.Key(
            "secrets",
            description=f"Kubernetes secrets of {args.name}",
            enable_key_rotation=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # EKS would make one that never expires and stays behind.
        logs = aws.cloudwatch.LogGroup(
            "control-plane",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=30,
            opts=pulumi.ResourceOptions(parent=self),
        )
        cluster = eks.Cluster(
            "cluster",
            name=args.name,
            version=versions.KUBERNETES,
            upgrade_policy={"support_type": "STANDARD"},
            vpc_id=args.network.vpc_id,
            public_subnet_ids=args.network.public_subnet_ids,
            private_subnet_ids=args.network.private_subnet_ids,
            fargate=eks.FargateProfileArgs(
                selectors=[
                    aws.eks.FargateProfileSelectorArgs(namespace=selector) for selector in fargate.NAMESPACE_SELECTORS
                ],
                subnet_ids=args.network.private_subnet_ids,
            ),
            # CONFIG_MAP, the default, loses the Fargate role at later edits: https://github.com/pulumi/pulumi-eks/issues/807
            authentication_mode=eks.AuthenticationMode.API,
            access_entries={
                f"administrator-{index}": eks.AccessEntryArgs(
                    principal_arn=arn,
                    access_policies={
                        "administrator": eks.AccessPolicyAssociationArgs(
                            policy_arn=ADMINISTRATOR_POLICY,
                            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                        )
                    },
                )
                for index, arn in enumerate(args.administrators)
            },
            skip_default_node_group=True,
            create_instance_role=False,
            skip_default_security_groups=True,
            create_oidc_provider=True,
            # With an allow-list alone, pods could not reach the API and the first `up` would hang.
            endpoint_private_access=True,
            endpoint_public_access=True,
            public_access_cidrs=[str(allowed) for allowed in args.api_allow_list],
            enabled_cluster_log_types=list(CONTROL_PLANE_LOGS),
            encryption_config_key_arn=key.arn,
            # Pods need the routes for as long as the cluster lives, and the component looks them up at run time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.network, logs]),
        )
        self.kubeconfig = cluster.kubeconfig_json
        # Known once the cluster answers, and not before: whoever uses the name means the cluster.
        self.name = self.kubeconfig.apply(lambda _: args.name)
        self.oidc_provider_arn = cluster.oidc_provider_arn
        self.oidc_issuer = cluster.oidc_issuer
        self.register_outputs({"name": self.name})
