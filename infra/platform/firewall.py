"""Security groups whose rules are resources of their own, each with a description of who needs it."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import final

import pulumi
import pulumi_aws as aws

from infra.platform.network import ANYWHERE


@final
class Firewall(pulumi.ComponentResource):
    """A security group that lets nothing in or out but what its verbs say."""

    id: pulumi.Output[str]
    label: str

    def __init__(
        self,
        name: str,
        group_name: str,
        description: str,
        vpc_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("smallcase:platform:Firewall", name, {}, opts)
        self.label = name
        self._group = aws.ec2.SecurityGroup(
            name,
            name=group_name,
            description=description,
            vpc_id=vpc_id,
            tags={"Name": group_name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = self._group.id
        self.register_outputs({"id": self.id})

    def admit(self, other: "Firewall", port: int, description: str) -> None:
        """Let members of another group connect to a port of this one's, which takes a rule on either side."""
        rule = f"{other.label}-to-{self.label}-{port}"
        aws.vpc.SecurityGroupIngressRule(
            rule,
            security_group_id=self.id,
            referenced_security_group_id=other.id,
            description=description,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupEgressRule(
            rule,
            security_group_id=other.id,
            referenced_security_group_id=self.id,
            description=description,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def admit_ranges(self, ranges: Sequence[IPv4Network], port: int, who: str) -> None:
        """Let some addresses of the internet connect to a port."""
        for addresses in ranges:
            aws.vpc.SecurityGroupIngressRule(
                f"{addresses}-to-{self.label}-{port}",
                security_group_id=self.id,
                cidr_ipv4=str(addresses),
                description=who,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def reach_out(self, port: int, description: str) -> None:
        """Let members connect to a port anywhere."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self.label}-out-{port}",
            security_group_id=self.id,
            cidr_ipv4=ANYWHERE,
            description=description,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=self),
        )
