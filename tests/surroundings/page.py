"""docs/surroundings.md: a row for each test that is marked `surroundings`, with the words of the mark."""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Final, cast

import pytest

import tests.surroundings
from tests.stack_files import CHECKOUT

PAGE: Final = CHECKOUT / "docs" / "surroundings.md"

_HEAD: Final = """\
# Surroundings

What the project was tried in besides a fresh clone of one's own, and what happens there.
`make surroundings` tries all of it again on your machine, as root for the clone of another user, and writes this page.
`make test` tries it too.

"It works" means: `make` lists the commands, the verb `test` passes tests that make repositories, the clone stays clean.
"Image and hosts are the same" means to the byte: the files of the image, its commit, the user data of the hosts.

| surroundings | what happens | tried in |
|---|---|---|
"""


def page() -> str:
    """The page, as the tests that there are have it."""
    rows = (
        f"| {what} | {happens} | [`{test}`](../tests/surroundings/{file}) |\n" for what, happens, test, file in _rows()
    )
    return _HEAD + "".join(rows)


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for module in sorted(module.name for module in pkgutil.iter_modules(tests.surroundings.__path__)):
        if not module.startswith("test_"):
            continue
        for name, function in vars(importlib.import_module(f"tests.surroundings.{module}")).items():
            for mark in cast("Sequence[pytest.Mark]", getattr(function, "pytestmark", ())):
                if mark.name == "surroundings":
                    what, happens = cast("tuple[str, str]", mark.args)
                    yield what, happens, name, f"{module}.py"
