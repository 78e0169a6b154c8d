"""What is said of advisories, with the database stood in."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from operations import audit as operation
from operations.__main__ import main
from operations.audit import Audit, by_pip_audit, check, of_checkout
from pipeline.outcomes import Failed

LISTS = {"the image": Path("image"), "the program": Path("program")}
FINE: Mapping[str, object] = {"name": "flask", "version": "3.1.0", "vulns": []}
AFFECTED: Mapping[str, object] = {
    "name": "jinja2",
    "version": "3.1.5",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3.1.6"]}],
}
UNFIXED: Mapping[str, object] = {
    "name": "h11",
    "version": "0.16",
    "vulns": [{"id": "PYSEC-2026-2"}],
}
SKIPPED: Mapping[str, object] = {
    "name": "uvicorn",
    "skip_reason": "Dependency not found on PyPI and could not be audited: uvicorn (0.54.0)",
}


def saying(*of_image: Mapping[str, object]) -> Audit:
    return lambda path: json.dumps({"dependencies": of_image if path.name == "image" else [FINE]})


def test_without_advisories_each_list_has_a_line() -> None:
    assert check(saying(FINE), LISTS) == ["the image: 1 packages, no advisory", "the program: 1 packages, no advisory"]


def test_an_advisory_is_named_with_the_version_that_fixes_it() -> None:
    with pytest.raises(Failed) as said:
        check(saying(FINE, AFFECTED, UNFIXED), LISTS)
    assert "jinja2 3.1.5 (the image): PYSEC-2026-1, fixed in 3.1.6" in str(said.value)
    assert "h11 0.16 (the image): PYSEC-2026-2, no fix yet" in str(said.value)


def test_a_package_that_the_database_says_nothing_of_is_not_taken_for_good_news() -> None:
    """pip-audit itself ends well then."""
    with pytest.raises(Failed, match="out of reach for 1 packages, so nothing is known of them: uvicorn"):
        check(saying(FINE, SKIPPED), LISTS)


def test_a_database_that_cannot_be_asked_is_said_to_be_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.txt").write_text(f"h11==0.16.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Failed, match="out of reach, so nothing is known"):
        by_pip_audit(tmp_path / "requirements.txt")


def test_the_lists_are_those_of_the_lock_files() -> None:
    listed = {what: path.read_text(encoding="utf-8") for what, path in of_checkout().items()}
    assert "uvicorn==" in listed["the image"]
    program = listed["the program, its tests and tools"]
    assert "pulumi-aws==" in program
    assert "pytest==" in program
    assert "--hash=sha256:" in program


def test_the_command_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(operation, "by_pip_audit", saying(FINE))
    monkeypatch.setattr(operation, "of_checkout", lambda: LISTS)
    assert main(["audit"]) == 0
    assert "the image: 1 packages" in capsys.readouterr().out
