"""The bucket and the key that hold the stacks' state: made before there is any stack, so not by Pulumi."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import state
from infra.settings import PROJECT
from pipeline.outcomes import Failed, Refused

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

OLD_VERSIONS_KEPT: Final = 90
"""Days that an overwritten or deleted state can be brought back."""
TAGS: Final = {"Project": PROJECT}


@final
@dataclass(frozen=True, kw_only=True)
class StateStore:
    """Where state is, in the words of Pulumi's command line."""

    backend: str
    """For `pulumi login`."""
    secrets_provider: str
    """For `pulumi stack init --secrets-provider`."""


def ensure(region: str) -> StateStore:
    """Make the bucket and the key, or mend what of their settings is not as it should be. May be run at any time.

    Raises:
        Failed: AWS does not let these credentials.
        Refused: the bucket's name is somebody else's.
    """
    session = boto3.Session(region_name=region)
    try:
        sts = session.client("sts")  # pyright: ignore[reportUnknownMemberType]
        kms = session.client("kms")  # pyright: ignore[reportUnknownMemberType]
        s3 = session.client("s3")  # pyright: ignore[reportUnknownMemberType]
        account = sts.get_caller_identity()["Account"]
        _bucket(s3, state.bucket_name(account, region), region, _key(kms))
    except (ClientError, BotoCoreError) as error:
        raise Failed(f"AWS refuses: {error}.", "It takes credentials that may administer S3 and KMS.") from None
    return StateStore(backend=state.backend_url(account, region), secrets_provider=state.secrets_provider(region))


def _key(kms: "KMSClient") -> str:
    """ARN of the key behind the alias."""
    try:
        arn = kms.describe_key(KeyId=state.KEY_ALIAS)["KeyMetadata"].get("Arn", "")
    except kms.exceptions.NotFoundException:
        made = kms.create_key(
            Description=f"State of the stacks of {PROJECT}, and the secrets in it",
            Tags=[{"TagKey": key, "TagValue": value} for key, value in TAGS.items()],
        )
        arn = made["KeyMetadata"].get("Arn", "")
        kms.create_alias(AliasName=state.KEY_ALIAS, TargetKeyId=arn)
    kms.enable_key_rotation(KeyId=arn)
    return arn


def _bucket(s3: "S3Client", name: str, region: str, key: str) -> None:
    try:
        if region == "us-east-1":  # The one region that may not be named: it is where buckets used to be.
            s3.create_bucket(Bucket=name)
        else:
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})  # pyright: ignore[reportArgumentType]
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    except s3.exceptions.BucketAlreadyExists:
        raise Refused(
            f"The bucket {name} belongs to another account. Its name follows from yours: somebody took it on purpose.",
            "Ask AWS support about it, or use another region.",
        ) from None
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
                    "BucketKeyEnabled": True,
                }
            ]
        },
    )
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_only_encrypted_transport(name)))
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old-versions",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_KEPT},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    )
    s3.put_bucket_tagging(
        Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in TAGS.items()]}
    )


def _only_encrypted_transport(bucket: str) -> dict[str, object]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
