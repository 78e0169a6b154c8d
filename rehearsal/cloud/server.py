"""The provider plugins that the engine attaches to in place of `aws`, `eks` and, in tests, the others.

Each has a server of its own, all on one account. The engine dials once for each provider instance that a stack has,
explicit or default, so the connection tells the instances' settings apart.
"""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001
# The protocol gives every method its request and context, the table gives every function the account.
# ruff: noqa: ARG002

import json
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Final, NoReturn, cast, final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    status_pb2,
)

from rehearsal.cloud import kubernetes_provider
from rehearsal.cloud.account import Cloud, HalfWayError
from rehearsal.cloud.eks_component import PROVIDER, Child, ClusterComponent, Construction
from rehearsal.cloud.eks_component import TYPE as EKS_CLUSTER
from rehearsal.cloud.faults import FaultError
from rehearsal.cloud.own_user import OwnUserOnly
from rehearsal.cloud.properties import (
    UNKNOWN,
    Properties,
    Value,
    from_struct,
    has_unknown,
    to_struct,
    without_signatures,
)
from rehearsal.cloud.refusal import ApiError, CloudError

LOG: Final = logging.getLogger("rehearsal.cloud")

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)
_DOING: Final = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "read": "reading",
    "invoke": "calling",
}


@final
@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a provider instance was told that changes its answers."""

    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict[str, str])


def _setting(arguments: Properties, key: str) -> Value:
    """A provider's setting; the engine hands over what is not text as JSON text."""
    value = arguments.get(key)
    if isinstance(value, str) and value != UNKNOWN:
        try:
            return cast(Value, json.loads(value))
        except ValueError:
            return value
    return value


def _list_setting(arguments: Properties, key: str) -> list[str]:
    value = _setting(arguments, key)
    return [f"{item}" for item in value] if isinstance(value, list) else []


def read_configuration(cloud: Cloud, arguments: Properties) -> Configuration:
    """Settings of an `aws` provider. Raises `CloudError` where they do not allow this account, worded as the real
    provider does.
    """
    account = cloud.settings.account
    allowed, forbidden = _list_setting(arguments, "allowedAccountIds"), _list_setting(arguments, "forbiddenAccountIds")
    if (allowed and account not in allowed) or account in forbidden:
        # https://github.com/hashicorp/terraform-provider-aws/pull/32352
        raise CloudError(f"AWS account ID not allowed: {account}")
    region, defaults = arguments.get("region"), _setting(arguments, "defaultTags")
    tags = defaults.get("tags") if isinstance(defaults, dict) else None
    return Configuration(
        region=region if isinstance(region, str) and region != UNKNOWN else cloud.settings.region,
        default_tags={key: f"{value}" for key, value in tags.items()} if isinstance(tags, dict) else {},
    )


@final
class EngineMonitor:
    """Registers the children of a component with the engine that asked for the component."""

    def __init__(self, channel: grpc.Channel, request: provider_pb2.ConstructRequest) -> None:
        # The generated stub would serve, but has no types.
        self._register = cast(
            "Callable[[resource_pb2.RegisterResourceRequest], resource_pb2.RegisterResourceResponse]",
            channel.unary_unary(
                "/pulumirpc.ResourceMonitor/RegisterResource",
                request_serializer=resource_pb2.RegisterResourceRequest.SerializeToString,
                response_deserializer=resource_pb2.RegisterResourceResponse.FromString,
            ),
        )
        self._register_outputs = cast(
            "Callable[[resource_pb2.RegisterResourceOutputsRequest], empty_pb2.Empty]",
            channel.unary_unary(
                "/pulumirpc.ResourceMonitor/RegisterResourceOutputs",
                request_serializer=resource_pb2.RegisterResourceOutputsRequest.SerializeToString,
                response_deserializer=empty_pb2.Empty.FromString,
            ),
        )
        self._providers = dict(request.providers)
        self._protect = request.protect
        self._retain = request.retainOnDelete

    def register(
        self, type: str, name: str, inputs: Properties, *, parent: str, custom: bool, after: Iterable[str]
    ) -> Child:
        answer = self._register(
            resource_pb2.RegisterResourceRequest(
                type=type,
                name=name,
                parent=parent,
                custom=custom,
                object=to_struct(inputs),
                dependencies=[*after],
                provider=self._providers.get("aws", "") if type.startswith("aws:") else "",
                version=_version_of(type) if custom else "",
                providers={} if custom else self._providers,
                protect=self._protect,
                retainOnDelete=self._retain if custom else False,
                acceptSecrets=True,
                acceptResources=True,
                supportsPartialValues=True,
            )
        )
        outputs = {key: without_signatures(value) for key, value in from_struct(answer.object).items()}
        return Child(urn=answer.urn, id=answer.id or UNKNOWN, outputs=outputs)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        self._register_outputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn, outputs=to_struct(outputs)))


def _version_of(type: str) -> str:
    """Of the package that a resource, or a provider itself, is of."""
    package = type.removeprefix(PROVIDER).partition(":")[0]
    return metadata.version(f"pulumi-{package}")


@final
class ProviderServer(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine from one `Cloud`, as the provider plugin of one package."""

    def __init__(self, cloud: Cloud, package: str) -> None:
        self._cloud = cloud
        self._package = package
        self._configurations: dict[str, Configuration] = {}
        self._lock = threading.Lock()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=self._has_components)

    @property
    def _has_components(self) -> bool:
        """Whether the package is made of components, for which the engine insists that secrets are accepted.

        For all others it unwraps secrets on the way in, and marks what is echoed of them as secret on the way out.
        """
        return self._package == "eks"

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version(f"pulumi-{self._package}"))

    def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema="{}")

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        # Of docker-build: https://github.com/pulumi/pulumi-docker-build/blob/v0.0.22/provider/internal/provider.go, and
        # https://github.com/pulumi/pulumi-go-provider/blob/v1.5.0/infer/provider.go, which it is made with.
        made_with: Properties = {"__pulumi-go-provider-infer": True, "__pulumi-go-provider-version": "v1.5.0"}
        filled = {"host": "", **from_struct(request.news), **made_with} if self._package == "docker-build" else None
        return provider_pb2.CheckResponse(inputs=request.news if filled is None else to_struct(filled))

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """A change of settings replaces a provider's resources only where they would be in another place."""
        old, new = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        if self._package == "kubernetes":
            replaces = kubernetes_provider.replaces(old, new)
        else:
            replaces = ["region"] if old.get("region") != new.get("region") and not has_unknown(new) else []
        changes = provider_pb2.DiffResponse.DIFF_NONE if old == new else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=changes, replaces=replaces)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        arguments = from_struct(request.args) or {
            key.rpartition(":")[2]: value for key, value in request.variables.items()
        }
        try:
            configuration = read_configuration(self._cloud, arguments)
        except CloudError as error:
            LOG.info("configure refused: %s", error)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        with self._lock:
            self._configurations[context.peer()] = configuration
        return provider_pb2.ConfigureResponse(
            acceptSecrets=self._has_components, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        type, name = _type_and_name(request.urn)
        inputs = self._cloud.check(
            type,
            name,
            from_struct(request.news),
            previous=from_struct(request.olds),
            seed=request.randomSeed,
            default_tags=self._configuration(context).default_tags,
        )
        return provider_pb2.CheckResponse(inputs=to_struct(inputs))

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        type, _ = _type_and_name(request.urn)
        outputs = from_struct(request.olds)
        found = self._cloud.difference(type, from_struct(request.old_inputs), from_struct(request.news), outputs)
        detailed = {
            path: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(f"{kind}_REPLACE" if path in found.replaces else kind),
                inputDiff=path != "contextHash",
            )
            for path, kind in found.kinds.items()
        }
        changes = provider_pb2.DiffResponse.DIFF_SOME if found.kinds else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=changes,
            replaces=sorted(found.replaces),
            diffs=sorted({path.split(".")[0].split("[")[0] for path in found.kinds}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        type, _ = _type_and_name(request.urn)
        inputs = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(self._cloud.preview(type, inputs)))
        try:
            self._reach_cluster()
            resource = self._cloud.create(type, request.urn, inputs)
        except (ApiError, CloudError, FaultError, HalfWayError) as error:
            _refuse(context, "create", type, error)
        LOG.info("create %s %s", type, resource.id)
        return provider_pb2.CreateResponse(id=resource.id, properties=to_struct(resource.outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        type, _ = _type_and_name(request.urn)
        try:
            self._reach_cluster()
            resource = self._cloud.read(type, request.id)
        except (ApiError, CloudError, FaultError) as error:
            _refuse(context, "read", type, error)
        LOG.info("read %s %s%s", type, request.id, "" if resource else ": gone")
        if resource is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=resource.id, properties=to_struct(resource.outputs), inputs=to_struct(resource.inputs)
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        type, _ = _type_and_name(request.urn)
        inputs = from_struct(request.news)
        if request.preview:
            olds, old_inputs = from_struct(request.olds), from_struct(request.old_inputs)
            outputs = self._cloud.preview_update(type, olds, old_inputs, inputs)
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))
        try:
            self._reach_cluster()
            resource = self._cloud.update(type, request.id, inputs)
        except (ApiError, CloudError, FaultError, HalfWayError) as error:
            _refuse(context, "update", type, error)
        LOG.info("update %s %s", type, resource.id)
        return provider_pb2.UpdateResponse(properties=to_struct(resource.outputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        type, _ = _type_and_name(request.urn)
        try:
            self._reach_cluster()
            self._cloud.delete(type, request.id)
        except (ApiError, CloudError, FaultError) as error:
            _refuse(context, "delete", type, error)
        LOG.info("delete %s %s", type, request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        try:
            result = self._cloud.invoke(request.tok, from_struct(request.args))
        except (ApiError, CloudError, FaultError) as error:
            _refuse(context, "invoke", request.tok, error)
        LOG.info("invoke %s", request.tok)
        # `return` is a keyword, so the field is reached by its name.
        return provider_pb2.InvokeResponse(**{"return": to_struct(result)})  # pyright: ignore[reportArgumentType]

    def Construct(
        self, request: provider_pb2.ConstructRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        if request.type != EKS_CLUSTER:
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"the stand-in has no component {request.type}: it has {EKS_CLUSTER}"
            )
        construction = Construction(
            name=request.name,
            inputs=from_struct(request.inputs),
            parent=request.parent,
            region=request.config.get("aws:region", self._cloud.settings.region),
            account=self._cloud.settings.account,
            dependencies=tuple(request.dependencies),
        )
        with grpc.insecure_channel(request.monitorEndpoint, options=_OPTIONS) as channel:
            try:
                urn, state = ClusterComponent(construction, EngineMonitor(channel, request)).construct()
            except grpc.RpcError as error:
                # A child that failed has been reported by the engine; this only ends the construction.
                call = cast("grpc.Call", error)
                context.abort(call.code(), call.details() or "a resource of the cluster failed")
        LOG.info("construct %s %s", request.type, request.name)
        cluster = provider_pb2.ConstructResponse.PropertyDependencies(urns=[urn])
        return provider_pb2.ConstructResponse(
            urn=urn, state=to_struct(state), stateDependencies=dict.fromkeys(state, cluster)
        )

    def _reach_cluster(self) -> None:
        """Raises `CloudError`, worded as the `kubernetes` provider does, where the account has no cluster."""
        if self._package == "kubernetes" and not self._cloud.of("aws:eks/cluster:Cluster"):
            raise CloudError(
                "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can remove this "
                "resource from Pulumi state by rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE "
                'environment variable set to "true"'
            )

    def _configuration(self, context: grpc.ServicerContext) -> Configuration:
        with self._lock:
            return self._configurations.get(context.peer(), Configuration(region=self._cloud.settings.region))


def _type_and_name(urn: str) -> tuple[str, str]:
    """`urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME` has the type of its parents before its own."""
    qualified, name = urn.split("::", 3)[2:]
    return qualified.rpartition("$")[2], name


def _refuse(context: grpc.ServicerContext, doing: str, type: str, error: Exception) -> NoReturn:
    """Ends the call with the error; after a half-way failure the engine is handed the resource that now exists."""
    LOG.info("%s %s refused: %s", doing, type, error)
    message = f"{_DOING[doing]} {type.rpartition(':')[2]}: {error}"
    if not isinstance(error, HalfWayError):
        context.abort(grpc.StatusCode.UNKNOWN, message)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource.id,
            properties=to_struct(error.resource.outputs),
            inputs=to_struct(error.resource.inputs),
            reasons=[message],
        )
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)


@final
class PortTakenError(Exception):
    """The address that a provider was to listen on is in use."""


def start(cloud: Cloud, addresses: Mapping[str, str]) -> tuple[list[grpc.Server], dict[str, int]]:
    """A running server for each package at its address (`127.0.0.1:0` for any free port), and the ports they got.

    On Linux they answer the user alone that runs them. Elsewhere that cannot be told; the rehearsal, whose account has
    a password to give away, is for Linux alone.
    """
    servers: list[grpc.Server] = []
    ports: dict[str, int] = {}
    for package, address in addresses.items():
        own_user = OwnUserOnly()
        server = grpc.server(
            ThreadPoolExecutor(max_workers=32, thread_name_prefix=package),
            interceptors=[own_user] if sys.platform == "linux" else [],
            options=_OPTIONS,
        )
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProviderServer(cloud, package), server)
        try:
            ports[package] = server.add_insecure_port(address)
        except RuntimeError as error:
            for started in servers:
                started.stop(grace=None)
            raise PortTakenError(
                f"the {package} provider cannot listen on {address}: another process has the port. "
                "Is a rehearsal running already? `make rehearse-down` ends it."
            ) from error
        own_user.address = (address.rpartition(":")[0], ports[package])
        server.start()
        servers.append(server)
    return servers, ports


@contextmanager
def serve(
    cloud: Cloud, providers: Sequence[str] = ("aws", "eks", "kubernetes", "docker-build")
) -> Generator[dict[str, int]]:
    """Providers for the length of a `with` block: name to port on 127.0.0.1, as `PULUMI_DEBUG_PROVIDERS` wants them."""
    servers, ports = start(cloud, dict.fromkeys(providers, "127.0.0.1:0"))
    try:
        yield ports
    finally:
        for server in servers:
            server.stop(grace=None).wait()


def debug_providers(ports: Mapping[str, int]) -> str:
    """The value of `PULUMI_DEBUG_PROVIDERS` for providers at these ports."""
    return ",".join(f"{provider}:{port}" for provider, port in ports.items())
