"""What Elastic Load Balancing refuses: a load balancer nobody can reach, and deleting a target group in use."""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.cloud.properties import Properties, texts_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.rules import ec2
from rehearsal.cloud.rules.tables import Check, DeleteCheck, Holders

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud


def _check_load_balancer(cloud: "Cloud", inputs: Properties) -> None:
    if inputs.get("internal"):
        return
    subnets = [cloud.find(ec2.SUBNET, id) for id in texts_at(inputs, "subnets")]
    gateways = {gateway.text("vpcId") for gateway in cloud.of(ec2.INTERNET_GATEWAY)}
    for vpc in sorted({subnet.text("vpcId") for subnet in subnets if subnet} - gateways):
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
        message = f"VPC {vpc} has no internet gateway"
        raise ApiError("Elastic Load Balancing v2", "CreateLoadBalancer", "InvalidSubnet", message)


def _check_unprotected(cloud: "Cloud", balancer: Resource) -> None:  # noqa: ARG001
    if balancer.inputs.get("enableDeletionProtection"):
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html
        message = f"Load balancer '{balancer.id}' cannot be deleted because deletion protection is enabled"
        raise ApiError("Elastic Load Balancing v2", "DeleteLoadBalancer", "OperationNotPermitted", message)


DELETE_CHECKS: Final[Mapping[str, DeleteCheck]] = {"aws:lb/loadBalancer:LoadBalancer": _check_unprotected}

CHECKS: Final[Mapping[str, Check]] = {"aws:lb/loadBalancer:LoadBalancer": _check_load_balancer}

HELD_BY: Final[Mapping[str, tuple[Holders, ...]]] = {
    "aws:lb/targetGroup:TargetGroup": (
        Holders(
            ("aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"),
            "ResourceInUse",
            "Target group '{id}' is currently in use by a listener or a rule",
        ),
    ),
}
