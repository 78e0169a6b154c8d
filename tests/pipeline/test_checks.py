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


PREPARED = "from pathlib import Path\n\nPath('prepared').touch()\n"


def clone_with(repository: Repository, *, preparation: str = PREPARED, **files: str) -> Path:
    """A clone of Python files, in which what the tests need is prepared so."""
    modules = {f"{name}.py": text for name, text in files.items()}
    modules |= {"rehearsal/__init__.py": "", "rehearsal/toolchain.py": preparation}
    repository.commit("tests", branch="develop", files=modules)
    return repository.check_out("develop")


def with_tests(repository: Repository, text: str) -> Path:
    """A clone whose only tests are these."""
    return clone_with(repository, test_it=text)


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
    ran = run_verb(clone_with(repository), "test")
    assert ran.code == 1
    assert "No test was found" in ran.stderr


def test_a_run_that_breaks_before_the_first_test_leaves_a_report_that_says_so(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = clone_with(repository)
    (clone / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    (clone / "reports").mkdir()
    (clone / "reports" / "junit.xml").write_text("of the run before", encoding="utf-8")
    assert run_verb(clone, "test").code == 1
    suite = ET.parse(clone / "reports" / "junit.xml").getroot()[0]  # noqa: S314
    assert suite.attrib["errors"] == "1"


@pytest.mark.parametrize(
    ("busy", "arguments"),
    [("tests", []), ("tests", ["test_it.py"]), ("preparation", [])],
    ids=["all", "named", "before"],
)
def test_sigterm_ends_the_tests_first_and_the_verb_with_130(
    repository: Repository, tmp_path: Path, busy: str, arguments: list[str]
) -> None:
    cleaned, started = tmp_path / "cleaned", tmp_path / "started"
    work = (
        "import time\nfrom pathlib import Path\n\ndef test_it():\n    try:\n"
        f"        Path({str(started)!r}).touch()\n        time.sleep(60)\n"
        f"    finally:\n        time.sleep(1.5)\n        Path({str(cleaned)!r}).touch()\n"
    )
    stopped = "\ntry:\n    test_it()\nexcept KeyboardInterrupt:\n    raise SystemExit(130) from None\n"
    preparation = work + stopped if busy == "preparation" else PREPARED
    clone = clone_with(repository, preparation=preparation, test_it=work)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "test", *arguments],
        cwd=clone,
        env=environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
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
    (clone / "test_other.py").write_text("def test_other():\n    raise ValueError\n", encoding="utf-8")
    assert run_verb(clone, "test", name).code == (0 if name == "test_it.py" else 1)


@pytest.mark.parametrize("arguments", [[], ["test_it.py"]])
def test_all_tests_run_on_workers_with_what_they_need_and_a_named_one_as_it_is(
    repository: Repository, run_verb: RunVerb, arguments: list[str]
) -> None:
    everything = not arguments
    clone = with_tests(
        repository, f"def test_it(request):\n    assert hasattr(request.config, 'workerinput') is {everything}\n"
    )
    assert run_verb(clone, "test", *arguments).code == 0
    assert (clone / "prepared").exists() is everything


def test_where_what_tests_need_cannot_be_had_no_test_runs_and_the_report_says_why(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = clone_with(
        repository, preparation="raise SystemExit(3)\n", test_it="def test_it():\n    open('ran', 'w')\n"
    )
    ran = run_verb(clone, "test")
    assert ran.code == 1
    assert "`python -m rehearsal.toolchain cli` ended with 3" in ran.stderr
    assert "`python -m rehearsal.toolchain cli` ended with 3" in (clone / "reports" / "junit.xml").read_text(
        encoding="utf-8"
    )
    assert not (clone / "ran").exists()


def test_make_test_is_the_verb() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert ".venv/bin/python -m pipeline test" in shown.splitlines()
    assert "pytest" not in shown
