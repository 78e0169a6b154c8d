"""The verbs at a terminal."""

from pathlib import Path

import pytest

from operations.__main__ import main


@pytest.mark.parametrize("verb", ["state", "host-image", "add-ons", "quotas"])
def test_without_credentials_a_verb_says_so_without_a_trace(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert main([verb, "--region", "us-east-1"]) == 1
    assert "credentials" in capsys.readouterr().err
