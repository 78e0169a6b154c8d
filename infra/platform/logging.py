"""Pod logs. Fargate has no DaemonSets; it runs a log router of its own, which this namespace and ConfigMap switch on.

https://docs.aws.amazon.com/eks/latest/userguide/fargate-logging.html
"""

from typing import Final, final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import iam
from infra.labels import MANAGED
from infra.platform.cluster import Cluster

NAMESPACE: Final = "aws-observability"
CONFIG_MAP: Final = "aws-logging"
LONGEST: Final = 5300
"""Characters that the ConfigMap may have."""
RETENTION: Final = 30
"""Days."""


@final
class Logging(pulumi.ComponentResource):
    """Pods write to stdout; CloudWatch keeps it for a month. A pod that starts before this writes nowhere."""

    def __init__(
        self, name: str, cluster: Cluster, stack: str, region: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("smallcase:platform:Logging", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup("pods", name=log_group(stack), retention_in_days=RETENTION, opts=child)
        write = aws.iam.RolePolicy(
            "pod-logs",
            name="pod-logs",
            role=cluster.pod_execution_role.name,
            policy=iam.rendered(
                iam.allow(
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                    "logs:PutRetentionPolicy",
                    on=[group.arn, group.arn.apply(lambda arn: f"{arn}:*")],
                )
            ),
            opts=child,
        )
        namespace = kubernetes.core.v1.Namespace(
            "namespace",
            metadata={"name": NAMESPACE, "labels": {**MANAGED, "aws-observability": "enabled"}},
            opts=child,
        )
        kubernetes.core.v1.ConfigMap(
            "router",
            metadata={"name": CONFIG_MAP, "namespace": NAMESPACE, "labels": MANAGED},
            data=configuration(stack, region),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[write, namespace]),
        )
        self.register_outputs({})


def log_group(stack: str) -> str:
    """Where the logs of all pods go, a stream each."""
    return f"/smallcase/{stack}/pods"


def configuration(stack: str, region: str) -> dict[str, str]:
    """Fluent Bit, as far as Fargate lets it be configured: filters, outputs and parsers.

    A line of the container runtime is unwrapped, the application's JSON in it merged with the pod's name and namespace.
    """
    return {
        # Fluent Bit's own logs, which are billed too.
        "flb_log_cw": "false",
        "filters.conf": _section("FILTER", Name="parser", Match="*", Key_name="log", Parser="crio")
        + _section(
            "FILTER",
            Name="kubernetes",
            Match="kube.*",
            Merge_Log="On",
            Keep_Log="Off",
            Buffer_Size="0",
            Kube_Meta_Cache_TTL="300s",
        ),
        "output.conf": _section(
            "OUTPUT",
            Name="cloudwatch_logs",
            Match="kube.*",
            region=region,
            log_group_name=log_group(stack),
            log_stream_prefix="pod-",
            log_retention_days=str(RETENTION),
            auto_create_group="true",
        ),
        "parsers.conf": _section(
            "PARSER",
            Name="crio",
            Format="Regex",
            Regex=r"^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>P|F) (?<log>.*)$",
            Time_Key="time",
            Time_Format="%Y-%m-%dT%H:%M:%S.%L%z",
        ),
    }


def _section(kind: str, **entries: str) -> str:
    return "\n".join([f"[{kind}]", *(f"    {key} {value}" for key, value in entries.items()), ""])
