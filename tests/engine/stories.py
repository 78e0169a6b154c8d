"""Whole lives of stacks, from nothing to nothing, which the tests look at from all sides.

Each is lived once, and takes half a minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from tests.engine.world import CLUSTER, INGRESS, NAMESPACE, RELEASE, SERVICE, Step, World
from tests.stack_files import ALLOW_LIST

CONFIG_MAP: Final = "kubernetes:core/v1:ConfigMap"
ENTRY: Final = "aws:eks/accessEntry:AccessEntry"
ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
NAT: Final = "aws:ec2/natGateway:NatGateway"
OIDC: Final = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
PROFILE: Final = "aws:eks/fargateProfile:FargateProfile"
ROUTE: Final = "aws:ec2/route:Route"
ROUTES_OF_SUBNET: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"
SUBNET: Final = "aws:ec2/subnet:Subnet"
VPC: Final = "aws:ec2/vpc:Vpc"

ENVIRONMENTS: Final = ("develop", "green", "blue")
STACKS: Final = ("platform", *ENVIRONMENTS)
"""In the order in which they go up."""

Steps = Mapping[tuple[str, str], Step]
"""What came of each command, by verb and stack."""


@final
@dataclass(frozen=True, kw_only=True)
class Life:
    """What was done, and what came of it."""

    steps: Steps
    at_rest: bytes
    """Everything that Pulumi kept on disk while all stacks were up."""
    addresses: Mapping[str, str]
    """Of the environments, by stack."""


def a_stack_each(world: World) -> Life:
    """A platform and three environments, each in a stack of its own."""
    steps: dict[tuple[str, str], Step] = {}
    world.create(*STACKS)
    steps["too early", "green"] = world.up("green")
    for stack in STACKS:
        steps["preview", stack] = world.preview(stack)
        steps["up", stack] = world.up(stack)
        steps["again", stack] = world.up(stack, "--expect-no-changes")
        steps["refresh", stack] = world.refresh(stack)
    outputs = {stack: world.harness.outputs(stack) for stack in ENVIRONMENTS}
    world.configure("develop", "smallcase:replicas", "2")
    steps["scale", "develop"] = world.up("develop")
    world.configure("blue", "smallcase:image", str(outputs["green"].get("image", "")))
    steps["promote", "blue"] = world.up("blue")
    with world.changed_page():
        steps["change", "green"] = world.up("green")
    at_rest = world.at_rest()
    for stack in ("blue", "platform"):
        steps["protected", stack] = world.try_to_destroy(stack)
        world.unprotect(stack)
    for stack in reversed(STACKS):
        steps["destroy", stack] = world.destroy(stack)
    world.empty_repository()
    steps["destroy again", "platform"] = world.destroy("platform")
    addresses = {stack: str(values.get("url", "")) for stack, values in outputs.items()}
    return Life(steps=steps, at_rest=at_rest, addresses=addresses)


def both_layers_in_one(world: World) -> Life:
    """A platform and an environment in the stack `green` (`platform: self`), and `develop` on it."""
    steps: dict[tuple[str, str], Step] = {}
    world.create("green", "develop")
    world.configure("green", "smallcase:platform", "self")
    world.configure("green", "smallcase:hostImage", str(ALLOW_LIST["smallcase:hostImage"]))
    world.configure("green", "--secret", "--path", "smallcase:apiAllowList[0]", "203.0.113.7/32")
    world.configure("green", "--path", "smallcase:ingressControllerChart.chart", "/stand-in/chart")
    world.configure("develop", "smallcase:platform", "green")
    steps["preview", "green"] = world.preview("green")
    # Calls that end at once would hide an order that is left to chance.
    with world.slow("create", ATTACHMENT, NAT, OIDC, PROFILE, ROUTE, ROUTES_OF_SUBNET, RELEASE, NAMESPACE, INGRESS):
        steps["up", "green"] = world.up("green")
    steps["up", "develop"] = world.up("develop")
    steps["again", "green"] = world.up("green", "--refresh", "--run-program", "--expect-no-changes")
    world.configure("green", "smallcase:replicas", "3")
    steps["scale", "green"] = world.up("green")
    addresses = {stack: str(world.harness.outputs(stack).get("url", "")) for stack in ("green", "develop")}
    at_rest = world.at_rest()
    steps["destroy", "develop"] = world.destroy("develop")
    steps["protected", "green"] = world.try_to_destroy("green")
    world.unprotect("green")
    with world.slow("delete", SERVICE, INGRESS, NAMESPACE, RELEASE, PROFILE, ATTACHMENT, ENTRY, CLUSTER):
        steps["destroy", "green"] = world.destroy("green")
    world.empty_repository()
    steps["destroy again", "green"] = world.destroy("green")
    return Life(steps=steps, at_rest=at_rest, addresses=addresses)
