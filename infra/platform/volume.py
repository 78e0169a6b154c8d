"""A disk that outlives its host, and daily snapshots of it."""

from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam

SIZE: Final = 50
"""GB."""
SNAPSHOTS_KEPT: Final = 14
SNAPSHOT_POLICY: Final = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"


@final
class Volume(pulumi.ComponentResource):
    """An encrypted volume with a snapshot each night, two weeks of which are kept."""

    id: pulumi.Output[str]

    def __init__(self, name: str, volume: str, zone: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Volume", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        resource = aws.ebs.Volume(
            name,
            availability_zone=zone,
            size=SIZE,
            type="gp3",
            encrypted=True,
            # Deleted on purpose, it leaves a snapshot behind.
            final_snapshot=True,
            tags={"Name": volume},
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        role = aws.iam.Role(f"{name}-snapshots", assume_role_policy=iam.trust("dlm.amazonaws.com"), opts=child)
        attachment = aws.iam.RolePolicyAttachment(
            f"{name}-snapshots", role=role.name, policy_arn=SNAPSHOT_POLICY, opts=child
        )
        aws.dlm.LifecyclePolicy(
            name,
            description="Nightly snapshots of JENKINS_HOME",
            execution_role_arn=role.arn,
            policy_details={
                "resource_types": ["VOLUME"],
                "target_tags": {"Name": volume},
                "schedules": [
                    {
                        "name": "nightly",
                        "create_rule": {"interval": 24, "interval_unit": "HOURS", "times": "03:30"},
                        "retain_rule": {"count": SNAPSHOTS_KEPT},
                        "copy_tags": True,
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
        )
        self.id = resource.id
        self.register_outputs({"id": self.id})

    def attach(self, instance_id: pulumi.Input[str]) -> None:
        """Give the volume to a host. It is detached from a stopped machine, so that everything is written."""
        aws.ec2.VolumeAttachment(
            "jenkins-home",
            device_name="/dev/sdf",
            volume_id=self.id,
            instance_id=instance_id,
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
