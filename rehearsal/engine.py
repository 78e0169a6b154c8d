"""Calling the Pulumi CLI in the rehearsal's project directory."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from rehearsal.progress import RehearsalError

TIMEOUT: Final = 900
"""Seconds after which a command is taken to hang."""

_COUNTS: Final = re.compile(r"^ +[-+~]* *(\d+) (created|updated|replaced|deleted|unchanged)$", re.MULTILINE)


@final
@dataclass(frozen=True, kw_only=True)
class Engine:
    """The real CLI, in a project directory, under given environment variables."""

    project: Path
    environment: Mapping[str, str]
    logs: Path

    def create(self, stack: str) -> None:
        """Create a stack.

        Raises:
            RehearsalError: the CLI refused.
        """
        self._run("stack", "init", stack, "--no-select", log=stack)

    def up(self, stack: str) -> dict[str, int]:
        """Bring a stack up, and say how many resources were created, updated, deleted or left as they are.

        Raises:
            RehearsalError: the update failed; the message holds the end of what the CLI said.
        """
        said = self._run("up", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", log=stack)
        return {what: int(count) for count, what in _COUNTS.findall(said)}

    def stacks(self) -> list[str]:
        """The stacks that exist in this rehearsal's state."""
        listed = json.loads(self._run("stack", "ls", "--json", log="stacks"))
        return [str(entry["name"]) for entry in cast("list[dict[str, object]]", listed)]

    def outputs(self, stack: str) -> dict[str, object]:
        """The outputs of a stack."""
        return cast(
            "dict[str, object]", json.loads(self._run("stack", "output", "--stack", stack, "--json", log=stack))
        )

    def _run(self, *arguments: str, log: str) -> str:
        log_file = self.logs / f"pulumi-{log}.log"
        command = ["pulumi", *arguments, "--color", "never"]
        try:
            result = subprocess.run(
                command,
                cwd=self.project,
                env=dict(self.environment),
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise RehearsalError(
                f"`pulumi {' '.join(arguments)}` did not end within {TIMEOUT} seconds.",
                f"Run `pulumi cancel --stack {log}` in `make shell`, then `make rehearse` again.",
            ) from None
        with log_file.open("a") as stream:
            stream.write(f"$ pulumi {' '.join(arguments)}\n{result.stdout}{result.stderr}\n")
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip().splitlines()
            raise RehearsalError(
                "\n".join([f"`pulumi {' '.join(arguments)}` failed:", *said[-40:]]),
                f"All of it is in {log_file}. What ran before still runs; mend it and run `make rehearse` again.",
            )
        return result.stdout
