"""Python takes digits of any script, where Pulumi, AWS and Kubernetes take `0` to `9`."""

import argparse
import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import values
from pipeline.deadline import duration
from pipeline.release import Version
from rehearsal.cluster import CHECKOUT
from smallcase import drain

OURS = ("app", "infra", "operations", "pipeline")
METHODS = {"isalnum", "isdecimal", "isdigit", "isnumeric"}


def sources() -> list[Path]:
    return [path for folder in OURS for path in (CHECKOUT / folder).rglob("*.py")]


def of_any_script(text: str) -> Iterator[int]:
    """The lines that would take digits of any script."""
    tree = ast.parse(text)
    guarded = {call for test in ast.walk(tree) if _asks_for_ascii(test) for call in ast.walk(test)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and {r"\d", r"\w"} & set(_escapes(node.value))
        ):
            yield node.lineno
        if isinstance(node, ast.Attribute) and node.attr in METHODS and node not in guarded:
            yield node.lineno


def _asks_for_ascii(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.BoolOp)
        and isinstance(node.op, ast.And)
        and ast.unparse(node.values[0]).endswith(".isascii()")
    )


def _escapes(pattern: str) -> Iterator[str]:
    pairs = iter(pattern)
    for one in pairs:
        if one == "\\":
            yield one + next(pairs, "")


def test_no_pattern_or_question_takes_digits_of_other_scripts() -> None:
    found = {str(path.relative_to(CHECKOUT)): [*of_any_script(path.read_text(encoding="utf-8"))] for path in sources()}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("text", [r'r"\d{12}"', r'r"a[\w.-]"', "text.isdigit()", "text.isascii() or text.isdecimal()"])
def test_what_takes_them_is_found(text: str) -> None:
    assert [*of_any_script(text)] == [1]


@pytest.mark.parametrize("text", [r'r"\\d"', "text.isascii() and text.isdecimal()", 'r"[0-9]"'])
def test_what_does_not_is_left_alone(text: str) -> None:
    assert [*of_any_script(text)] == []


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.account_ids, '["12345678901{}"]'),
        (values.arns, '["arn:aws:iam::12345678901{}:role/a"]'),
        (values.number, "{}"),
        (values.positive, "1{}"),
        (values.region, "us-east-{}"),
        (values.replicas, "{}"),
        (values.repository, "a/b{}"),
        (duration, "1{}m"),
    ],
)
def test_a_digit_of_another_script_is_none(read: Callable[[str], object], text: str) -> None:
    assert read(text.format("1")) is not None
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        read(text.format("\N{ARABIC-INDIC DIGIT ONE}"))


def test_a_tag_with_one_is_no_version() -> None:
    assert Version.parse("v1.2.0") is not None
    assert Version.parse("v1.\N{ARABIC-INDIC DIGIT TWO}.0") is None


def test_a_pod_drains_for_no_such_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert drain.main(["\N{ARABIC-INDIC DIGIT ONE}"]) == 2
    assert "whole number" in capsys.readouterr().err
