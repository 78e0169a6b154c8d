"""The real Pulumi CLI on a project of its own, with stand-ins for the providers."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from rehearsal.cloud.server import debug_providers

TIMEOUT: Final = 60
"""Seconds after which a command is taken to hang; all of them take a few."""


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run of the CLI came to. `events` are the engine's own, where they were asked for."""

    code: int
    stdout: str
    stderr: str
    events: Sequence[Mapping[str, object]] = ()

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def steps(self) -> dict[str, str]:
        """Logical name of each resource to what was done to it (`create`, `update`, `replace`, `same`, …)."""
        steps: dict[str, str] = {}
        for event in self.events:
            outcome = cast("Mapping[str, Mapping[str, str]]", event.get("resOutputsEvent") or {})
            if outcome:
                urn = outcome["metadata"]["urn"]
                steps[urn.rpartition("::")[2]] = outcome["metadata"]["op"]
        return steps

    def order(self, operation: str) -> list[str]:
        """Types of the resources in the order in which the operation on them ended."""
        ended: list[str] = []
        for event in self.events:
            outcome = cast("Mapping[str, Mapping[str, str]]", event.get("resOutputsEvent") or {})
            if outcome and outcome["metadata"]["op"] == operation:
                ended.append(outcome["metadata"]["type"])
        return ended


@final
@dataclass(frozen=True, kw_only=True)
class Harness:
    """A project directory with its own state, and the CLI to run on it."""

    project: Path
    environment: Mapping[str, str]

    @classmethod
    def create(cls, directory: Path, pulumi: Path, ports: Mapping[str, int], name: str = "trial") -> "Harness":
        """An empty project `name` below `directory`, for the CLI `pulumi` and the providers at these ports."""
        project, state = directory / "project", directory / "state"
        for part in (project, state):
            part.mkdir(parents=True)
        (project / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        path = [str(pulumi.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {
            "HOME": str(directory),
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "trial",
            "PULUMI_DEBUG_PROVIDERS": debug_providers(ports),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return cls(project=project, environment=environment)

    def write(self, program: str) -> None:
        """Makes this text the program."""
        (self.project / "__main__.py").write_text(program)

    def link(self, source: Path, *names: str) -> None:
        """Links files and folders of the real project into this one."""
        for name in names:
            target = self.project / name
            target.unlink(missing_ok=True)
            target.symlink_to(source / name)

    def pulumi(self, *arguments: str, events: bool = False, **environment: str) -> Outcome:
        """Runs the CLI without questions; raises `subprocess.TimeoutExpired` when it hangs."""
        log = self.project.parent / "events.json"
        log.unlink(missing_ok=True)
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        if events:
            command += ["--event-log", str(log)]
            environment["PULUMI_DEBUG_COMMANDS"] = "true"
        ran = subprocess.run(
            command,
            cwd=self.project,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        lines = log.read_text().splitlines() if log.exists() else []
        return Outcome(
            code=ran.returncode,
            stdout=ran.stdout,
            stderr=ran.stderr,
            events=[cast("Mapping[str, object]", json.loads(line)) for line in lines],
        )

    def state(self, stack: str) -> list[Mapping[str, object]]:
        """The resources of a stack's checkpoint, secrets encrypted as they are at rest."""
        ran = self.pulumi("stack", "export", "--stack", stack)
        assert ran.code == 0, ran.output
        exported = cast("dict[str, dict[str, list[Mapping[str, object]]]]", json.loads(ran.stdout))
        return exported["deployment"].get("resources") or []

    def outputs(self, stack: str) -> Mapping[str, object]:
        """The outputs of a stack, secrets shown."""
        ran = self.pulumi("stack", "output", "--stack", stack, "--json", "--show-secrets")
        assert ran.code == 0, ran.output
        return cast("Mapping[str, object]", json.loads(ran.stdout))
