"""The two lists in `docs/` and the tests and rules that make them true."""

import ast
import re
from collections import Counter

from tests.stack_files import CHECKOUT

TRAPS = (CHECKOUT / "docs" / "accepted-and-failing-later.md").read_text(encoding="utf-8")
REFUSED = (CHECKOUT / "docs" / "refused-at-once.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"^\| (T\d\d) \|", re.MULTILINE)


def marks() -> set[str]:
    """Numbers in all `@pytest.mark.trap(…)` of the tests."""
    found: set[str] = set()
    for path in (CHECKOUT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.trap":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def test_every_trap_is_listed_once() -> None:
    listed = NUMBER.findall(TRAPS)
    assert listed == [f"T{number:02}" for number in range(1, 60)]


def test_every_trap_has_a_test_that_says_so() -> None:
    assert marks() == set(NUMBER.findall(TRAPS))


def test_what_the_list_says_is_refused_is_what_the_stand_ins_refuse() -> None:
    known = re.compile(
        r"""["']((?:Invalid|Malformed|Duplicate)[A-Z][\w.]+|\w+(?:Exception|InUse|NotFound|Exists|Conflict|Violation|Exceeded|OwnedByYou)|ValidationError)["']"""
    )
    cloud = CHECKOUT / "rehearsal" / "cloud"
    sources = [cloud / "kinds.py", cloud / "functions.py", *(cloud / "rules").glob("*.py")]
    refused = {code for path in sources for code in known.findall(path.read_text(encoding="utf-8"))} - {
        "ThrottlingException"
    }
    listed = Counter(
        code
        for row in REFUSED.splitlines()
        if row.startswith("| `")
        for code in re.findall(r"`([A-Z][\w.]+)`", row.split("|")[1])
    )
    assert set(listed) == refused
    assert [code for code, times in listed.items() if times > 1] == []
