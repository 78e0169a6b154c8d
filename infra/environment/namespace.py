"""The namespace that sets one environment apart from the others."""

from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.labels import COMMON

LABELS: Final = {
    **COMMON,
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
    "pod-security.kubernetes.io/warn": "restricted",
    # A pod counts as ready only once the load balancer has found it healthy.
    "elbv2.k8s.aws/pod-readiness-gate-inject": "enabled",
}


@final
class Namespace(pulumi.ComponentResource):
    """A namespace in which only unprivileged pods run, and only ready ones get traffic."""

    name: pulumi.Output[str]

    def __init__(self, name: str, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Namespace", name, {}, opts)
        resource = kubernetes.core.v1.Namespace(
            "namespace", metadata={"name": namespace, "labels": LABELS}, opts=pulumi.ResourceOptions(parent=self)
        )
        self.name = resource.metadata.apply(lambda metadata: metadata.name or namespace)
        self.register_outputs({"name": self.name})
