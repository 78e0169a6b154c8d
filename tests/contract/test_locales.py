"""The same in every locale: what commands print, and what the hosts are made of."""

import os
import subprocess
import sys

import pytest

from rehearsal.cluster import CHECKOUT

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
COMMANDS = sorted(
    ".".join(program.parent.relative_to(CHECKOUT).parts)
    for folder in ("operations", "pipeline", "rehearsal")
    for program in (CHECKOUT / folder).rglob("__main__.py")
)

AFTER_ITS_HELP = r"""
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_module(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
print("\u25a0 blue \u2192 green \u2026")
"""
USER_DATA = """
from infra.platform.boot import Agent, Controller
print(Controller(region="r", parameters="p", account="1", home_volume="v", url="u", repository="o/n", github_app="1",
                 agents={"deploy": "10.0.0.1"}, labels={"deploy": "deploy"}).user_data())
print(Agent(label="deploy", region="r", parameters="p", controller_address="10.0.0.2").user_data())
"""


def python(program: str, *arguments: str, **variables: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_every_character_where_the_locale_has_only_ascii(command: str) -> None:
    assert r"\u25a0 blue \u2192 green \u2026" in python(AFTER_ITS_HELP, command, **ASCII)


def test_what_the_hosts_are_made_of_is_the_same_bytes_in_every_locale() -> None:
    assert python(USER_DATA, **ASCII) == python(USER_DATA, PYTHONUTF8="1")
