"""Whether a new account's quotas are large enough: asked before something waits for them in vain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast, final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.outcomes import Failed


@final
@dataclass(frozen=True, kw_only=True)
class Quota:
    """One of AWS's limits, and how much of it the stacks as committed take."""

    name: str
    service: str
    code: str
    needed: int


NEEDED: Final = (
    Quota(name="vCPUs of on-demand standard instances", service="ec2", code="L-1216C47A", needed=8),
    Quota(name="Elastic IPs", service="ec2", code="L-0263D0A3", needed=2),
    # While all three environments roll out, their pods are there twice.
    Quota(name="vCPUs of Fargate pods", service="fargate", code="L-3032A538", needed=4),
)
"""Those that a new account may have too little of: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html"""


class Quotas(Protocol):
    """Service Quotas, as far as it is asked: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/"""

    def get_service_quota(self, *, ServiceCode: str, QuotaCode: str) -> Mapping[str, object]:  # noqa: N803
        """What applies to the account, where that is not the default."""
        ...

    def get_aws_default_service_quota(self, *, ServiceCode: str, QuotaCode: str) -> Mapping[str, object]:  # noqa: N803
        """What applies to every account."""
        ...


def of_region(region: str) -> Quotas:
    """Those of the account in a region."""
    return cast("Quotas", boto3.Session(region_name=region).client("service-quotas"))  # pyright: ignore[reportUnknownMemberType]


def check(quotas: Quotas, region: str) -> list[str]:
    """A line for each quota, all of which are large enough. What the account uses already is not counted.

    Raises:
        Failed: one of them is too small, or AWS does not say; the message has the command that asks for more.
    """
    values = {quota: _value(quotas, quota) for quota in NEEDED}
    small = [_too_small(quota, value, region) for quota, value in values.items() if value < quota.needed]
    if small:
        raise Failed("\n".join(small))
    return [f"{quota.name}: {value:g}, of which this takes {quota.needed}" for quota, value in values.items()]


def _value(quotas: Quotas, quota: Quota) -> float:
    try:
        answer = _answer(quotas, quota)
    except (ClientError, BotoCoreError) as error:
        raise Failed(f"AWS does not say what the quota is of {quota.name}: {error}.") from None
    return cast("Mapping[str, Mapping[str, float]]", answer)["Quota"]["Value"]


def _answer(quotas: Quotas, quota: Quota) -> Mapping[str, object]:
    try:
        return quotas.get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchResourceException":
            raise
        return quotas.get_aws_default_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)


def _too_small(quota: Quota, value: float, region: str) -> str:
    return (
        f"{quota.name}: {value:g}, and this takes {quota.needed}. Ask for more, which takes minutes to a day: "
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {quota.code} "
        f"--desired-value {max(2 * quota.needed, 8)} --region {region}"
    )
