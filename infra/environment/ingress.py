"""How requests reach the pods: a Service, and an Ingress with a load balancer of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.annotations import DECLARED, PROTECTED, TARGETS, UNAWAITED
from infra.environment.namespace import Namespace
from infra.host_names import belongs_to
from infra.labels import APPLICATION, COMMON, SELECTOR


@final
@dataclass(frozen=True, kw_only=True)
class IngressArgs:
    """An entrance to one namespace."""

    namespace: Namespace
    ingress_class: pulumi.Input[str]
    annotations: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What every Ingress says."""
    protected: bool
    """Whether it is refused to delete it, and its load balancer, before somebody has lifted that."""
    host: str | None
    """None answers to any name."""
    domain: str
    """The platform's domain, whose certificate its load balancers have; empty where there is none."""
    zone_id: str
    """Hosted zone of the domain."""


@final
class Ingress(pulumi.ComponentResource):
    """A Service and an Ingress; `url` is known once the load balancer has a name."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: IngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Ingress", name, {}, opts)
        service = kubernetes.core.v1.Service(
            "service",
            metadata={
                "name": APPLICATION,
                "namespace": args.namespace.name,
                "labels": COMMON,
                # It would wait for pods, which come after it.
                "annotations": {**DECLARED, **UNAWAITED},
            },
            spec={
                "type": "ClusterIP",
                "selector": SELECTOR,
                "ports": [{"name": "http", "port": 80, "target_port": "http", "protocol": "TCP"}],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.namespace]),
        )
        backend = kubernetes.networking.v1.IngressBackendArgsDict(
            service={"name": APPLICATION, "port": {"name": "http"}},
        )
        rule = kubernetes.networking.v1.IngressRuleArgsDict(
            http={"paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}
        )
        if args.host is not None:
            rule["host"] = args.host
        ingress = kubernetes.networking.v1.Ingress(
            "ingress",
            metadata={
                "name": APPLICATION,
                "namespace": args.namespace.name,
                "labels": COMMON,
                "annotations": pulumi.Output.from_input(args.annotations).apply(
                    lambda shared: {
                        **DECLARED,
                        **shared,
                        **TARGETS,
                        **(PROTECTED if args.protected else {}),
                    }
                ),
            },
            spec={"ingress_class_name": args.ingress_class, "rules": [rule]},
            # In a preview, and so before the pods are gone that a `destroy` takes first.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service], protect=args.protected),
        )
        balancer = ingress.status.apply(_load_balancer)
        if args.host is not None and belongs_to(args.host, args.domain):
            aws.route53.Record(
                "name",
                zone_id=args.zone_id,
                name=args.host,
                type="A",
                aliases=[
                    {
                        "name": balancer,
                        "zone_id": aws.lb.get_hosted_zone_id(opts=pulumi.InvokeOptions(parent=self)).id,
                        "evaluate_target_health": False,
                    }
                ],
                opts=pulumi.ResourceOptions(parent=self),
            )
        scheme = "https" if args.domain else "http"
        self.url = (
            pulumi.Output.from_input(f"{scheme}://{args.host}")
            if args.host is not None
            else balancer.apply(lambda name: f"http://{name}" if name else "")
        )
        self.register_outputs({"url": self.url})


def _load_balancer(status: kubernetes.networking.v1.outputs.IngressStatus | None) -> str:
    entries = status.load_balancer.ingress if status and status.load_balancer else None
    return (entries[0].hostname or "") if entries else ""
