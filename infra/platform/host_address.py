"""Where a host is reached: addresses that stay when the host is replaced."""

from typing import final

import pulumi
import pulumi_aws as aws

from infra.platform.firewall import Firewall
from infra.platform.network import Network


@final
class HostAddress(pulumi.ComponentResource):
    """A network interface, and an Elastic IP where the host is to be known outside.

    It stands while the whole network stands: a host that boots or ends needs its ways out.
    """

    interface_id: pulumi.Output[str]
    private_ip: pulumi.Output[str]
    public_ip: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        host: str,
        network: Network,
        firewall: Firewall,
        *,
        public: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("smallcase:platform:HostAddress", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=[network])
        interface = aws.ec2.NetworkInterface(
            name,
            # In the first zone: what a host keeps is on a volume there.
            subnet_id=(network.public_subnet_ids if public else network.private_subnet_ids)[0],
            security_groups=[firewall.id],
            description=host,
            tags={"Name": host},
            opts=child,
        )
        self.interface_id = interface.id
        self.private_ip = interface.private_ip
        self.public_ip = None
        if public:
            address = aws.ec2.Eip(name, domain="vpc", network_interface=interface.id, tags={"Name": host}, opts=child)
            self.public_ip = address.public_ip
        self.register_outputs({"private_ip": self.private_ip})
