"""Alarms by mail, where an address is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_aws as aws

LOAD_BALANCERS: Final[Mapping[str, tuple[str, str, float]]] = {
    "unhealthy-targets": (
        'SELECT MAX(UnHealthyHostCount) FROM SCHEMA("AWS/ApplicationELB", LoadBalancer, TargetGroup)',
        "A load balancer has had a target that fails its health check for five minutes",
        0,
    ),
    "errors-of-the-application": (
        'SELECT SUM(HTTPCode_Target_5XX_Count) FROM SCHEMA("AWS/ApplicationELB", LoadBalancer)',
        "Pods answered more than ten requests a minute with a server error, for five minutes",
        10,
    ),
    "errors-of-load-balancers": (
        'SELECT SUM(HTTPCode_ELB_5XX_Count) FROM SCHEMA("AWS/ApplicationELB", LoadBalancer)',
        "Load balancers found no pod to answer more than ten requests a minute, for five minutes",
        10,
    ),
}
"""The load balancers of the environments come and go with their Ingresses, so these ask over all of the region's:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-alarms.html"""

MINUTES: Final = 5


@final
@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """Whom to tell, and which hosts to look after."""

    name: str
    mail: str
    hosts: Mapping[str, pulumi.Input[str]]
    """Instance ids by name."""


@final
class Alarms(pulumi.ComponentResource):
    """A topic, a subscription that its owner confirms by mail, and what is reported to it."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Alarms", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic("alarms", name=f"{args.name}-alarms", opts=child)
        aws.sns.TopicSubscription("mail", topic=topic.arn, protocol="email", endpoint=args.mail, opts=child)
        for alarm, (query, description, threshold) in LOAD_BALANCERS.items():
            aws.cloudwatch.MetricAlarm(
                alarm,
                name=f"{args.name}-{alarm}",
                alarm_description=description,
                metric_queries=[{"id": "q", "expression": query, "period": 60, "return_data": True}],
                comparison_operator="GreaterThanThreshold",
                threshold=threshold,
                evaluation_periods=MINUTES,
                treat_missing_data="notBreaching",
                alarm_actions=[topic.arn],
                ok_actions=[topic.arn],
                opts=child,
            )
        for host, instance_id in args.hosts.items():
            aws.cloudwatch.MetricAlarm(
                host,
                name=f"{args.name}-{host}",
                alarm_description=f"The host {host} has failed EC2's checks for five minutes",
                namespace="AWS/EC2",
                metric_name="StatusCheckFailed",
                dimensions={"InstanceId": instance_id},
                statistic="Maximum",
                period=60,
                comparison_operator="GreaterThanThreshold",
                threshold=0,
                evaluation_periods=MINUTES,
                # A host that reports nothing is down.
                treat_missing_data="breaching",
                alarm_actions=[topic.arn],
                ok_actions=[topic.arn],
                opts=child,
            )
        self.register_outputs({})
