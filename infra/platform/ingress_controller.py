"""The one ingress controller: it gives each Ingress a load balancer, and the pods their place behind it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import versions
from infra.labels import SELECTOR
from infra.platform.cluster import Cluster
from infra.platform.network import Network
from infra.settings import Chart

NAMESPACE: Final = "kube-system"
SERVICE_ACCOUNT: Final = "aws-load-balancer-controller"
INGRESS_CLASS: Final = "alb"
POLICY: Final = Path(__file__).with_name("ingress_controller_policy.json")
"""The rights that the controller documents for 2.13 and later
(https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/installation/#option-a-recommended-iam-roles-for-service-accounts-irsa)."""


@final
@dataclass(frozen=True, kw_only=True)
class IngressControllerArgs:
    """An ingress controller for a cluster."""

    cluster: Cluster
    network: Network
    """The controller removes load balancers while the network still routes."""
    region: str
    chart: Chart


@final
class IngressController(pulumi.ComponentResource):
    """The AWS Load Balancer Controller, with a role that only its own service account can take."""

    def __init__(self, name: str, args: IngressControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:IngressController", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Fargate has neither Pod Identity nor instance metadata, which leaves a role for the service account.
        role = aws.iam.Role(
            "role",
            assume_role_policy=pulumi.Output.all(args.cluster.oidc_provider_arn, args.cluster.oidc_issuer).apply(
                lambda oidc: json.dumps(trust_policy(provider_arn=oidc[0], issuer=oidc[1]))
            ),
            opts=child,
        )
        policy = aws.iam.Policy("policy", policy=json.dumps(json.loads(POLICY.read_text())), opts=child)
        attachment = aws.iam.RolePolicyAttachment("policy", role=role.name, policy_arn=policy.arn, opts=child)
        kubernetes.helm.v3.Release(
            "controller",
            name=SERVICE_ACCOUNT,
            namespace=NAMESPACE,
            chart=args.chart.chart,
            version=versions.INGRESS_CONTROLLER_CHART,
            repository_opts={"repo": args.chart.repository} if args.chart.repository else None,
            values={
                "clusterName": args.cluster.name,
                "region": args.region,
                "vpcId": args.network.vpc_id,
                "replicaCount": 2,
                "podDisruptionBudget": {"maxUnavailable": 1},
                "serviceAccount": {
                    "create": True,
                    "name": SERVICE_ACCOUNT,
                    "annotations": {"eks.amazonaws.com/role-arn": role.arn},
                },
                # It would block every new Service while the controller is down.
                "enableServiceMutatorWebhook": False,
                # Or each `up` makes new certificates.
                "keepTLSSecret": True,
                # The default, Ignore, drops readiness gates in silence while the controller is down. With Fail, only
                # the application's own pods may depend on it.
                "podMutatorWebhookConfig": {"failurePolicy": "Fail"},
                "objectSelector": {"matchLabels": SELECTOR},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.cluster, args.network, attachment]),
        )
        self.register_outputs({})


def trust_policy(*, provider_arn: str, issuer: str) -> dict[str, object]:
    """Who may take the role: that one service account, with a token that was made for AWS.

    `issuer` comes without `https://`.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{issuer}:sub": f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}",
                        f"{issuer}:aud": "sts.amazonaws.com",
                    }
                },
            }
        ],
    }
