"""The roles of the pipeline, one for each trust domain: what its agent may do in AWS.

Which environments a role changes follows from the stack files. No role can take another, or any; the two that change
something can also be taken by people, who then have the rights of an agent and not their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import pulumi
import pulumi_aws as aws

from infra import iam, state
from infra.branches import PREVIEW, Agents, group
from infra.names import physical_name
from infra.platform.cluster import Cluster
from infra.platform.domain import Domain
from infra.platform.registry import Registry
from infra.tenants import Tenant


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
    tenants: Sequence[Tenant]
    """The environments on the platform."""
    names: Mapping[str, str]
    """By stack, the names below the domain that lead to them."""
    agents: Agents
    deployed: Mapping[str, Sequence[Tenant]]
    """These environments, by agent."""
    people: Sequence[str]
    """ARNs of roles and users who may take the roles that change environments."""


@final
class PipelineRoles(pulumi.ComponentResource):
    """IAM roles, what they may do in AWS, and the way into the cluster."""

    by_agent: dict[str, aws.iam.Role]

    def __init__(self, name: str, args: PipelineRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:PipelineRoles", name, {}, opts)
        preview = self._role(PREVIEW, args, reading_rights(args, *(tenant.stack for tenant in args.tenants)), people=())
        args.registry.grant_pull(PREVIEW, preview)
        self.by_agent = {PREVIEW: preview}
        for agent, domains in args.agents.items():
            own = args.deployed[agent]
            rights = [*reading_rights(args), *changing_rights(args, own)]
            self.by_agent[agent] = self._role(agent, args, rights, people=args.people)
            args.registry.grant_push(agent, self.by_agent[agent], domains)
        self.register_outputs({agent: role.arn for agent, role in self.by_agent.items()})

    def _role(
        self, agent: str, args: PipelineRolesArgs, rights: Sequence[iam.Statement], people: Sequence[str]
    ) -> aws.iam.Role:
        resource = aws.iam.Role(
            agent,
            name=physical_name(args.name, agent, limit=64),
            description=f"What the {agent} agent of {args.name} may do",
            assume_role_policy=iam.trust("ec2.amazonaws.com", people=people),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.iam.RolePolicy(
            agent,
            name="pipeline",
            role=resource.name,
            policy=iam.rendered(*rights),
            opts=pulumi.ResourceOptions(parent=self),
        )
        args.cluster.grant_groups(agent, resource.arn, [group(agent)])
        return resource


def reading_rights(args: PipelineRolesArgs, *stacks: str) -> list[iam.Statement]:
    """What a preview of these stacks needs of the platform and of their state: it changes nothing."""
    zone = _zone(args.domain)
    return iam.within(
        args.account_id,
        iam.allow("eks:DescribeCluster", on=iam.arn("eks", args.region, args.account_id, f"cluster/{args.name}")),
        *state.reading(args.account_id, args.region, dict.fromkeys((args.stack, *stacks))),
        *([iam.allow("route53:GetHostedZone", "route53:ListResourceRecordSets", on=zone)] if zone else []),
    )


def changing_rights(args: PipelineRolesArgs, own: Sequence[Tenant]) -> list[iam.Statement]:
    """What an `up` of these environments needs besides: nothing of the platform, and nothing where there is none."""
    stacks = [tenant.stack for tenant in own]
    hosts = sorted(args.names[stack] for stack in stacks if stack in args.names)
    # A change is known by a number that says nothing of whose it is.
    follow = iam.allow("route53:GetChange", on=f"arn:{iam.PARTITION}:route53:::change/*")
    return [
        *iam.within(
            args.account_id,
            *(state.writing(args.account_id, args.region, stacks) if stacks else []),
            *([_naming(_zone(args.domain), hosts)] if hosts else []),
        ),
        *([follow] if hosts else []),
    ]


def _naming(zone: str, hosts: Sequence[str]) -> iam.Statement:
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html"""
    change = "route53:ChangeResourceRecordSets"
    names, types = f"{change}NormalizedRecordNames", f"{change}RecordTypes"
    return iam.allow(
        change,
        on=zone,
        when={
            "ForAllValues:StringEquals": {names: hosts, types: ["A"]},
            # All values of none would be in the list.
            "Null": {names: "false", types: "false"},
        },
    )


def _zone(domain: Domain | None) -> str:
    return f"arn:{iam.PARTITION}:route53:::hostedzone/{domain.zone_id}" if domain is not None else ""
