"""YAML as Pulumi's Go reads it: `yes` and `1:30` are text, `010` is 8, `2.0` is 2.

PyYAML goes by YAML 1.1. Its parser is the same, what a plain scalar stands for is not: see `resolve` in
https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go. What is rare and easily meant otherwise is refused instead.
"""

import re
from collections.abc import Mapping
from typing import Final

import yaml

_PLAIN: Final = "!plain"
_TAG: Final = "tag:yaml.org,2002:"

_NAMED: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNCERTAIN: Final = re.compile(
    r"<<|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|\.[-+.0-9eE]*_[-+.0-9eE_]*|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9].*)?"
)


class _Loader(yaml.BaseLoader):
    """Leaves open what plain scalars stand for."""

    yaml_implicit_resolvers = {None: [(_PLAIN, re.compile(""))]}  # noqa: RUF012 - PyYAML's own is one of the class


class _Dumper(yaml.SafeDumper):
    """Leaves no text without quotes, so that nobody takes it for a number."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(f"{_TAG}str", text, style='"'),  # pyright: ignore[reportUnknownMemberType]
)


def load(data: bytes) -> object:
    """What a document says: text, numbers, true, false, None, lists and mappings.

    Raises:
        ValueError: it is not YAML, has a key twice, or what Go takes for a date, infinite or merged; with the reason.
    """
    try:
        node = yaml.compose(data, _Loader)  # As bytes: YAML says its encoding itself, whatever the locale.
        return None if node is None else _value(node)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it contains itself, or is nested too deeply") from None


def dump(content: Mapping[str, object]) -> str:
    """A document that Pulumi and PyYAML read alike."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False)


def _value(node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN:
        return _meaning(node)
    if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str":
        return node.value
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node)
    raise _problem(node, f"the tag {node.tag} is not read here")


def _mapping(node: yaml.MappingNode) -> dict[object, object]:
    found: dict[object, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _problem(key, "a key is no text")
        name = _value(key)
        if name in found:
            raise _problem(key, f"{key.value!r} is there twice")
        found[name] = _value(value)
    return found


def _meaning(node: yaml.ScalarNode) -> object:
    text = node.value
    if text in _NAMED:
        return _NAMED[text]
    if _UNCERTAIN.fullmatch(text):
        raise _problem(node, f"{text!r} is text in quotes, and without them something else")
    number = _number(text.replace("_", "")) if text[0] in "+-.0123456789" else None
    return text if number is None else number


def _number(text: str) -> float | None:
    if found := _INTEGER.fullmatch(text):
        sign, digits = found.groups()
        octal = digits.startswith("0") and not digits[1:2].isalpha()
        number = int(f"{sign}{digits}", 8 if octal else 0)
        if number in (range(-(2**63), 2**63) if sign else range(2**64)):
            return number
    if not _FLOAT.fullmatch(text):
        return None
    fraction = float(text)
    if abs(fraction) < 2**53 and fraction.is_integer():
        return int(fraction)
    return fraction if abs(fraction) != float("inf") else None


def _problem(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
