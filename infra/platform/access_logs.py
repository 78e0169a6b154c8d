"""Where the load balancers write down who asked for what, if they do."""

import json
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra.names import physical_name

DAYS: Final = 90
"""That a log is kept: it says where people come from and what they asked for."""
PREFIX: Final = 37
"""Longest beginning of a bucket's name to which the provider adds what sets it apart from all others
(https://www.pulumi.com/registry/packages/aws/api-docs/s3/bucket/)."""


@final
@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    """Logs of one platform's load balancers."""

    name: str
    account_id: str


@final
class AccessLogs(pulumi.ComponentResource):
    """A bucket that Elastic Load Balancing may write to, for load balancers of this account.

    It encrypts by itself and lets nobody else in, as every new bucket does. With its logs it stays when it is not asked
    for any more, and they expire: an empty bucket costs nothing.
    """

    bucket: pulumi.Output[str]
    """Its name, once it may be written to: that is tried when a load balancer is told."""

    def __init__(self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:AccessLogs", name, {}, opts)
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        bucket = aws.s3.Bucket(
            name, bucket_prefix=f"{physical_name(args.name, 'access-logs', limit=PREFIX - 1)}-", opts=kept
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[{"id": "expire", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": DAYS}}],
            opts=kept,
        )
        policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=bucket.arn.apply(lambda arn: json.dumps(delivery(arn, args.account_id))),
            opts=kept,
        )
        self.bucket = policy.bucket
        self.register_outputs({"bucket": self.bucket})


def delivery(arn: str, account_id: str) -> dict[str, object]:
    """Who writes to the bucket, and where: the path has the account whose load balancer it is.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html"""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{arn}/AWSLogs/{account_id}/*",
            }
        ],
    }
