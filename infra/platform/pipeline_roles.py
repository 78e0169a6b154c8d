"""The two roles of the pipeline: `deploy` brings environments up, `preview` only looks.

Code of a pull request, its program included, runs under `preview` alone. Neither role can take the other, or any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import pulumi
import pulumi_aws as aws

from infra import iam, state
from infra.branches import DEPLOY, PREVIEW, group
from infra.names import physical_name
from infra.platform.cluster import Cluster
from infra.platform.domain import Domain
from infra.platform.registry import Registry


@final
@dataclass(frozen=True, kw_only=True)
class PipelineRolesArgs:
    """Roles for one platform."""

    name: str
    stack: str
    region: str
    account_id: str
    cluster: Cluster
    registry: Registry
    domain: Domain | None


@final
class PipelineRoles(pulumi.ComponentResource):
    """IAM roles, what they may do in AWS, and the way into the cluster."""

    deploy: aws.iam.Role
    preview: aws.iam.Role

    def __init__(self, name: str, args: PipelineRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:PipelineRoles", name, {}, opts)
        zone = args.domain.zone_id if args.domain is not None else None
        self.deploy = self._role(DEPLOY, args, deploy_rights(args.account_id, args.region, args.name, args.stack, zone))
        self.preview = self._role(PREVIEW, args, preview_rights(args.account_id, args.region, args.name, zone))
        args.registry.grant_push(DEPLOY, self.deploy)
        args.registry.grant_pull(PREVIEW, self.preview)
        self.register_outputs({"deploy": self.deploy.arn, "preview": self.preview.arn})

    def _role(self, role: str, args: PipelineRolesArgs, rights: Sequence[iam.Statement]) -> aws.iam.Role:
        resource = aws.iam.Role(
            role,
            name=physical_name(args.name, role, limit=64),
            description=f"What the {role} agent of {args.name} may do",
            assume_role_policy=iam.trust("ec2.amazonaws.com"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.iam.RolePolicy(
            role,
            name="pipeline",
            role=resource.name,
            policy=iam.rendered(*rights),
            opts=pulumi.ResourceOptions(parent=self),
        )
        args.cluster.grant_groups(role, resource.arn, [group(role)])
        return resource


def deploy_rights(account: str, region: str, cluster: str, stack: str, zone: str | None) -> list[iam.Statement]:
    """Everything an environment's `up` needs besides pushing its image; nothing of the platform and its `stack`."""
    names = [
        iam.allow("route53:ChangeResourceRecordSets", on=_zone(zone)),
        iam.allow("route53:GetChange", on=f"arn:{iam.PARTITION}:route53:::change/*"),
    ]
    return [
        iam.allow("eks:DescribeCluster", on=iam.arn("eks", region, account, f"cluster/{cluster}")),
        *state.writing(account, region, except_stack=stack),
        *([*_reading_names(zone), *names] if zone else []),
    ]


def preview_rights(account: str, region: str, cluster: str, zone: str | None) -> list[iam.Statement]:
    """Everything an environment's `preview` needs besides reading the registry: it changes nothing."""
    return [
        iam.allow("eks:DescribeCluster", on=iam.arn("eks", region, account, f"cluster/{cluster}")),
        *state.reading(account, region),
        *(_reading_names(zone) if zone else []),
    ]


def _reading_names(zone: str | None) -> list[iam.Statement]:
    return [iam.allow("route53:GetHostedZone", "route53:ListResourceRecordSets", on=_zone(zone))]


def _zone(zone: str | None) -> str:
    return f"arn:{iam.PARTITION}:route53:::hostedzone/{zone}"
