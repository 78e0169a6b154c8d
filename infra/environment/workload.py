"""The pods: a Deployment that replaces them without losing a request, and a budget that keeps some of them up."""

from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.annotations import DECLARED, DEREGISTRATION_DELAY
from infra.environment.ingress import Ingress
from infra.image_reference import ImageReference
from infra.labels import APPLICATION, COMMON, SELECTOR
from infra.settings import EnvironmentSettings

PORT: Final = 8080
USER: Final = 10001

DRAIN_SECONDS: Final = 20
"""How long a leaving pod still answers, so that every load balancer node has heard that it leaves."""
GRACE_SECONDS: Final = DRAIN_SECONDS + DEREGISTRATION_DELAY + 10
PROGRESS_DEADLINE: Final = 120
"""Seconds until a rollout that does not progress counts as failed. Fargate takes up to a minute for a node, and the
image pull comes on top."""
ROLLOUT_TIMEOUT: Final = f"{PROGRESS_DEADLINE + 30}s"
"""Until `pulumi up` gives up. The provider only warns of a passed progress deadline, and would wait ten minutes."""


@final
@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """The application in one namespace."""

    namespace: str
    image: pulumi.Input[str]
    version: pulumi.Input[str]
    settings: EnvironmentSettings
    ingress: Ingress
    """Comes first: readiness gates are injected only into pods that are made while Service and Ingress exist."""


@final
class Workload(pulumi.ComponentResource):
    """A Deployment, and a PodDisruptionBudget where there is more than one pod."""

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Workload", name, {}, opts)
        after = pulumi.ResourceOptions(parent=self, depends_on=[args.ingress])
        timeouts = pulumi.CustomTimeouts(create=ROLLOUT_TIMEOUT, update=ROLLOUT_TIMEOUT)
        metadata = kubernetes.meta.v1.ObjectMetaArgsDict(
            name=APPLICATION, namespace=args.namespace, labels=COMMON, annotations=DECLARED
        )
        kubernetes.apps.v1.Deployment(
            "deployment",
            metadata=metadata,
            spec={
                "replicas": args.settings.replicas,
                "selector": {"match_labels": SELECTOR},
                "progress_deadline_seconds": PROGRESS_DEADLINE,
                "revision_history_limit": 3,
                # Never fewer pods than asked for: a new one is healthy at the load balancer before an old one leaves.
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": "100%", "max_unavailable": 0}},
                "template": {"metadata": {"labels": COMMON}, "spec": pod(args)},
            },
            opts=pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(custom_timeouts=timeouts)),
        )
        if args.settings.replicas > 1:
            kubernetes.policy.v1.PodDisruptionBudget(
                "disruption-budget",
                metadata=metadata,
                spec={"max_unavailable": 1, "selector": {"match_labels": SELECTOR}},
                opts=after,
            )
        self.register_outputs({})


def pod(args: WorkloadArgs) -> kubernetes.core.v1.PodSpecArgsDict:
    """A pod that Pod Security `restricted` and Fargate both take."""
    requests = args.settings.size.requests
    return {
        "automount_service_account_token": False,
        "enable_service_links": False,
        "termination_grace_period_seconds": GRACE_SECONDS,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": USER,
            "run_as_group": USER,
            "fs_group": USER,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": APPLICATION,
                "image": args.image,
                "image_pull_policy": "IfNotPresent",
                "ports": [{"name": "http", "container_port": PORT, "protocol": "TCP"}],
                "env": environment_variables(args),
                # Requests below limits fail on Fargate: https://github.com/aws/containers-roadmap/issues/1890
                "resources": {"requests": requests, "limits": requests},
                "security_context": {
                    "allow_privilege_escalation": False,
                    "read_only_root_filesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volume_mounts": [{"name": "tmp", "mount_path": "/tmp"}],
                "startup_probe": probe("/healthz", period=1, failures=60),
                "readiness_probe": probe("/readyz", period=2, failures=2),
                "liveness_probe": probe("/healthz", period=10, failures=3),
                "lifecycle": {
                    "pre_stop": {"exec_": {"command": ["python3", "-m", "smallcase.drain", str(DRAIN_SECONDS)]}}
                },
            }
        ],
        "volumes": [{"name": "tmp", "empty_dir": {"medium": "Memory", "size_limit": "16Mi"}}],
    }


def probe(path: str, *, period: int, failures: int) -> kubernetes.core.v1.ProbeArgsDict:
    """An HTTP probe, every `period` seconds, that gives up after `failures` in a row."""
    return {
        "http_get": {"path": path, "port": "http"},
        "period_seconds": period,
        "failure_threshold": failures,
        "timeout_seconds": 2,
    }


def environment_variables(args: WorkloadArgs) -> list[kubernetes.core.v1.EnvVarArgsDict]:
    """What makes one image this environment."""
    settings = args.settings
    values: dict[str, pulumi.Input[str]] = {
        "PORT": str(PORT),
        "SMALLCASE_BRANCH": settings.branch.name,
        "SMALLCASE_COLOUR": settings.colour,
        "SMALLCASE_ENVIRONMENT": settings.branch.purpose,
        # A public page says which image it is, and not whose account and registry it is in. Images that were built
        # before know a digest by the name in front of it.
        "SMALLCASE_IMAGE": pulumi.Output.from_input(args.image).apply(
            lambda image: f"{APPLICATION}@{ImageReference.parse(image).digest}"
        ),
        "SMALLCASE_VERSION": args.version,
    }
    variables = [kubernetes.core.v1.EnvVarArgsDict(name=name, value=value) for name, value in values.items()]
    pod_name = kubernetes.core.v1.EnvVarArgsDict(
        name="POD_NAME", value_from={"field_ref": {"field_path": "metadata.name"}}
    )
    return [*variables, pod_name]
