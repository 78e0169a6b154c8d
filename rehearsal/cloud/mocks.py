"""Pulumi's mocks on the stand-in cloud, so that unit tests and the rehearsal see the same resources."""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001
# The protocol gives every method its request and context, the table gives every function the account.
# ruff: noqa: ARG002

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast, final

import grpc
from pulumi import Resource
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from rehearsal.cloud.account import Cloud
from rehearsal.cloud.eks_component import PROVIDER, Child, ClusterComponent, Construction
from rehearsal.cloud.eks_component import TYPE as EKS_CLUSTER
from rehearsal.cloud.properties import RESOURCE_REFERENCE, SIGNATURE, Properties, Value, without_signatures
from rehearsal.cloud.resource import Resource as CloudResource

STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"
READ_STACK_OUTPUTS: Final = "pulumi:pulumi:readStackOutputs"


@final
@dataclass(frozen=True, kw_only=True)
class Registered:
    """A resource as the program registered it: its inputs before anything is filled in, and the id it was given.

    `custom` is false for components; `provider` is the reference of the provider instance, empty for the default one.
    """

    type: str
    name: str
    inputs: Properties
    custom: bool
    provider: str
    id: str


@final
class UnknownStackError(grpc.RpcError):
    """The engine's refusal of a stack that does not exist, as the SDK knows it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._name = name

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return f'unknown stack "{self._name}"'


@final
class CloudMocks(Mocks):
    """Mocks for `pulumi.runtime.set_mocks`, of the stack `stack`.

    `stacks` holds the outputs of the stacks that the program may refer to, by the name that it refers to them with.
    """

    def __init__(
        self, cloud: Cloud | None = None, stacks: Mapping[str, Properties] | None = None, stack: str = ""
    ) -> None:
        self.cloud: Final = cloud or Cloud()
        self.registered: Final[list[Registered]] = []
        self._stacks: Final = dict(stacks or {})
        self._stack = stack

    def of(self, type: str) -> list[Registered]:
        """The registered resources of a type."""
        return [resource for resource in self.registered if resource.type == type]

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, object]]:
        inputs = cast("Properties", _plain(cast("Value", args.inputs)))
        id, outputs = self._made(args, inputs)
        self.registered.append(
            Registered(
                type=args.typ,
                name=args.name,
                inputs=inputs,
                custom=bool(args.custom),
                provider=args.provider or "",
                id=id,
            )
        )
        return id, cast("dict[str, object]", outputs)

    def call(self, args: MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        arguments = cast("Properties", _plain(cast("Value", args.args)))
        if args.token == READ_STACK_OUTPUTS:
            return self._stack_outputs(f"{arguments['name']}"), []
        return cast("dict[str, object]", self.cloud.invoke(args.token, arguments)), []

    def _stack_outputs(self, name: str) -> dict[str, object]:
        """What the engine itself answers. Raises UnknownStackError for a stack that is not in the table."""
        if name not in self._stacks:
            raise UnknownStackError(name)
        return {"name": name, "outputs": self._stacks[name]}

    def _made(self, args: MockResourceArgs, inputs: Properties) -> tuple[str, Properties]:
        if args.typ == STACK_REFERENCE:
            name = f"{inputs.get('name', args.name)}"
            outputs: Properties = dict(self._stacks.get(name, {}))
            return name, {"name": name, "outputs": outputs, "secretOutputNames": []}
        if args.typ == EKS_CLUSTER:
            return "", self._cluster(args.name, inputs)
        if not args.custom or args.typ.startswith("pulumi:"):
            return f"{args.name}-id", inputs
        if args.resource_id:
            read = self.cloud.read(args.typ, args.resource_id)
            return args.resource_id, read.outputs if read else inputs
        made = _create(self.cloud, self._stack, args.typ, args.name, inputs)
        return made.id, made.outputs

    def _cluster(self, name: str, inputs: Properties) -> Properties:
        settings = self.cloud.settings
        asked = Construction(name=name, inputs=inputs, parent="", region=settings.region, account=settings.account)
        _, outputs = ClusterComponent(asked, _AccountMonitor(self.cloud, self._stack)).construct()
        # A reference to a resource that no program registered cannot be resolved by the mocks.
        return {key: value for key, value in outputs.items() if key not in ("eksCluster", "core")}


@final
class _AccountMonitor:
    """Creates the children of a component in the account without registering them with anyone."""

    def __init__(self, cloud: Cloud, stack: str) -> None:
        self._cloud = cloud
        self._stack = stack

    def register(
        self, type: str, name: str, inputs: Properties, *, parent: str, custom: bool, after: Iterable[str]
    ) -> Child:
        urn = f"urn:pulumi:stack::project::{type}::{name}"
        if not custom or type.startswith(PROVIDER):
            return Child(urn=urn, id="", outputs=inputs)
        made = _create(self._cloud, self._stack, type, name, inputs)
        return Child(urn=urn, id=made.id, outputs=made.outputs)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        pass


def _create(cloud: Cloud, stack: str, type: str, name: str, inputs: Properties) -> CloudResource:
    """As the engine does it, whose random part of a physical name differs from stack to stack."""
    return cloud.create(type, name, cloud.check(type, name, inputs, seed=f"{stack}/{type}/{name}".encode()))


def _plain(value: "Value | Resource") -> Value:
    """Mocks hand over resources as objects of the SDK and secrets in their wrapping."""
    if isinstance(value, Resource):
        return {SIGNATURE: RESOURCE_REFERENCE, "id": value._name}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return without_signatures({key: _plain(item) for key, item in value.items()})
    return value
