"""The VPC: public subnets for load balancers, private ones for pods, and the way out for these."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import final

import pulumi
import pulumi_aws as aws

from infra.platform.addresses import divide


@final
@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """A VPC over `zones` availability zones."""

    network: IPv4Network
    zones: int
    nat_per_zone: bool
    """A NAT gateway in each zone, or one for all."""


@final
class Network(pulumi.ComponentResource):
    """A VPC whose private subnets reach the internet and are not reached from it."""

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Network", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        zone_names = available_zones(args.zones, pulumi.InvokeOptions(parent=self))
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=str(args.network),
            # Both, or the cluster's private endpoint does not resolve.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": pulumi.get_stack()},
            opts=child,
        )
        internet = aws.ec2.InternetGateway("internet", vpc_id=vpc.id, opts=child)
        public_routes = aws.ec2.RouteTable("public", vpc_id=vpc.id, tags={"Name": "public"}, opts=child)
        aws.ec2.Route(
            "public-internet",
            route_table_id=public_routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=internet.id,
            opts=child,
        )
        self.vpc_id = vpc.id
        self.public_subnet_ids = []
        self.private_subnet_ids = []
        gateways: list[aws.ec2.NatGateway] = []
        for index, (zone, addresses) in enumerate(zip(zone_names, divide(args.network, args.zones), strict=True)):
            public = aws.ec2.Subnet(
                f"public-{index}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=str(addresses.public),
                tags={"Name": f"public-{zone}", "kubernetes.io/role/elb": "1"},
                opts=child,
            )
            private = aws.ec2.Subnet(
                f"private-{index}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=str(addresses.private),
                tags={"Name": f"private-{zone}", "kubernetes.io/role/internal-elb": "1"},
                opts=child,
            )
            aws.ec2.RouteTableAssociation(
                f"public-{index}", subnet_id=public.id, route_table_id=public_routes.id, opts=child
            )
            if args.nat_per_zone or not gateways:
                address = aws.ec2.Eip(f"nat-{index}", domain="vpc", opts=child)
                gateways.append(
                    aws.ec2.NatGateway(
                        f"nat-{index}",
                        subnet_id=public.id,
                        allocation_id=address.allocation_id,
                        opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
                    )
                )
            routes = aws.ec2.RouteTable(f"private-{index}", vpc_id=vpc.id, tags={"Name": f"private-{zone}"}, opts=child)
            aws.ec2.Route(
                f"private-{index}-internet",
                route_table_id=routes.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=gateways[-1].id,
                opts=child,
            )
            aws.ec2.RouteTableAssociation(
                f"private-{index}", subnet_id=private.id, route_table_id=routes.id, opts=child
            )
            self.public_subnet_ids.append(public.id)
            self.private_subnet_ids.append(private.id)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
            }
        )


class TooFewZones(pulumi.RunError):
    """The region has fewer availability zones than were asked for."""


def available_zones(count: int, opts: pulumi.InvokeOptions) -> list[str]:
    """The first zones of the region, in alphabetical order; local and wavelength zones, which are opted into, left out.

    Raises:
        TooFewZones: the region has less of them.
    """
    opted_in = aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])
    names = sorted(aws.get_availability_zones(state="available", filters=[opted_in], opts=opts).names)
    if len(names) < count:
        raise TooFewZones(
            f"smallcase:zones is {count}, but the region has {len(names)} ({', '.join(names)}). "
            f"Set it with `pulumi config set smallcase:zones {max(2, len(names))} -s {pulumi.get_stack()}`, "
            "or choose another aws:region."
        )
    return names[:count]
