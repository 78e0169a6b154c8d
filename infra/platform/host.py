"""A virtual machine of the delivery system: it holds nothing, so it can be replaced at any time."""

from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.platform.host_address import HostAddress

ROOT_VOLUME: Final = 30
"""GB: the system, and on an agent workspaces and layers of images."""

SESSION: Final = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What Session Manager needs on the host, without the right to every parameter that AmazonSSMManagedInstanceCore gives:
https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html"""


@final
@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """A machine that boots from an image and user data alone."""

    name: str
    instance_type: str
    image: str
    """AMI id."""
    address: HostAddress
    role: aws.iam.Role
    user_data: pulumi.Input[str]
    """Base64, see `infra.platform.boot`."""


@final
class Host(pulumi.ComponentResource):
    """An EC2 instance behind a network interface that outlives it. Nobody logs in but through Session Manager."""

    instance_id: pulumi.Output[str]

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Host", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        session = aws.iam.RolePolicy(
            f"{name}-session",
            name="session",
            role=args.role.name,
            policy=iam.rendered(iam.allow(*SESSION, on="*")),
            opts=child,
        )
        profile = aws.iam.InstanceProfile(name, name=args.name, role=args.role.name, opts=child)
        instance = aws.ec2.Instance(
            name,
            ami=args.image,
            instance_type=args.instance_type,
            iam_instance_profile=profile.name,
            primary_network_interface={"network_interface_id": args.address.interface_id},
            user_data_base64=args.user_data,
            user_data_replace_on_change=True,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                # One hop: a container cannot ask for the host's credentials.
                "http_put_response_hop_limit": 1,
            },
            root_block_device={
                "encrypted": True,
                "volume_type": "gp3",
                "volume_size": ROOT_VOLUME,
                "delete_on_termination": True,
                "tags": {"Name": args.name},
            },
            # Against a hand in the console; Pulumi itself may replace the instance.
            disable_api_termination=True,
            force_destroy=True,
            tags={"Name": args.name},
            opts=pulumi.ResourceOptions(
                parent=self,
                # The interface fits one instance at a time.
                delete_before_replace=True,
                # An Elastic IP is the only way out of a public subnet.
                depends_on=[session, args.address],
            ),
        )
        self.instance_id = instance.id
        self.register_outputs({"instance_id": self.instance_id})
