"""Whom the rehearsal's registry opens to, asked for as Docker's tools do it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from rehearsal import places
from rehearsal.node.configuration import CREDENTIAL_HELPER, CREDENTIAL_HELPERS

HELPER: Final = CREDENTIAL_HELPERS / f"docker-credential-{CREDENTIAL_HELPER}"


def ask(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HELPER, *arguments],
        env={"PATH": os.environ["PATH"], "SMALLCASE_REHEARSAL": str(directory), **environment},
        input=str(places.REGISTRY),
        capture_output=True,
        encoding="utf-8",
        timeout=10,
        check=False,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "registry-password").write_text("secret", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("role", ["", "administrator", "open", "deploy"])
def test_who_builds_gets_the_password_when_it_is_asked_for(directory: Path, role: str) -> None:
    answer = ask(directory, "get", AWS_PROFILE=role)
    assert json.loads(answer.stdout) == {"ServerURL": str(places.REGISTRY), "Username": "AWS", "Secret": "secret"}


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("get",), {"AWS_PROFILE": "preview"}, "the role preview neither pulls nor pushes"),
        (("get",), {"SMALLCASE_REHEARSAL": ""}, "the shell that 'make shell' opens"),
        (("get",), {"SMALLCASE_REHEARSAL": "/nowhere"}, "'make rehearse' starts it"),
        (("store",), {}, "it answers only: get"),
        ((), {}, "it answers only: get"),
    ],
)
def test_anything_else_is_refused_with_the_reason(
    directory: Path, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    answer = ask(directory, *arguments, **environment)
    assert answer.returncode != 0
    assert message in answer.stdout
    assert "secret" not in answer.stdout
