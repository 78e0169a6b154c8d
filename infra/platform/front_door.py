"""The way to Jenkins from the internet, where there is a domain: people in an allow-list, and the hooks of GitHub."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import github_hooks
from infra.host_names import jenkins_host
from infra.names import physical_name
from infra.platform.domain import Domain
from infra.platform.firewall import Firewall
from infra.platform.load_balancers import TLS_POLICY
from infra.platform.network import Network

VALUES: Final = 5
"""That the conditions of one rule may have, paths and addresses together; not to be raised
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)."""


@final
@dataclass(frozen=True, kw_only=True)
class FrontDoorArgs:
    """A public load balancer before one host."""

    name: str
    network: Network
    domain: Domain
    access_logs: pulumi.Input[str] | None
    """Bucket of its access logs."""
    allow_list: Sequence[IPv4Network]
    firewall: Firewall
    """Of the host."""
    instance_id: pulumi.Input[str]
    port: int


@final
class FrontDoor(pulumi.ComponentResource):
    """An Application Load Balancer with a certificate and a name."""

    url: str

    def __init__(self, name: str, args: FrontDoorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:FrontDoor", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        physical = physical_name(args.name, "jenkins", limit=32)
        host = jenkins_host(args.domain.name)
        firewall = Firewall(
            "front-door",
            f"{args.name}-front-door",
            "People and GitHub on their way to Jenkins",
            args.network.vpc_id,
            child,
        )
        firewall.admit_ranges(args.allow_list, 443, "People in smallcase:jenkinsAllowList")
        firewall.admit_ranges(args.allow_list, 80, "People in smallcase:jenkinsAllowList, sent on to HTTPS")
        firewall.admit_ranges(github_hooks.RANGES, 443, "Web hooks of GitHub")
        args.firewall.admit(firewall, args.port, "Jenkins, from its load balancer alone")
        balancer = aws.lb.LoadBalancer(
            "front-door",
            name=physical,
            load_balancer_type="application",
            internal=False,
            subnets=args.network.public_subnet_ids,
            security_groups=[firewall.id],
            drop_invalid_header_fields=True,
            access_logs={"bucket": args.access_logs, "enabled": True} if args.access_logs is not None else None,
            # Refused while the VPC has no internet gateway, which cannot be taken away under it either.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.network]),
        )
        group = aws.lb.TargetGroup(
            "front-door",
            name=physical,
            vpc_id=args.network.vpc_id,
            target_type="instance",
            protocol="HTTP",
            port=args.port,
            # `/` answers 403 to whoever is not signed in.
            health_check={"path": "/login", "matcher": "200"},
            opts=child,
        )
        aws.lb.TargetGroupAttachment(
            "front-door", target_group_arn=group.arn, target_id=args.instance_id, port=args.port, opts=child
        )
        https = aws.lb.Listener(
            "https",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=args.domain.certificate_arn,
            # Whoever is in no rule below gets no further, whatever the security group lets in.
            default_actions=[
                {
                    "type": "fixed-response",
                    "fixed_response": {
                        "content_type": "text/plain",
                        "message_body": "Not for you.",
                        "status_code": "403",
                    },
                }
            ],
            opts=child,
        )
        for priority, (who, conditions) in enumerate(admitted(args.allow_list), 1):
            aws.lb.ListenerRule(
                who,
                listener_arn=https.arn,
                priority=priority,
                conditions=conditions,
                actions=[{"type": "forward", "target_group_arn": group.arn}],
                opts=child,
            )
        aws.lb.Listener(
            "http",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[
                {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"}}
            ],
            opts=child,
        )
        args.domain.alias("jenkins", host, balancer)
        self.url = f"https://{host}"
        self.register_outputs({"url": self.url})


def admitted(
    allow_list: Sequence[IPv4Network],
) -> Iterator[tuple[str, list[aws.lb.ListenerRuleConditionArgsDict]]]:
    """Name and conditions of each rule: people from the allow-list everywhere, GitHub at the path of its hooks."""
    for number, people in enumerate(_batches(allow_list, VALUES)):
        yield f"people-{number}", [_from(people)]
    for number, hooks in enumerate(_batches(github_hooks.RANGES, VALUES - 1)):
        yield f"hooks-{number}", [{"path_pattern": {"values": [github_hooks.PATH]}}, _from(hooks)]


def _batches(ranges: Sequence[IPv4Network], size: int) -> Iterator[Sequence[IPv4Network]]:
    return (ranges[start : start + size] for start in range(0, len(ranges), size))


def _from(ranges: Sequence[IPv4Network]) -> aws.lb.ListenerRuleConditionArgsDict:
    return {"source_ip": {"values": [str(addresses) for addresses in ranges]}}
