"""Where the stacks' state is: names that follow from the account, so that nobody configures them twice.

The verb `python -m operations state` makes the bucket and the key; the pipeline's roles are allowed to use them.
"""

from typing import Final

from infra import iam
from infra.settings import PROJECT

KEY_ALIAS: Final = f"alias/{PROJECT}-state"
"""Encrypts the state and the secrets in it."""


def bucket_name(account: str, region: str) -> str:
    """Bucket names are the world's, account ids are unique in it."""
    return f"{PROJECT}-state-{account}-{region}"


def backend_url(account: str, region: str) -> str:
    """What `pulumi login` takes: https://www.pulumi.com/docs/iac/concepts/state-and-backends/#aws-s3"""
    return f"s3://{bucket_name(account, region)}?region={region}&awssdk=v2"


def secrets_provider(region: str) -> str:
    """What `pulumi stack init --secrets-provider` takes."""
    return f"awskms://{KEY_ALIAS}?region={region}"


def reading(account: str, region: str) -> list[iam.Statement]:
    """Rights to read every stack's state: a StackReference decrypts the whole checkpoint, even for a plain output."""
    bucket = f"arn:{iam.PARTITION}:s3:::{bucket_name(account, region)}"
    return [
        iam.allow("s3:ListBucket", "s3:GetBucketLocation", on=bucket),
        iam.allow("s3:GetObject", on=f"{bucket}/.pulumi/*"),
        _with_key(account, region, "kms:Decrypt"),
    ]


def writing(account: str, region: str, except_stack: str) -> list[iam.Statement]:
    """Rights to read all state, and to change it for every stack of the project but one."""
    folder = f"arn:{iam.PARTITION}:s3:::{bucket_name(account, region)}/.pulumi/*/{PROJECT}"
    change = ("s3:PutObject", "s3:DeleteObject")
    return [
        *reading(account, region),
        iam.allow(*change, on=f"{folder}/*"),
        iam.deny(*change, on=[f"{folder}/{except_stack}.json*", f"{folder}/{except_stack}/*"]),
        _with_key(account, region, "kms:Encrypt", "kms:GenerateDataKey"),
    ]


def _with_key(account: str, region: str, *actions: str) -> iam.Statement:
    # By alias: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    return iam.allow(
        *actions,
        on=iam.arn("kms", region, account, "key/*"),
        when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": KEY_ALIAS}},
    )
