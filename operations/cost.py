"""What the stacks cost in a month, from the resources in their state and a small file of prices."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, cast, final

from infra.fargate import MEMORY_OF_FARGATE

PRICES: Final = Path(__file__).with_name("prices.json")
LEFT_OUT: Final = (
    "Left out: traffic (NAT gateway and load balancer by the GB, between zones, to the internet), load balancer "
    "capacity units, logs, image storage and scans, snapshots, the state's bucket and its key (1 dollar), "
    "requests to S3 and KMS, mail, taxes, and every discount."
)
CONTROLLER_PODS: Final = 2
DNS_PODS: Final = 2

_SINGLE: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "aws:eks/cluster:Cluster": (("cluster", 1),),
    # The controller makes a load balancer of it.
    "kubernetes:networking.k8s.io/v1:Ingress": (("load balancer", 1),),
    "aws:lb/loadBalancer:LoadBalancer": (("load balancer", 1),),
    "aws:ec2/natGateway:NatGateway": (("NAT gateway", 1),),
    "aws:ec2/eip:Eip": (("public IPv4 address", 1),),
    "aws:kms/key:Key": (("KMS key", 1),),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (("alarm", 1),),
}
"""What one resource of a type uses, whatever its inputs."""

Resource = Mapping[str, object]


@final
@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars, of one region at one date."""

    date: str
    region: str
    hours: int
    """Of a month."""
    hourly: Mapping[str, Decimal]
    monthly: Mapping[str, Decimal]

    def of(self, item: str) -> Decimal:
        """Dollars a month for one of an item."""
        return self.hourly[item] * self.hours if item in self.hourly else self.monthly[item]


def prices(path: Path = PRICES) -> Prices:
    """The prices of the file."""
    content = cast("dict[str, object]", json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    return Prices(
        date=str(content["date"]),
        region=str(content["region"]),
        hours=int(str(content["hours"])),
        hourly=cast("dict[str, Decimal]", content["hourly"]),
        monthly=cast("dict[str, Decimal]", content["monthly"]),
    )


def items(resources: Sequence[Resource], zones: int) -> Counter[str]:
    """What of the price list a stack's resources use, and how much of it; `zones` are those of the platform."""
    used: Counter[str] = Counter()
    for resource in resources:
        inputs = cast("Mapping[str, object]", resource.get("inputs") or {})
        for item, amount in _of(str(resource["type"]), inputs, zones):
            used[item] += amount  # pyright: ignore[reportArgumentType]
    return used


def report(stacks: Mapping[str, Sequence[Resource]], zones: Mapping[str, int], listed: Prices) -> str:
    """A table for people; `zones` has for each stack the number of its platform's."""
    lines: list[str] = []
    total = Decimal(0)
    for stack, resources in stacks.items():
        used = items(resources, zones[stack])
        rows = [(item, amount, listed.of(item) * Decimal(amount)) for item, amount in sorted(used.items())]
        cost = sum((row[2] for row in rows), Decimal(0))
        total += cost
        lines.append(f"{stack:<48}{cost:>12.2f}")
        lines += [f"  {item:<34}{amount:>10.6g}{dollars:>14.2f}" for item, amount, dollars in rows]
    lines.append(f"{'a month, in US dollars':<48}{total:>12.2f}")
    lines.append(f"Prices of {listed.region}, {listed.date} ({listed.hours} hours). {LEFT_OUT}")
    return "\n".join(lines)


def _of(kind: str, inputs: Mapping[str, object], zones: int) -> Iterator[tuple[str, float]]:
    yield from _SINGLE.get(kind, ())
    match kind:
        case "kubernetes:networking.k8s.io/v1:Ingress":
            # The controller takes a public subnet of each zone.
            yield "public IPv4 address", zones
        case "aws:eks/addon:Addon" if inputs.get("addonName") == "coredns":
            yield from _pods(DNS_PODS, 0.25, 0.5)
        case "kubernetes:helm.sh/v3:Release":
            yield from _pods(CONTROLLER_PODS, *_size(_at(inputs, "values", "resources", "requests")))
        case "kubernetes:apps/v1:Deployment":
            replicas = float(str(_at(inputs, "spec").get("replicas", 1)))
            containers = cast("list[Mapping[str, object]]", _at(inputs, "spec", "template", "spec").get("containers"))
            yield from _pods(replicas, *_size(_at(containers[0], "resources", "requests")))
        case "aws:lb/loadBalancer:LoadBalancer":
            yield "public IPv4 address", len(cast("list[str]", inputs.get("subnets") or []))
        case "aws:ec2/vpcEndpoint:VpcEndpoint" if inputs.get("vpcEndpointType") == "Interface":
            yield "interface endpoint, per zone", len(cast("list[str]", inputs.get("subnetIds") or []))
        case "aws:ec2/instance:Instance":
            yield str(inputs["instanceType"]), 1
            yield "gp3, per GB", float(str(_at(inputs, "rootBlockDevice").get("volumeSize", 0)))
        case "aws:ebs/volume:Volume":
            yield "gp3, per GB", float(str(inputs["size"]))
        case _:
            pass


def _pods(count: float, cpu: float, memory: float) -> Iterator[tuple[str, float]]:
    yield "fargate vCPU", count * cpu
    yield "fargate GB", count * memory


def _size(requests: Mapping[str, object]) -> tuple[float, float]:
    """vCPU and GB that Fargate bills for a pod that asks this."""
    cpu = float(str(requests.get("cpu", "250m")).removesuffix("m")) / 1000
    memory = float(str(requests.get("memory", "256Mi")).removesuffix("Mi")) + MEMORY_OF_FARGATE
    return cpu, memory / 1024


def _at(tree: Mapping[str, object], *path: str) -> Mapping[str, object]:
    for key in path:
        found = tree.get(key)
        tree = cast("Mapping[str, object]", found) if isinstance(found, dict) else {}
    return tree
