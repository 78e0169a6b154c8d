"""The VPC: public subnets for load balancers and the Jenkins controller, private ones for pods, the way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.platform.addresses import divide

FLOW_LOG_RETENTION: Final = 14
"""Days."""
EXCLUDED_ZONES: Final = ("use1-az3", "usw1-az2", "cac1-az3", "apne1-az3")
"""Zone ids where EKS takes no subnets of a control plane, or Fargate runs no pods; which name has them differs from
account to account. https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html"""

REGISTRY_SERVICES: Final = ("ecr.api", "ecr.dkr")
"""What a pull asks besides S3, where the layers are: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html"""
ANYWHERE: Final = "0.0.0.0/0"


@final
@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """A VPC over some availability zones."""

    name: str
    region: str
    network: IPv4Network
    zones: Sequence[str]
    """Names, see `available_zones`."""
    nat_per_zone: bool
    """A NAT gateway in each zone, or one for all."""
    registry_endpoints: bool
    """Whether image pulls stay inside the VPC instead of passing the NAT gateway."""


@final
class Network(pulumi.ComponentResource):
    """A VPC whose private subnets reach the internet and are not reached from it.

    Whoever runs in it depends on the whole of it (`depends_on=[network]`): without the routes of the private subnets a
    pod neither starts nor ends.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    first_zone: str
    """Where the things are that exist in one zone only."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Network", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.first_zone = args.zones[0]
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=str(args.network),
            # Both, or the cluster's private endpoint does not resolve.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": args.name},
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        # AWS's default group lets all its members talk; without rules of its own it lets nobody.
        aws.ec2.DefaultSecurityGroup("default", vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        internet = aws.ec2.InternetGateway("internet", vpc_id=vpc.id, tags={"Name": args.name}, opts=self._child)
        public_routes = self._route_table("public", vpc)
        aws.ec2.Route(
            "public-internet",
            route_table_id=public_routes.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        self.vpc_id = vpc.id
        self.public_subnet_ids = []
        self.private_subnet_ids = []
        private_routes: list[aws.ec2.RouteTable] = []
        gateways: list[aws.ec2.NatGateway] = []
        shares = divide(args.network, len(args.zones))
        for index, (zone, addresses) in enumerate(zip(args.zones, shares, strict=True)):
            public = self._subnet(f"public-{index}", vpc, zone, addresses.public, "kubernetes.io/role/elb")
            private = self._subnet(f"private-{index}", vpc, zone, addresses.private, "kubernetes.io/role/internal-elb")
            if args.nat_per_zone or not gateways:
                gateways.append(self._nat_gateway(f"nat-{index}", public, internet))
            routes = self._route_table(f"private-{index}", vpc)
            aws.ec2.Route(
                f"private-{index}-internet",
                route_table_id=routes.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateways[-1].id,
                opts=self._child,
            )
            self._associate(f"public-{index}", public, public_routes)
            self._associate(f"private-{index}", private, routes)
            private_routes.append(routes)
            self.public_subnet_ids.append(public.id)
            self.private_subnet_ids.append(private.id)
        # Free of charge, and image layers come from S3.
        aws.ec2.VpcEndpoint(
            "s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[routes.id for routes in private_routes],
            tags={"Name": "s3"},
            opts=self._child,
        )
        if args.registry_endpoints:
            self._registry_endpoints(args)
        self._flow_logs(args.name)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
            }
        )

    def _subnet(self, name: str, vpc: aws.ec2.Vpc, zone: str, addresses: IPv4Network, role: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            name,
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=str(addresses),
            # The ingress controller finds its subnets by these tags:
            # https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/subnet_discovery/
            tags={"Name": f"{name.partition('-')[0]}-{zone}", role: "1"},
            opts=self._child,
        )

    def _nat_gateway(self, name: str, subnet: aws.ec2.Subnet, internet: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=self._child)
        return aws.ec2.NatGateway(
            name,
            subnet_id=subnet.id,
            allocation_id=address.allocation_id,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
        )

    def _route_table(self, name: str, vpc: aws.ec2.Vpc) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(name, vpc_id=vpc.id, tags={"Name": name}, opts=self._child)

    def _associate(self, name: str, subnet: aws.ec2.Subnet, routes: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=routes.id, opts=self._child)

    def _registry_endpoints(self, args: NetworkArgs) -> None:
        group = aws.ec2.SecurityGroup(
            "registry-endpoints",
            name=f"{args.name}-registry-endpoints",
            description="Image pulls that stay inside the VPC",
            vpc_id=self.vpc_id,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            "registry-endpoints",
            security_group_id=group.id,
            description="HTTPS from pods and agents",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=str(args.network),
            opts=self._child,
        )
        for service in REGISTRY_SERVICES:
            aws.ec2.VpcEndpoint(
                service,
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=self.private_subnet_ids,
                security_group_ids=[group.id],
                tags={"Name": service},
                opts=self._child,
            )

    def _flow_logs(self, name: str) -> None:
        """Who spoke to whom. https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html"""
        group = aws.cloudwatch.LogGroup(
            "flow-logs", name=f"/smallcase/{name}/flow", retention_in_days=FLOW_LOG_RETENTION, opts=self._child
        )
        role = aws.iam.Role("flow-logs", assume_role_policy=iam.trust("vpc-flow-logs.amazonaws.com"), opts=self._child)
        write = aws.iam.RolePolicy(
            "flow-logs",
            role=role.name,
            policy=iam.rendered(
                iam.allow(
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                    on=[group.arn, group.arn.apply(lambda text: f"{text}:*")],
                ),
                iam.allow("logs:DescribeLogGroups", on="*"),
            ),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            "flow-logs",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[write]),
        )


class TooFewZones(pulumi.RunError):
    """The region has fewer availability zones than were asked for."""


def available_zones(count: int, opts: pulumi.InvokeOptions) -> list[str]:
    """The first zones of the region, in alphabetical order; local and wavelength zones, which are opted into, left out.

    In whatever state they are: were one left out while it is impaired, everything in it would have to move.

    Raises:
        TooFewZones: the region has less of them.
    """
    opted_in = aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])
    names = sorted(
        aws.get_availability_zones(filters=[opted_in], exclude_zone_ids=list(EXCLUDED_ZONES), opts=opts).names
    )
    if len(names) < count:
        raise TooFewZones(
            f"smallcase:zones is {count}, but the region has {len(names)} ({', '.join(names)}). "
            f"Set it with `pulumi config set smallcase:zones {max(2, len(names))} -s {pulumi.get_stack()}`, "
            "or choose another aws:region."
        )
    return names[:count]
