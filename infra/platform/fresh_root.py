"""A host that starts each night as it was launched: whatever somebody left on it is gone, even of root."""

import json
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.names import physical_name

NIGHTLY: Final = "cron(15 2 * * ? *)"
"""By UTC. https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""
REPLACE: Final = f"arn:{iam.PARTITION}:scheduler:::aws-sdk:ec2:createReplaceRootVolumeTask"
"""The instance restarts with a copy of the volume that it was launched with. It keeps its id, its network interface and
its user data, which is read as if for the first time
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/replace-root.html)."""


@final
@dataclass(frozen=True, kw_only=True)
class FreshRootArgs:
    """One host of one platform."""

    name: str
    region: str
    account_id: str
    instance_id: pulumi.Input[str]


@final
class FreshRoot(pulumi.ComponentResource):
    """EventBridge asks for it, so that the host has no right to. What Pulumi knows of the instance stays true."""

    def __init__(self, name: str, args: FreshRootArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:FreshRoot", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        physical = physical_name(args.name, name, limit=64)
        role = aws.iam.Role(
            name,
            name=physical,
            description=f"Restarts a host of {args.name} with a fresh root volume, and does nothing else",
            assume_role_policy=iam.trust(
                "scheduler.amazonaws.com", {"StringEquals": {"aws:SourceAccount": args.account_id}}
            ),
            opts=child,
        )
        instance = pulumi.Output.from_input(args.instance_id)
        policy = aws.iam.RolePolicy(
            name,
            name="replace",
            role=role.name,
            policy=instance.apply(
                lambda instance: json.dumps(iam.document(*rights(args.account_id, args.region, instance)))
            ),
            opts=child,
        )
        aws.scheduler.Schedule(
            name,
            name=physical,
            description="A fresh root volume for the agent of pull requests",
            schedule_expression=NIGHTLY,
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": REPLACE,
                "role_arn": role.arn,
                "input": pulumi.Output.json_dumps({"InstanceId": instance, "DeleteReplacedRootVolume": True}),
                # Half an hour is enough for AWS to answer; at noon, somebody would lose a build.
                "retry_policy": {"maximum_event_age_in_seconds": 1800, "maximum_retry_attempts": 3},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({})


def rights(account: str, region: str, instance: str) -> list[iam.Statement]:
    """Another root volume for one instance; the volume and the task have no name before there are any
    (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html)."""
    made = [iam.arn("ec2", region, account, f"{kind}/*") for kind in ("volume", "replace-root-volume-task")]
    return [
        iam.allow(
            "ec2:CreateReplaceRootVolumeTask", on=[iam.arn("ec2", region, account, f"instance/{instance}"), *made]
        )
    ]
