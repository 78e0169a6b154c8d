"""What the cache promises: a directory is complete, or it is not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.toolchain.cache import cached_directory


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(directory: Path) -> None:
        made.append(directory)
        (directory / "program").touch()

    first = cached_directory("go/thing-1", make, cache=tmp_path)
    second = cached_directory("go/thing-1", make, cache=tmp_path)

    assert first == second
    assert (first / "program").exists()
    assert len(made) == 1


def test_a_build_that_fails_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise ValueError("out of disk")

    with pytest.raises(ValueError, match="out of disk"):
        cached_directory("go/thing-1", fail, cache=tmp_path)

    assert list((tmp_path / "go").iterdir()) == []


def test_a_build_killed_half_way_is_begun_anew(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from rehearsal.toolchain.cache import cached_directory\n"
        "def die(directory):\n (directory / 'half').touch(); os.kill(os.getpid(), 9)\n"
        f"cached_directory('go/thing-1', die, cache=Path({str(tmp_path)!r}))"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    assert killed.returncode == -9
    assert not (tmp_path / "go" / "thing-1").exists()

    built = cached_directory("go/thing-1", lambda directory: (directory / "whole").touch(), cache=tmp_path)

    assert [path.name for path in built.iterdir()] == ["whole"]
    assert [path.name for path in built.parent.iterdir()] == ["thing-1"]


def test_two_builders_at_once_build_once(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from rehearsal.toolchain.cache import cached_directory\n"
        "def make(directory):\n print('built'); time.sleep(0.5)\n"
        f"cached_directory('go/thing-1', make, cache=Path({str(tmp_path)!r}))"
    )
    builders = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, encoding="utf-8") for _ in range(2)
    ]
    said = [builder.communicate(timeout=30)[0] for builder in builders]

    assert sorted(said) == ["", "built\n"]
