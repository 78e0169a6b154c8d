"""The namespace that sets one environment apart from the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.annotations import DECLARED
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
@dataclass(frozen=True, kw_only=True)
class NamespaceArgs:
    """A namespace that stands only while `after` stands."""

    name: str
    after: Sequence[pulumi.Resource]
    """What everything in the namespace needs to be made and to be taken away again."""


@final
class Namespace(pulumi.ComponentResource):
    """A namespace in which only unprivileged pods run, and only ready ones get traffic."""

    name: str
    """Plain, so that it is known in every preview; what is in the namespace depends on it besides."""

    def __init__(self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Namespace", name, {}, opts)
        self.name = args.name
        kubernetes.core.v1.Namespace(
            "namespace",
            metadata={"name": args.name, "labels": LABELS, "annotations": DECLARED},
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        self.register_outputs({"name": self.name})
