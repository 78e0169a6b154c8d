"""The platform layer: everything that the environments share."""

from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.contract import PlatformContract
from infra.platform.cluster import Cluster, ClusterArgs
from infra.platform.ingress_controller import INGRESS_CLASS, IngressController, IngressControllerArgs
from infra.platform.network import Network, NetworkArgs
from infra.platform.registry import Registry
from infra.settings import PROJECT, PlatformSettings

LOAD_BALANCER_ANNOTATIONS: Final = {"alb.ingress.kubernetes.io/scheme": "internet-facing"}
"""What the load balancers of all environments have in common."""


@final
@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """One platform, named after the stack that owns it."""

    stack: str
    region: str
    settings: PlatformSettings


@final
class Platform(pulumi.ComponentResource):
    """Network, registry, cluster and ingress controller. `contract` is all that an environment sees of it."""

    contract: PlatformContract

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Platform", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        self.network = Network(
            "network",
            NetworkArgs(network=settings.network, zones=settings.zones, nat_per_zone=settings.nat_per_zone),
            child,
        )
        self.registry = Registry("registry", PROJECT, child)
        self.cluster = Cluster(
            "cluster",
            ClusterArgs(
                name=f"{PROJECT}-{args.stack}",
                network=self.network,
                administrators=settings.administrators,
                api_allow_list=settings.api_allow_list,
            ),
            child,
        )
        in_cluster = kubernetes.Provider(
            "platform-cluster",
            kubeconfig=self.cluster.kubeconfig,
            cluster_identifier=self.cluster.name,
            enable_server_side_apply=True,
            opts=child,
        )
        self.ingress_controller = IngressController(
            "ingress-controller",
            IngressControllerArgs(
                cluster=self.cluster,
                network=self.network,
                region=args.region,
                chart=settings.ingress_controller_chart,
            ),
            pulumi.ResourceOptions(parent=self, providers=[in_cluster]),
        )
        self.contract = PlatformContract(
            kubeconfig=self.cluster.kubeconfig,
            cluster_name=self.cluster.name,
            repository_url=self.registry.repository_url,
            registry_id=self.registry.registry_id,
            ingress_class=INGRESS_CLASS,
            ingress_annotations=LOAD_BALANCER_ANNOTATIONS,
            ready=(self.ingress_controller,),
        )
        self.register_outputs({"cluster_name": self.cluster.name, "repository_url": self.registry.repository_url})
