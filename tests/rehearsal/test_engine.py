from pathlib import Path

import pytest

from rehearsal.engine import Engine
from rehearsal.progress import RehearsalError

UP = """Updating (green):
 +  smallcase:environment:Environment smallcase created
Outputs:
    note: "7 created"

Resources:
    + 3 created
    ~ 2 updated
    +-1 replaced
    28 unchanged

Duration: 2s
"""


def engine(directory: Path, said: str, code: int = 0) -> Engine:
    """An engine whose `pulumi` says this, whatever it is asked."""
    (directory / "said").write_text(said)
    program = directory / "pulumi"
    program.write_text(f'#!/bin/sh\ncat "{directory}/said"\nexit {code}\n')
    program.chmod(0o755)
    return Engine(project=directory, environment={"PATH": f"{directory}:/usr/bin:/bin"}, logs=directory)


def test_an_update_says_how_many_resources_it_touched(tmp_path: Path) -> None:
    assert engine(tmp_path, UP).up("green") == {"created": 3, "updated": 2, "replaced": 1, "unchanged": 28}


def test_a_failed_update_shows_what_the_engine_said_and_where_all_of_it_is(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError) as failed:
        engine(tmp_path, "error: the image does not build", code=255).up("green")
    assert "error: the image does not build" in failed.value.message
    assert str(tmp_path / "pulumi-green.log") in failed.value.way_out
    assert "the image does not build" in (tmp_path / "pulumi-green.log").read_text()


def test_stacks_are_read_from_the_engines_own_list(tmp_path: Path) -> None:
    assert engine(tmp_path, '[{"name": "blue"}, {"name": "green"}]').stacks() == ["blue", "green"]
