"""Text is the same in every locale: who reads or writes it names its encoding. Ruff's PLW1514 sees only those paths
whose type it can tell, and no program that is run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.cluster import CHECKOUT

NOT_OURS = {".venv", "node_modules"}
OPENS_BYTES = {(owner, "open") for owner in ("Image", "client", "gzip", "opener", "os", "tarfile", "zipfile")}
"""These give no text file."""
RUN = {"run", "Popen", "check_output", "check_call", "call", "getoutput"}


def sources() -> list[Path]:
    return [path for path in CHECKOUT.rglob("*.py") if not NOT_OURS & set(path.relative_to(CHECKOUT).parts)]


def unnamed(text: str) -> Iterator[int]:
    """The lines of calls that leave the encoding to the locale."""
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and _reads_text(call) and not {"encoding", None} & _keywords(call):
            yield call.lineno


def _reads_text(call: ast.Call) -> bool:
    *owner, name = ast.unparse(call.func).rsplit(".", 1)
    modes = [argument for argument in [*call.args, *_mode(call)] if isinstance(argument, ast.Constant)]
    binary = any(isinstance(mode.value, str) and "b" in mode.value for mode in modes)
    match name:
        case "read_text" | "write_text" | "TextIOWrapper" | "FileHandler":
            return True
        case "open" | "fdopen":
            return not binary and (*owner, name) not in OPENS_BYTES
        case "NamedTemporaryFile" | "TemporaryFile" | "SpooledTemporaryFile":
            return bool(modes) and not binary
        case _:
            return name in RUN and bool({"text", "universal_newlines"} & _keywords(call))


def _mode(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg == "mode"]


def _keywords(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize(
    "call",
    [
        "path.read_text()",
        "path.write_text('a', newline='')",
        "open('a')",
        "path.open('w')",
        "os.fdopen(descriptor, 'w')",
        "tempfile.NamedTemporaryFile('w')",
        "subprocess.run(['git'], text=True)",
        "Popen(['git'], universal_newlines=True)",
    ],
)
def test_a_call_that_leaves_the_encoding_to_the_locale_is_found(call: str) -> None:
    assert list(unnamed(call)) == [1]


@pytest.mark.parametrize(
    "call",
    [
        "path.read_text(encoding='utf-8')",
        "path.open('rb')",
        "os.open('a', os.O_RDONLY)",
        "tempfile.TemporaryFile()",
        "subprocess.run(['git'], encoding='utf-8')",
        "path.read_bytes()",
    ],
)
def test_a_call_that_names_it_or_takes_bytes_is_not(call: str) -> None:
    assert not list(unnamed(call))


def test_every_text_that_is_read_or_written_names_its_encoding() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}"
        for path in sources()
        for line in unnamed(path.read_text(encoding="utf-8"))
    ]
    assert found == []
