"""Where the stacks' state is: names that follow from the account, so that nobody configures them twice.

The verb `python -m operations state` makes the bucket and the key; the pipeline's roles are allowed to use them.

Which keys of the bucket belong to a stack is Pulumi's to say: `StackBasePath`, `HistoryDir` and `BackupDir` in
https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/store.go, beside it `stackLockDir` in lock.go and
`stackTagsPath` in stack_tags.go. A test has the CLI itself ask a bucket, and holds what it asks against these rights.
"""

from collections.abc import Iterable
from typing import Final

from infra import iam
from infra.settings import PROJECT

KEY_ALIAS: Final = f"alias/{PROJECT}-state"
"""Encrypts the state and the secrets in it."""

LAYOUT: Final = ".pulumi/meta.yaml"
"""Says how the bucket is laid out. Each command reads it, and the first of all writes it (meta.go)."""

CHECKPOINT: Final = "stacks/{}/{}.json*"
"""By project and stack; packed or not, with its copy `.bak`."""
TAGS: Final = "stacks/{}/{}.pulumi-tags"


def bucket_name(account: str, region: str) -> str:
    """Bucket names are the world's, account ids are unique in it."""
    return f"{PROJECT}-state-{account}-{region}"


def backend_url(account: str, region: str) -> str:
    """What `pulumi login` takes: https://www.pulumi.com/docs/iac/concepts/state-and-backends/#aws-s3"""
    return f"s3://{bucket_name(account, region)}?region={region}&awssdk=v2"


def secrets_provider(region: str) -> str:
    """What `pulumi stack init --secrets-provider` takes."""
    return f"awskms://{KEY_ALIAS}?region={region}"


def reading(account: str, region: str, stacks: Iterable[str]) -> list[iam.Statement]:
    """Rights to read the state of these stacks: a StackReference decrypts the whole checkpoint, even for a plain
    output."""
    bucket = f"arn:{iam.PARTITION}:s3:::{bucket_name(account, region)}"
    checkpoints = [f".pulumi/{pattern.format(PROJECT, stack)}" for stack in stacks for pattern in (CHECKPOINT, TAGS)]
    return [
        # Of the whole bucket, though of names alone: without it, S3 answers 403 in place of 404, and every command asks
        # for tags that no stack has: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        iam.allow("s3:ListBucket", on=bucket),
        iam.allow("s3:GetObject", on=[f"{bucket}/{key}" for key in (LAYOUT, *checkpoints)]),
        _with_key(account, region, "kms:Decrypt"),
    ]


def writing(account: str, region: str, stacks: Iterable[str]) -> list[iam.Statement]:
    """Rights to read and change the state of these stacks, of which there is at least one.

    History and backups are only added to, and a checkpoint is only replaced: who may deploy an environment takes back
    no trace of it. Pulumi itself deletes locks, and the rest where a stack is removed, which is a person's.
    """
    keys = f"arn:{iam.PARTITION}:s3:::{bucket_name(account, region)}/.pulumi"
    stacks = tuple(stacks)

    def each(*patterns: str) -> list[str]:
        return [f"{keys}/{pattern.format(PROJECT, stack)}" for stack in stacks for pattern in patterns]

    return [
        iam.allow("s3:GetObject", "s3:PutObject", on=each(CHECKPOINT)),
        iam.allow("s3:GetObject", on=each(TAGS)),
        iam.allow("s3:PutObject", on=each("backups/{}/{}/*", "history/{}/{}/*")),
        iam.allow("s3:GetObject", "s3:PutObject", "s3:DeleteObject", on=each("locks/organization/{}/{}/*")),
        # What is written is encrypted by S3; what Pulumi itself encrypts, it does with a key that KMS gave it once.
        _with_key(account, region, "kms:GenerateDataKey"),
    ]


def _with_key(account: str, region: str, *actions: str) -> iam.Statement:
    # By alias: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    return iam.allow(
        *actions,
        on=iam.arn("kms", region, account, "key/*"),
        when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": KEY_ALIAS}},
    )
