import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.pipeline.repository import Repository, RunVerb

ROOT = Path(__file__).parent.parent.parent


def with_tests(repository: Repository, text: str) -> Path:
    """A clone whose only tests are these."""
    repository.commit("tests", branch="develop", files={"test_it.py": text})
    return repository.check_out("develop")


def test_tests_that_pass_leave_a_report(repository: Repository, run_verb: RunVerb) -> None:
    clone = with_tests(repository, "def test_it():\n    pass\n")
    assert run_verb(clone, "test").code == 0
    suite = ET.parse(clone / "reports" / "junit.xml").getroot()[0]  # noqa: S314
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "0")


def test_a_test_that_fails_ends_with_1_and_leaves_a_report_of_this_run(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = with_tests(repository, "def test_it():\n    raise ValueError\n")
    ran = run_verb(clone, "test")
    assert ran.code == 1
    assert "Tests failed" in ran.stderr
    suite = ET.parse(clone / "reports" / "junit.xml").getroot()[0]  # noqa: S314
    assert suite.attrib["failures"] == "1"


def test_finding_no_test_is_a_failure(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(repository.check_out("develop"), "test")
    assert ran.code == 1
    assert "No test was found" in ran.stderr


def test_a_run_that_breaks_before_the_first_test_leaves_a_report_that_says_so(
    repository: Repository, run_verb: RunVerb
) -> None:
    repository.commit("broken", branch="develop", files={"pytest.ini": "[pytest]\naddopts = --no-such-option\n"})
    clone = repository.check_out("develop")
    (clone / "reports").mkdir()
    (clone / "reports" / "junit.xml").write_text("of the run before")
    assert run_verb(clone, "test").code == 1
    suite = ET.parse(clone / "reports" / "junit.xml").getroot()[0]  # noqa: S314
    assert suite.attrib["errors"] == "1"


def test_sigterm_ends_the_tests_first_and_the_verb_with_130(repository: Repository, tmp_path: Path) -> None:
    cleaned, started = tmp_path / "cleaned", tmp_path / "started"
    clone = with_tests(
        repository,
        "import time\nfrom pathlib import Path\n\ndef test_it():\n    try:\n"
        f"        Path({str(started)!r}).touch()\n        time.sleep(60)\n"
        f"    finally:\n        time.sleep(1.5)\n        Path({str(cleaned)!r}).touch()\n",
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "test"], cwd=clone, env=environment, stderr=subprocess.PIPE, text=True
    ) as verb:
        deadline = time.monotonic() + 60
        while not started.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Twice, as Jenkins may: the second must not cut off the wait.
        verb.send_signal(signal.SIGTERM)
        time.sleep(0.6)
        verb.send_signal(signal.SIGTERM)
        assert verb.wait(60) == 130
        assert cleaned.exists()
        assert verb.stderr
        stderr = verb.stderr.read()
    assert stderr.endswith("test: interrupted.\n")
    assert "Traceback" not in stderr


@pytest.mark.parametrize("name", ["test_it.py", "test_other.py"])
def test_a_file_can_be_named(repository: Repository, run_verb: RunVerb, name: str) -> None:
    clone = with_tests(repository, "def test_it():\n    pass\n")
    (clone / "test_other.py").write_text("def test_other():\n    raise ValueError\n")
    assert run_verb(clone, "test", name).code == (0 if name == "test_it.py" else 1)
