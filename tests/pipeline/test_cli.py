import argparse
import re
from pathlib import Path
from typing import TextIO

import pytest

from pipeline import __main__ as cli
from pipeline import flow
from pipeline.outcomes import Drifted, Failed, Locked, Refused, Stopped, WrongUse
from tests.pipeline.repository import Repository, RunVerb


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m pipeline {verb}" in capsys.readouterr().out


def test_the_list_of_verbs_comes_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(re.search(rf"^    {verb}\s", said, re.MULTILINE) for verb in cli.VERBS)
    assert all(f"\n  {code} " in said for code in (0, 1, 2, 3, 4, 5, 130))


@pytest.mark.parametrize("arguments", [[], ["promote"], ["flow", "--no-such-option"], ["flow", "develop"]])
def test_an_unknown_argument_is_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stopped", "code"),
    [(Failed("a"), 1), (WrongUse("b"), 2), (Refused("c"), 3), (Drifted("d"), 4), (Locked("e"), 5)],
)
def test_each_way_to_stop_has_its_exit_code_and_no_stack_trace(
    repository: Repository, run_verb: RunVerb, monkeypatch: pytest.MonkeyPatch, stopped: Stopped, code: int
) -> None:
    def stop(_options: argparse.Namespace, _out: TextIO) -> None:
        raise type(stopped)(stopped.message, "Do something else.")

    monkeypatch.setattr(flow, "run", stop)
    ran = run_verb(repository.server, "flow")
    assert (ran.code, ran.stderr) == (code, f"flow: {stopped.message}\nDo something else.\n")


def test_an_interrupt_ends_with_130(repository: Repository, run_verb: RunVerb, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_options: argparse.Namespace, _out: TextIO) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "run", stop)
    ran = run_verb(repository.server, "flow")
    assert (ran.code, ran.stderr) == (130, "flow: interrupted.\n")


def test_outside_of_a_clone_a_verb_says_so(tmp_path: Path, run_verb: RunVerb) -> None:
    ran = run_verb(tmp_path, "flow", BRANCH_NAME="develop")
    assert ran.code == 2
    assert "not a git repository" in ran.stderr


def test_without_git_a_verb_says_what_to_install(repository: Repository, run_verb: RunVerb, tmp_path: Path) -> None:
    ran = run_verb(repository.server, "flow", PATH=str(tmp_path))
    assert ran.code == 2
    assert "`git` is not on PATH" in ran.stderr
