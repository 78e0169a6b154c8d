"""Whether the account has room, asked of the real client with AWS's answers stood in."""

from typing import cast

import boto3
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber

from operations.cost import items
from operations.quotas import NEEDED, Quotas, check
from pipeline.outcomes import Failed
from tests.graph import environment, platform
from tests.operations.test_cost import ENVIRONMENTS, resources

VCPUS = {"t3.medium": 2}


def service_quotas(*values: float | None, refusal: str = "") -> Quotas:
    """A client that answers with these values, None for a quota that has only AWS's default, which is 100."""
    client = cast("BaseClient", boto3.client("service-quotas", "us-east-1"))  # pyright: ignore[reportUnknownMemberType]
    stubber = Stubber(client)
    for quota, value in zip(NEEDED, values, strict=False):
        asked = {"ServiceCode": quota.service, "QuotaCode": quota.code}
        if value is None:
            stubber.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
            stubber.add_response("get_aws_default_service_quota", {"Quota": {"Value": 100.0}}, asked)
        else:
            stubber.add_response("get_service_quota", {"Quota": {"Value": value}}, asked)
    if refusal:
        stubber.add_client_error("get_service_quota", refusal)
    stubber.activate()
    return cast("Quotas", client)


def test_quotas_that_are_large_enough_are_said_line_by_line() -> None:
    said = check(service_quotas(8, 5, None), "us-east-1")
    assert said == [
        "vCPUs of on-demand standard instances: 8, of which this takes 8",
        "Elastic IPs: 5, of which this takes 2",
        "vCPUs of Fargate pods: 100, of which this takes 4",
    ]


def test_a_quota_that_is_too_small_is_named_with_the_command_that_asks_for_more() -> None:
    with pytest.raises(Failed) as refused:
        check(service_quotas(5, 5, 6), "eu-west-1")
    assert "standard instances: 5, and this takes 8" in refused.value.message
    assert "--service-code ec2 --quota-code L-1216C47A --desired-value 16 --region eu-west-1" in refused.value.message
    assert "\n" not in refused.value.message


def test_a_refusal_of_aws_is_told_without_a_trace() -> None:
    with pytest.raises(Failed, match="AccessDeniedException"):
        check(service_quotas(refusal="AccessDeniedException"), "us-east-1")


def test_what_is_asked_for_is_what_the_committed_stacks_take() -> None:
    base = items(resources(platform()), 2)
    pods = sum(items(resources(environment(stack)), 2)["fargate vCPU"] for stack in ENVIRONMENTS)
    hosts = sum(VCPUS[kind] * amount for kind, amount in base.items() if kind in VCPUS)
    assert [quota.needed for quota in NEEDED] == [hosts, base["public IPv4 address"], base["fargate vCPU"] + 2 * pods]
