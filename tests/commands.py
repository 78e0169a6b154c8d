"""Commands in messages: what a message offers has to work as it stands."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path


def commands_in(message: str, *starts: str) -> list[str]:
    """What stands between backticks and starts so."""
    return [command for command in re.findall(r"`([^`]+)`", message) if command.startswith(starts)]


def run(command: str, directory: Path, environment: Mapping[str, str]) -> None:
    """Run a command as a person does who copies it from a message, with nobody there to answer a question."""
    ran = subprocess.run(
        ["/bin/bash", "-ec", command],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
