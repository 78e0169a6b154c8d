"""What a stack consists of: the whole program run under Pulumi's mocks, and the graph it registers."""

import json
import logging
import runpy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, cast, final

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import settings as pulumi_settings
from pulumi.runtime import stack as pulumi_stack
from pulumi.runtime.proto import callback_pb2, resource_pb2

from rehearsal.cloud import functions
from rehearsal.cloud.account import Cloud
from rehearsal.cloud.mocks import CloudMocks, UnknownStackError
from rehearsal.cloud.properties import (
    SECRET,
    SIGNATURE,
    Properties,
    Value,
    from_struct,
    strings_in,
    to_struct,
    without_signatures,
)
from tests.stack_files import config, project

# Futures of a program that was refused are collected at any moment, and asyncio logs each. To log a stack trace, Python
# parses source: while it is parsing some already, that fails (https://github.com/python/cpython/issues/106905).
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

STACK: Final = "pulumi:pulumi:Stack"
EKS_CLUSTER: Final = "eks:index:Cluster"

ZONE: Final = f"{functions.invoke(Cloud(), 'aws:route53/getZone:getZone', {'name': 'example.org'})['zoneId']}"
"""Hosted zone of the domain in WITH_DOMAIN."""


@final
@dataclass(frozen=True, kw_only=True)
class Node:
    """A resource as the engine is asked for it."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Properties
    dependencies: frozenset[str]
    """URNs it names as dependencies, by property or otherwise."""
    provider: str
    """URN of the provider instance, empty for the default one."""
    providers: Mapping[str, str]
    """URNs of the provider instances that a component hands to its children."""
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    timeouts: Mapping[str, str]
    """How long the engine lets each operation take, where that is set."""
    secrets: frozenset[str]
    """Paths of the inputs that are secret, without the indices of lists."""

    def at(self, *path: str | int) -> Value:
        """The input at a path; None where there is none."""
        value: Value = self.inputs
        for key in path:
            match value, key:
                case list(), int():
                    value = value[key] if key < len(value) else None
                case dict(), str():
                    value = value.get(key)
                case _:
                    return None
        return value

    def text(self, *path: str | int) -> str:
        """The input at a path, which is text."""
        value = self.at(*path)
        assert isinstance(value, str), f"{self.name}: {path} is {value!r}"
        return value

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


@final
@dataclass(frozen=True, kw_only=True)
class Graph:
    """All resources of a stack, in the order of their registration."""

    stack: str
    nodes: Mapping[str, Node]
    outputs: Properties
    mocks: CloudMocks = field(repr=False)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def of(self, *kinds: str) -> list[Node]:
        """The resources of these types; there is at least one."""
        found = self.any(*kinds)
        assert found, f"{self.stack} has no {' or '.join(kinds)}"
        return found

    def any(self, *kinds: str) -> list[Node]:
        """The resources of these types, if there are any."""
        return [node for node in self if node.type in kinds]

    def one(self, kind: str, name: str | None = None) -> Node:
        """The resource of this type, and of this logical name where several have it."""
        found = [node for node in self.of(kind) if name in (None, node.name)]
        assert len(found) == 1, f"{[str(node) for node in found]} of {kind} {name or ''}"
        return found[0]

    def children(self, urn: str) -> list[Node]:
        """Everything below a resource."""
        below = [node for node in self if node.parent == urn]
        return [*below, *(deeper for node in below for deeper in self.children(node.urn))]

    def needs(self, node: Node) -> frozenset[str]:
        """URNs of all that must be there while this resource is: made before it, deleted after it.

        As the engine has it (`DependenciesOf` in pkg/resource/graph): dependencies, provider, parent, and the children
        of a component that is depended on, as far as they were registered before.
        """
        position = {urn: index for index, urn in enumerate(self.nodes)}
        seen: set[str] = set()
        waiting = [node.urn]
        while waiting:
            urn = waiting.pop()
            current = self.nodes[urn]
            direct = {*current.dependencies, current.parent, current.provider} & self.nodes.keys()
            for dependency in current.dependencies & self.nodes.keys():
                if not self.nodes[dependency].custom:
                    direct |= {child.urn for child in self.children(dependency) if position[child.urn] < position[urn]}
            waiting += direct - seen
            seen |= direct
        return frozenset(seen - {node.urn})

    def depends(self, node: Node, on: Node) -> bool:
        """Whether one resource needs another, however many steps between."""
        return on.urn in self.needs(node)

    def strings(self) -> Iterator[tuple[Node, str]]:
        """Every text in every input."""
        for node in self:
            for text in strings_in(node.inputs):
                yield node, text


@final
class _Recorder(pulumi_mocks.MockMonitor):
    """The mocks' monitor, which keeps what it is asked for."""

    def __init__(self, mocks: CloudMocks, platform: Properties | None) -> None:
        super().__init__(mocks)
        self.nodes: Final[dict[str, Node]] = {}
        self._cloud = mocks.cloud
        self._platform = platform

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        if request.tok == "pulumi:pulumi:readStackOutputs":
            if self._platform is None:
                raise UnknownStackError(cast("str", from_struct(request.args)["name"]))
            found = cast("Properties", {"outputs": {"platform": self._platform}})
        else:
            found = self._cloud.invoke(request.tok, from_struct(request.args))
        return resource_pb2.ResourceInvokeResponse(**{"return": to_struct(found)})  # pyright: ignore[reportArgumentType]

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        response = super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType]
        if request.type != STACK:
            inputs = {key: without_signatures(value) for key, value in from_struct(request.object).items()}
            self.nodes[response.urn] = Node(
                urn=response.urn,
                type=request.type,
                name=request.name,
                parent=request.parent,
                custom=request.custom,
                inputs=inputs,
                dependencies=frozenset(request.dependencies),
                # A reference is the URN of the provider and its id.
                provider=request.provider.rpartition("::")[0],
                providers={name: reference.rpartition("::")[0] for name, reference in request.providers.items()},
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
                delete_before_replace=request.deleteBeforeReplace,
                ignore_changes=tuple(request.ignoreChanges),
                timeouts={
                    operation: timeout
                    for operation in ("create", "update", "delete")
                    if (timeout := cast("str", getattr(request.customTimeouts, operation)))
                },
                secrets=frozenset(_secrets(cast("Value", from_struct(request.object)))),
            )
        return response


@final
class _Callbacks:
    """Takes what the engine would call for the children of a component, which mocks do not register."""

    def register_transform(self, transform: pulumi.ResourceTransform) -> callback_pb2.Callback:
        return callback_pb2.Callback(token=f"{id(transform)}", target="nobody")


def _secrets(value: Value, path: str = "") -> Iterator[str]:
    """Paths of secrets."""
    if isinstance(value, list):
        for item in value:
            yield from _secrets(item, path)
    elif isinstance(value, dict) and value.get(SIGNATURE) == SECRET:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets(item, f"{path}.{key}".lstrip("."))


def program(
    stack: str,
    refers_to: Properties | None = None,
    accounts: Sequence[str] = (),
    changes: Mapping[str, object] | None = None,
    *,
    named: str = "",
    cloud: Cloud | None = None,
    beside: Mapping[str, Mapping[str, object]] | None = None,
) -> Graph:
    """Run the program for a stack, with changed values of its configuration.

    `refers_to` is the platform that the stack it refers to exports; None where there is none. `accounts` are the ids of
    the accounts that it may touch; `named` is a name in place of the one whose configuration is taken; `cloud` is an
    account that holds something already; `beside` are other stacks' files than the committed ones.
    """
    stacks: dict[str, Properties] = {"organization/smallcase/platform": {"platform": refers_to}} if refers_to else {}
    mocks = CloudMocks(cloud, stacks, named or stack)
    recorder = _Recorder(mocks, refers_to)
    pulumi_mocks.set_mocks(mocks, project="smallcase", stack=named or stack, preview=False, monitor=recorder)
    pulumi_settings.SETTINGS.callbacks = _Callbacks()  # pyright: ignore[reportAttributeAccessIssue]
    settings = {**config(stack, **(changes or {})), "aws:allowedAccountIds": json.dumps(accounts)}
    pulumi.runtime.set_all_config(settings)
    root = cast("pulumi_stack.Stack", pulumi_settings.get_root_resource())
    root.outputs = {}
    outputs: dict[str, object] = {}

    def run() -> pulumi.Output[None]:
        with tempfile.TemporaryDirectory() as directory:
            runpy.run_path(str(project(Path(directory), {named or stack: settings, **(beside or {})}) / "__main__.py"))
        return pulumi.Output.from_input(root.outputs).apply(outputs.update)

    under_mocks = cast("Callable[[Callable[[], object]], Callable[[], None]]", pulumi.runtime.test)  # pyright: ignore[reportUnknownMemberType]
    under_mocks(run)()
    return Graph(stack=named or stack, nodes=recorder.nodes, outputs=cast("Properties", outputs), mocks=mocks)


@cache
def platform(**changes: object) -> Graph:
    """The stack `platform` as it is committed, with some values changed."""
    return program("platform", changes=changes)


@cache
def environment(stack: str, **changes: object) -> Graph:
    """An environment on the platform above."""
    return program(stack, cast("Properties", platform().outputs["platform"]), changes=changes)


@cache
def whole(stack: str = "green", **changes: object) -> Graph:
    """A stack that owns both layers."""
    return program(stack, changes={"platform": "self", **changes})


WITH_DOMAIN: Final[Mapping[str, str]] = {
    "domain": "example.org",
    "jenkinsAllowList": '["198.51.100.0/24"]',
    "alarmMail": "operations@example.org",
    "accessLogs": "true",
}
"""Every optional part of the platform."""
