"""The AWS account and region that a stack touches."""

import pulumi_aws as aws

from infra.settings import PROJECT, Settings


def provider(settings: Settings) -> aws.Provider:
    """The one way to AWS: every resource gets the same tags, and another account than the configured is refused."""
    return aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=list(settings.account_ids) or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags={"Project": PROJECT, "Stack": settings.stack}),
    )
