"""The AWS account and region that a stack touches."""

from collections.abc import Mapping

import pulumi_aws as aws

from infra.settings import PROJECT, Settings


def tags(stack: str) -> Mapping[str, str]:
    """What everything a stack makes is tagged with."""
    return {"Project": PROJECT, "Stack": stack}


def provider(settings: Settings) -> aws.Provider:
    """The one way to AWS: every resource gets the same tags, and another account than the configured is refused."""
    return aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=list(settings.account_ids) or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings.stack)),
    )
