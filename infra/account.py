"""The AWS account and region that a stack touches."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.settings import PROJECT, Settings


def tags(stack: str) -> Mapping[str, str]:
    """What everything a stack makes is tagged with."""
    return {"Project": PROJECT, "Stack": stack}


class AccountError(pulumi.RunError):
    """AWS does not answer, or it is another account's credentials that are used."""


def id_of(stack: str, opts: pulumi.InvokeOptions) -> str:
    """The account that the credentials belong to.

    Raises:
        AccountError: there are no valid credentials, or they are those of an account that is not allowed.
    """
    try:
        return aws.get_caller_identity(opts=opts).account_id
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more precise
        said = str(error).rpartition("returned an error: ")[2]
        raise AccountError(
            f"AWS cannot be used for stack {stack!r}: {said.strip()}. `aws sts get-caller-identity` shows whose "
            f"credentials you use, `pulumi config get aws:allowedAccountIds -s {stack}` which accounts may be touched."
        ) from None


def provider(settings: Settings) -> aws.Provider:
    """The one way to AWS: every resource gets the same tags, and another account than the configured is refused.

    Raises:
        AccountError: see `id_of`. Asked here, because a later call that fails ends the program with a trace.
    """
    chosen = aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=list(settings.account_ids) or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings.stack)),
    )
    id_of(settings.stack, pulumi.InvokeOptions(provider=chosen))
    return chosen
