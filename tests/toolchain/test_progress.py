"""What a user sees of a long step, and of an error."""

import io
import re
import subprocess
import sys
import time

import pytest

from pipeline.outcomes import Refused, Stopped, WrongUse
from rehearsal.progress import Progress, RehearsalError, exit_code


def test_a_long_step_is_never_silent_where_there_is_no_terminal() -> None:
    said = io.StringIO()

    with Progress(said, still_every=0.05).step("building"):
        time.sleep(0.2)

    lines = said.getvalue().splitlines()
    assert lines[0] == "building …"
    assert any("still building" in line for line in lines)
    assert re.fullmatch(r"✓ building \d+\.\d s", lines[-1])


def test_a_step_that_fails_is_marked_and_its_error_goes_on() -> None:
    said = io.StringIO()

    with pytest.raises(ValueError, match="broken"), Progress(said).step("building"):
        raise ValueError("broken")

    assert said.getvalue().splitlines()[-1].startswith("✗ building")


def test_an_error_shows_its_message_and_the_way_out_without_a_stack_trace() -> None:
    said = io.StringIO()

    def command() -> None:
        raise RehearsalError("Port [6443] is taken.", "End what listens there.")

    assert exit_code(Progress(said), command) == 1
    assert said.getvalue() == "error: Port [6443] is taken.\nEnd what listens there.\n"


def test_what_this_machine_refuses_is_one_message_without_a_stack_trace() -> None:
    said = io.StringIO()

    def command() -> None:
        subprocess.run([sys.executable, "-c", "import sys; sys.exit('disk full')"], check=True, capture_output=True)

    assert exit_code(Progress(said), command) == 1
    assert "disk full" in said.getvalue()
    assert "run the same command again" in said.getvalue()
    assert "Traceback" not in said.getvalue()


@pytest.mark.parametrize("stopped", [WrongUse("There is no plan.", "Make one."), Refused("No.", "Make one.")])
def test_what_stops_a_verb_of_the_pipeline_keeps_its_exit_code(stopped: Stopped) -> None:
    said = io.StringIO()

    def command() -> None:
        raise stopped

    assert exit_code(Progress(said), command) == stopped.code
    assert said.getvalue() == f"error: {stopped.message}\nMake one.\n"


def test_a_command_that_goes_well_ends_with_its_own_code() -> None:
    assert exit_code(Progress(io.StringIO()), lambda: None) == 0
    assert exit_code(Progress(io.StringIO()), lambda: 3) == 3


def test_an_interrupted_command_ends_as_a_shell_expects_it_and_without_a_stack_trace() -> None:
    said = io.StringIO()

    def command() -> None:
        raise KeyboardInterrupt

    assert exit_code(Progress(said), command) == 130
    assert "interrupted" in said.getvalue()
    assert "Traceback" not in said.getvalue()
