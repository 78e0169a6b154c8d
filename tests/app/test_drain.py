"""The command of the preStop hook."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smallcase import drain
from tests.app.conftest import APP


def test_the_command_marks_first_and_then_waits(temporary: Path) -> None:
    """The marker is there long before the command ends, and stays."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "smallcase.drain", "1"], env={**os.environ, "PYTHONPATH": str(APP)}
    ) as command:
        while not drain.is_draining():
            assert command.poll() is None
            time.sleep(0.01)
        marked = time.monotonic() - began
        assert command.wait(timeout=5) == 0
    assert marked < 1 <= time.monotonic() - began
    assert [path.name for path in temporary.iterdir()] == ["smallcase.draining"]


def test_it_waits_even_when_it_cannot_mark(
    monkeypatch: pytest.MonkeyPatch, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Load balancers get their time, and the exit code makes Kubernetes record what went wrong."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setenv("TMPDIR", str(temporary / "missing"))
    assert drain.main(["20"]) == 1
    assert waits == [20]
    assert "not marked as draining" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["-1"], ["1.5"], ["soon"], ["1", "2"]])
def test_other_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line, and no marker."""
    assert drain.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not drain.is_draining()


def test_clearing_is_harmless_when_nothing_drains() -> None:
    """A first start has nothing to forget."""
    drain.clear()
    drain.drain(0)
    drain.clear()
    assert not drain.is_draining()
