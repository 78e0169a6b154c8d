"""The AWS account and region that a stack touches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import pulumi
import pulumi_aws as aws

from infra.settings import PROJECT, Settings


class AccountError(pulumi.RunError):
    """AWS does not answer, or it is another account's credentials that are used."""


@final
@dataclass(frozen=True, kw_only=True)
class Account:
    """The one way to AWS."""

    id: str
    provider: aws.Provider


def tags(stack: str) -> Mapping[str, str]:
    """What everything a stack makes is tagged with."""
    return {"Project": PROJECT, "Stack": stack}


def connect(settings: Settings) -> Account:
    """Every resource gets the same tags, and another account than the configured is refused.

    Raises:
        AccountError: there are no valid credentials, or they are those of an account that is not allowed. Asked here,
            because a later call that fails ends the program with a trace.
    """
    provider = aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=list(settings.account_ids) or None,
        forbidden_account_ids=list(settings.forbidden_account_ids) or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings.stack)),
    )
    try:
        account_id = aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=provider)).account_id
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more precise
        said = str(error).rpartition("returned an error: ")[2].strip()
        allowed, forbidden = map(", ".join, (settings.account_ids, settings.forbidden_account_ids))
        rules = (f"aws:allowedAccountIds allows {allowed} only. " if allowed else "") + (
            f"aws:forbiddenAccountIds forbids {forbidden}. " if forbidden else ""
        )
        raise AccountError(
            f"AWS cannot be used for stack {settings.stack!r}: {said}. {rules}"
            "`aws sts get-caller-identity` shows whose credentials these are; AWS_PROFILE chooses others."
        ) from None
    return Account(id=account_id, provider=provider)
