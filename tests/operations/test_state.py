"""The store for state, against moto."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from infra import state as names
from operations import state
from operations.__main__ import main
from pipeline.outcomes import Refused

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def s3_client(region: str) -> "S3Client":
    return boto3.client("s3", region_name=region)  # pyright: ignore[reportUnknownMemberType]


def kms_client(region: str) -> "KMSClient":
    return boto3.client("kms", region_name=region)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_bucket_is_versioned_encrypted_with_our_key_and_closed_to_the_public(region: str) -> None:
    made = state.ensure(region)
    name = names.bucket_name(ACCOUNT, region)
    s3 = s3_client(region)
    key = kms_client(region).describe_key(KeyId=names.KEY_ALIAS)["KeyMetadata"]
    [rule] = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule.get("ApplyServerSideEncryptionByDefault") == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": key.get("Arn"),
    }
    assert s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert made.backend == f"s3://{name}?region={region}&awssdk=v2"
    assert made.secrets_provider == f"awskms://alias/smallcase-state?region={region}"


def test_the_key_rotates() -> None:
    state.ensure("us-east-1")
    kms = kms_client("us-east-1")
    key = kms.describe_key(KeyId=names.KEY_ALIAS)["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_second_time_makes_no_second_key_and_loses_no_state(region: str) -> None:
    state.ensure(region)
    s3 = s3_client(region)
    name = names.bucket_name(ACCOUNT, region)
    # moto takes a Deny for one whatever its conditions.
    s3.delete_bucket_policy(Bucket=name)
    s3.put_object(Bucket=name, Key=".pulumi/meta.yaml", Body=b"version: 1")
    state.ensure(region)
    s3.delete_bucket_policy(Bucket=name)
    assert len(kms_client(region).list_keys()["Keys"]) == 1
    assert s3.get_object(Bucket=name, Key=".pulumi/meta.yaml")["Body"].read() == b"version: 1"


def test_a_setting_that_somebody_loosened_is_mended() -> None:
    state.ensure("us-east-1")
    s3 = s3_client("us-east-1")
    name = names.bucket_name(ACCOUNT, "us-east-1")
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    state.ensure("us-east-1")
    assert s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}


def test_a_name_that_another_account_took_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = s3_client("us-east-1")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MOTO_ACCOUNT_ID", "999999999999")
        s3.create_bucket(Bucket=names.bucket_name(ACCOUNT, "us-east-1"))
    with pytest.raises(Refused, match="belongs to another account"):
        state.ensure("us-east-1")


def test_the_verb_prints_the_commands_that_come_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["state", "--region", "eu-central-1"]) == 0
    shown = capsys.readouterr().out
    assert f"pulumi login 's3://smallcase-state-{ACCOUNT}-eu-central-1?region=eu-central-1&awssdk=v2'" in shown
    assert "--secrets-provider 'awskms://alias/smallcase-state?region=eu-central-1'" in shown


def test_the_newest_machine_image_is_printed_as_the_command_that_pins_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host-image", "--region", "us-east-1", "--stack", "green"]) == 0
    assert capsys.readouterr().out.startswith("pulumi config set smallcase:hostImage ami-")
