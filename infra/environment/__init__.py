"""The environment layer: one branch's namespace, image, Service, Ingress and Deployment."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.branches import PRODUCTION
from infra.contract import PlatformContract
from infra.environment.image import Image, ImageArgs
from infra.environment.ingress import Ingress, IngressArgs
from infra.environment.namespace import Namespace, NamespaceArgs
from infra.environment.workload import Workload, WorkloadArgs
from infra.host_names import host_in
from infra.settings import EnvironmentSettings


@final
@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs:
    """One branch's environment on a platform."""

    stack: str
    settings: EnvironmentSettings
    platform: PlatformContract
    root: Path
    """The checkout, which holds `app/`."""


@final
class Environment(pulumi.ComponentResource):
    """Everything that a branch needs to be a live page.

    The order is namespace → Service → Ingress → Deployment: readiness gates are injected only into pods that are made
    while Service and binding exist (https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/pod_readiness_gate/).
    """

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Environment", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        cluster = kubernetes.Provider(
            "cluster",
            kubeconfig=args.platform.kubeconfig,
            cluster_identifier=args.platform.cluster_name,
            enable_server_side_apply=True,
            opts=child,
        )
        in_cluster = pulumi.ResourceOptions(parent=self, providers=[cluster])
        self.image = Image(
            "image",
            ImageArgs(
                environment=args.stack,
                root=args.root,
                base_image=args.settings.base_image,
                deployed=args.settings.image,
                repository_url=pulumi.Output.from_input(args.platform.repositories)[args.settings.branch.domain],
            ),
            child,
        )
        self.namespace = Namespace(
            "namespace", NamespaceArgs(name=args.settings.namespace, after=args.platform.ready), in_cluster
        )
        self.ingress = Ingress(
            "ingress",
            IngressArgs(
                namespace=self.namespace,
                ingress_class=args.platform.ingress_class,
                annotations=args.platform.ingress_annotations,
                protected=args.settings.branch.purpose == PRODUCTION,
                host=host_in(args.platform.domain, args.stack, args.settings.host),
                domain=args.platform.domain,
                zone_id=args.platform.zone_id,
            ),
            in_cluster,
        )
        self.workload = Workload(
            "workload",
            WorkloadArgs(
                namespace=self.namespace.name,
                image=self.image.reference,
                version=self.image.commit,
                settings=args.settings,
                ingress=self.ingress,
            ),
            in_cluster,
        )
        self.register_outputs({"url": self.ingress.url, "image": self.image.reference})
