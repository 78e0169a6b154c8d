"""The one ingress controller: it gives each Ingress a load balancer, and the pods their place behind it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import iam, versions
from infra.fargate import PodSize
from infra.labels import SELECTOR
from infra.names import physical_name
from infra.platform.chart import archive
from infra.platform.cluster import Cluster
from infra.platform.load_balancers import LoadBalancers
from infra.platform.logging import Logging
from infra.platform.network import Network
from infra.values import Chart

NAMESPACE: Final = "kube-system"
SERVICE_ACCOUNT: Final = "aws-load-balancer-controller"
IMAGE: Final = "public.ecr.aws/eks/aws-load-balancer-controller"
SIZE: Final = PodSize.parse("0.25vCPU-1GB")
POLICY: Final = Path(__file__).with_name("ingress_controller_policy.json")
"""The rights that the controller documents for 2.13 and later
(https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/installation/#option-a-recommended-iam-roles-for-service-accounts-irsa)."""
SERVICES: Final = ("ec2", "elasticloadbalancing")
"""Whose resources it makes and changes. A firewall or a certificate may be shared by another account of the company."""


@final
@dataclass(frozen=True, kw_only=True)
class IngressControllerArgs:
    """An ingress controller for a cluster."""

    name: str
    """Of the cluster."""
    cluster: Cluster
    network: Network
    """The controller removes load balancers while the network still routes."""
    region: str
    account_id: str
    chart: Chart
    load_balancers: LoadBalancers
    """What those that it makes have in common."""
    logging: Logging
    """The controller's pods write logs too, once the log router is configured."""
    tags: Mapping[str, str]
    """For the load balancers it makes, which the provider's default tags do not reach."""


@final
class IngressController(pulumi.ComponentResource):
    """The AWS Load Balancer Controller, with a role that only its own service account can take."""

    def __init__(self, name: str, args: IngressControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:IngressController", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Fargate has neither Pod Identity nor instance metadata, which leaves a role for the service account.
        role = aws.iam.Role(
            "role",
            name=physical_name(args.name, "ingress-controller", limit=64),
            assume_role_policy=pulumi.Output.all(args.cluster.oidc_provider_arn, args.cluster.oidc_issuer).apply(
                lambda oidc: json.dumps(trust_policy(provider_arn=oidc[0], issuer=oidc[1]))
            ),
            opts=child,
        )
        policy = aws.iam.Policy("policy", policy=policy_document(args.account_id), opts=child)
        attachment = aws.iam.RolePolicyAttachment("policy", role=role.name, policy_arn=policy.arn, opts=child)
        kubernetes.helm.v3.Release(
            "controller",
            name=SERVICE_ACCOUNT,
            namespace=NAMESPACE,
            chart=archive(args.chart, versions.INGRESS_CONTROLLER_CHART, versions.INGRESS_CONTROLLER_CHART_SHA256),
            version=versions.INGRESS_CONTROLLER_CHART,
            values={
                "clusterName": args.cluster.name,
                # The chart puts the two together with a colon.
                "image": {
                    "repository": IMAGE,
                    "tag": f"{versions.INGRESS_CONTROLLER}@{versions.INGRESS_CONTROLLER_DIGEST}",
                },
                # Neither can be asked for where there is no instance metadata.
                "region": args.region,
                "vpcId": args.network.vpc_id,
                "replicaCount": 2,
                "podDisruptionBudget": {"maxUnavailable": 1},
                "resources": {"requests": SIZE.requests, "limits": SIZE.requests},
                "defaultTags": dict(args.tags),
                "serviceAccount": {
                    "create": True,
                    "name": SERVICE_ACCOUNT,
                    "annotations": {"eks.amazonaws.com/role-arn": role.arn},
                },
                "ingressClassParams": {"create": True, "spec": args.load_balancers.parameters},
                # One load balancer for two environments would have the one's rules before the other's pods.
                "disableIngressGroupNameAnnotation": True,
                # It would block every new Service while the controller is down.
                "enableServiceMutatorWebhook": False,
                # Or each `up` makes new certificates.
                "keepTLSSecret": True,
                # The default, Ignore, drops readiness gates in silence while the controller is down. With Fail, only
                # the application's own pods may depend on it.
                "podMutatorWebhookConfig": {"failurePolicy": "Fail"},
                "objectSelector": {"matchLabels": SELECTOR},
            },
            # It removes the load balancers of deleted Ingresses; that takes its pods, their role and the network.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[args.cluster, args.network, args.logging, attachment], protect=True
            ),
        )
        self.register_outputs({})


def policy_document(account: str) -> str:
    """What the controller may do, as JSON without white space, which counts towards the limit of 6,144 characters.

    Its authors' statements are about resources of any account, so one of ours forbids those of others.
    """
    statements = json.loads(POLICY.read_bytes())["Statement"]
    return json.dumps(iam.document(*statements, iam.not_beyond(account, *SERVICES)), separators=(",", ":"))


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
