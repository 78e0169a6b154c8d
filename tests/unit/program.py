"""The whole program, run under Pulumi's mocks, for one stack."""

import asyncio
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast, final

import pulumi
from pulumi.runtime.settings import get_root_resource

from infra import contract
from rehearsal.cloud.account import Cloud
from rehearsal.cloud.mocks import CloudMocks, Registered
from rehearsal.cloud.properties import Properties
from tests.stack_files import CHECKOUT, config

PLATFORM: Properties = {
    contract.OUTPUT: {
        "kubeconfig": "{}",
        "cluster_name": "smallcase-platform",
        "repository_url": "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase",
        "registry_id": "123456789012",
        "ingress_class": "alb",
        "ingress_annotations": {"alb.ingress.kubernetes.io/scheme": "internet-facing"},
        "domain": "",
        "zone_id": "",
    }
}
"""What the stack `platform` exports."""


@final
@dataclass(frozen=True, kw_only=True)
class Graph:
    """What the program registered, and what it exports."""

    resources: list[Registered]
    outputs: Mapping[str, object]

    def of(self, type: str) -> list[Registered]:
        """All resources of a type, in the order of their registration."""
        return [resource for resource in self.resources if resource.type == type]

    def one(self, type: str) -> Properties:
        """The inputs of the only resource of a type."""
        (resource,) = self.of(type)
        return resource.inputs


def run(stack: str, *, cloud: Cloud | None = None, **changes: object) -> Graph:
    """Run `__main__.py` for a stack, with `changes` to its settings. Everything is known: nothing is a preview."""
    mocks = CloudMocks(cloud, stacks={"organization/smallcase/platform": PLATFORM})
    pulumi.runtime.set_mocks(mocks, project="smallcase", stack=stack, preview=False)
    pulumi.runtime.set_all_config(config(stack, **changes))

    if (before := get_root_resource()) is not None:
        cast("pulumi.runtime.stack.Stack", before).outputs.clear()

    def program() -> None:
        runpy.run_path(str(CHECKOUT / "__main__.py"), run_name="__main__")

    run_under_mocks = cast("Callable[[Callable[[], None]], Callable[[], None]]", pulumi.runtime.test)  # pyright: ignore[reportUnknownMemberType]
    run_under_mocks(program)()
    root = cast("pulumi.runtime.stack.Stack", get_root_resource())
    outputs = {name: asyncio.run(_value(value)) for name, value in root.outputs.items()}
    return Graph(resources=mocks.registered, outputs=outputs)


async def _value(value: object) -> object:
    return await cast("pulumi.Output[object]", value).future() if isinstance(value, pulumi.Output) else value
