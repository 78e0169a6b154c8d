"""The programs that a stage on an agent calls, read from what calls them."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.stack_files import CHECKOUT

CALLED_IN_TURN: Final = frozenset({"aws", "docker"})
"""The kubeconfig asks `aws` for a token, and images are built by a builder of `docker`."""

_STARTS: Final = re.compile(r"subprocess\.(run|Popen|call|check_call|check_output)|shutil\.which")


def agent_programs() -> set[str]:
    """What the Jenkinsfile, the verbs and the program call by name, and what those call."""
    stages = re.findall(r"\bsh '(\S+)", (CHECKOUT / "Jenkinsfile").read_text(encoding="utf-8"))
    sources = (
        file.read_text(encoding="utf-8")
        for folder in ("pipeline", "infra")
        for file in (CHECKOUT / folder).rglob("*.py")
    )
    return {*stages, *(program for source in sources for program in _started(source)), *CALLED_IN_TURN}


def _started(source: str) -> Iterator[str]:
    """The first word of every command that is written where it is started; paths are not looked up."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and _STARTS.fullmatch(ast.unparse(node.func)):
            command = node.args[0]
            program = command.elts[0] if isinstance(command, ast.List | ast.Tuple) else command
            words = (part.value for part in ast.walk(program) if isinstance(part, ast.Constant))
            first = next(words, "/")
            if isinstance(first, str) and "/" not in first:
                yield first
