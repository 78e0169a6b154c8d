"""The real Pulumi CLI on a project of its own, with stand-ins for the providers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from rehearsal.cloud.server import debug_providers

TIMEOUT: Final = 100
"""Seconds after which a command is taken to hang; all of them take a few."""

_CLOSING_WORDS: Final = ("preview failed", "update failed")


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

    def changes(self) -> dict[str, str]:
        """Types of the resources that did not stay as they were, components left out, to what was done to them."""
        changes: dict[str, str] = {}
        for event in self.events:
            outcome = cast("Mapping[str, Mapping[str, str]]", event.get("resOutputsEvent") or {})
            if outcome and outcome["metadata"]["op"] not in ("same", "read", "refresh"):
                changes[outcome["metadata"]["type"]] = outcome["metadata"]["op"]
        return {kind: operation for kind, operation in changes.items() if not kind.startswith("smallcase:")}

    def lost(self) -> set[str]:
        """Resources that did not stay: deleted, or replaced by another of the same name. By type and logical name."""
        return self._named(lambda operation: "delete" in operation or "replace" in operation)

    def created(self) -> set[str]:
        """Resources that were not there before. By type and logical name."""
        return self._named(lambda operation: operation == "create")

    def _named(self, is_meant: Callable[[str], bool]) -> set[str]:
        told = (cast("Mapping[str, Mapping[str, str]]", event.get("resourcePreEvent") or {}) for event in self.events)
        steps = (one["metadata"] for one in told if one)
        return {f"{step['type']}::{step['urn'].rpartition('::')[2]}" for step in steps if is_meant(step["op"])}

    def errors(self) -> list[str]:
        """What went wrong, each message once, without the engine's closing words; those of the CLI itself where it
        refuses to start the engine."""
        messages: list[str] = []
        for event in self.events:
            said = cast("Mapping[str, str]", event.get("diagnosticEvent") or {})
            if said.get("severity") == "error" and said["message"].strip() not in _CLOSING_WORDS:
                messages.append(said["message"].strip())
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        return list(dict.fromkeys(messages or lines))

    def ends_before(self, operation: str, first: str, then: str) -> bool:
        """Whether the operation on all resources of one type had ended when it began on the first of the other.

        A type may be preceded by those of its parents, as in a URN (`PARENT$TYPE`).
        """
        ended = self._moments("resOutputsEvent", operation, first)
        started = self._moments("resourcePreEvent", operation, then)
        return max(ended) < min(started)

    def followed_by(self, later: "Outcome") -> "Outcome":
        """Two runs as one: the code of the later one, the events of both."""
        return Outcome(
            code=later.code,
            stdout=self.stdout + later.stdout,
            stderr=self.stderr + later.stderr,
            events=[*self.events, *later.events],
        )

    def _moments(self, event_kind: str, operation: str, qualified_type: str) -> list[int]:
        moments: list[int] = []
        for moment, event in enumerate(self.events):
            told = cast("Mapping[str, Mapping[str, str]]", event.get(event_kind) or {}).get("metadata")
            if told and told["op"] == operation:
                _, _, types, _ = told["urn"].split("::", 3)
                if f"${types}".endswith(f"${qualified_type}"):
                    moments.append(moment)
        assert moments, f"no {operation} of a {qualified_type} among the engine's events"
        return moments

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
        (project / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n", encoding="utf-8")
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
        (self.project / "__main__.py").write_text(program, encoding="utf-8")

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
        command = _command(arguments)
        if events:
            command += ["--event-log", str(log)]
            environment["PULUMI_DEBUG_COMMANDS"] = "true"
        ran = subprocess.run(
            command,
            cwd=self.project,
            env={**self.environment, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
        )
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return Outcome(
            code=ran.returncode,
            stdout=ran.stdout,
            stderr=ran.stderr,
            events=[cast("Mapping[str, object]", json.loads(line)) for line in lines],
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The CLI, running, in a process group of its own."""
        return subprocess.Popen(
            _command(arguments),
            cwd=self.project,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
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


def _command(arguments: Sequence[str]) -> list[str]:
    return ["pulumi", *arguments, "--non-interactive", "--color", "never"]
