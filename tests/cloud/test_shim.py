"""The `aws` that kubeconfigs call in the rehearsal."""

import json
import os
import subprocess
from pathlib import Path

import pytest

SHIM = Path(__file__).parents[2] / "rehearsal" / "cloud" / "bin" / "aws"
GET_TOKEN = ("--region", "us-east-1", "eks", "get-token", "--cluster-name", "smallcase", "--output", "json")


def aws(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SHIM), *arguments],
        env={"PATH": os.environ["PATH"], "SMALLCASE_REHEARSAL": str(directory), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=10,
        check=False,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "credentials").mkdir()
    for role in ("administrator", "open", "deploy"):
        (tmp_path / "credentials" / f"{role}.json").write_text(
            json.dumps({"kind": "ExecCredential", "role": role}), encoding="utf-8"
        )
    return tmp_path


def test_the_credential_is_that_of_the_administrator_unless_a_profile_says_otherwise(directory: Path) -> None:
    assert json.loads(aws(directory, *GET_TOKEN).stdout)["role"] == "administrator"
    for role in ("open", "deploy"):
        assert json.loads(aws(directory, *GET_TOKEN, AWS_PROFILE=role).stdout)["role"] == role


ROLE = "arn:aws:iam::123456789012:role/smallcase-platform"
ASSUME = ("sts", "assume-role", "--role-session-name", "smallcase", "--output", "json", "--role-arn")


@pytest.mark.parametrize("role", ["open", "deploy"])
def test_an_administrator_takes_a_role_that_deploys_and_then_has_its_credential(directory: Path, role: str) -> None:
    taken = json.loads(aws(directory, *ASSUME, f"{ROLE}-{role}").stdout)["Credentials"]
    variables = {"AWS_ACCESS_KEY_ID": taken["AccessKeyId"], "AWS_SESSION_TOKEN": taken["SessionToken"]}
    assert json.loads(aws(directory, *GET_TOKEN, **variables).stdout)["role"] == role


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("s3", "ls"), {}, "'s3 ls' is not answered; it answers only: aws"),
        (GET_TOKEN, {"AWS_PROFILE": "root"}, "AWS_PROFILE is 'root'"),
        (GET_TOKEN, {"AWS_PROFILE": "preview"}, "'make rehearse' starts it"),
        ((*ASSUME, f"{ROLE}-preview"), {}, "nobody may assume"),
        ((*ASSUME, f"{ROLE}-deploy"), {"AWS_PROFILE": "open"}, "open is not authorized"),
        (("eks", "get-token"), {}, "wants --cluster-name"),
        (("eks", "get-token", "--cluster-name"), {}, "--cluster-name wants a value"),
        (GET_TOKEN, {"SMALLCASE_REHEARSAL": ""}, "SMALLCASE_REHEARSAL is not set"),
    ],
)
def test_anything_else_is_a_clear_error(
    directory: Path, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    answer = aws(directory, *arguments, **environment)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert answer.stdout == ""


SCAN = ("ecr", "describe-image-scan-findings", "--repository-name", "smallcase", "--image-id")


def test_no_scan_finds_anything_unless_the_rehearsal_has_something_for_the_digest(directory: Path) -> None:
    said = json.loads(aws(directory, *SCAN, "imageDigest=sha256:abc", AWS_PROFILE="deploy").stdout)
    assert said == {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findings": []}}
    (directory / "findings").mkdir()
    (directory / "findings" / "abc.json").write_text('{"found": true}', encoding="utf-8")
    assert json.loads(aws(directory, *SCAN, "imageDigest=sha256:abc").stdout) == {"found": True}
    refused = aws(directory, *SCAN, "imageDigest=sha256:abc", AWS_PROFILE="preview")
    assert refused.returncode != 0
    assert "AccessDenied" in refused.stderr
