"""Calling the Pulumi CLI: plain lines, a deadline, one interrupt, and a lock that is waited for.

A second interrupt would end an update at once and leave the stack locked, so Pulumi gets one and is waited for.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TextIO, cast, final

from pipeline import checkpoint
from pipeline.deadline import Deadline, duration_text
from pipeline.detached import Detached, Follower, started
from pipeline.interruption import held_back
from pipeline.outcomes import Failed, Locked, Stopped, WrongUse
from pipeline.proxy import around, through

PROJECT_VARIABLE: Final = "SMALLCASE_PROJECT"

PATIENCE: Final = 300.0
"""Seconds that an interrupted command has to end: it waits for what it has begun, such as a push."""
LISTENS_WITHIN: Final = 10.0
"""Seconds within which Pulumi has said its first line."""
SETTLES_WITHIN: Final = 0.5
"""Seconds after its first line within which Pulumi listens for an interrupt."""
ENDS_WITHIN: Final = LISTENS_WITHIN + SETTLES_WITHIN + PATIENCE
"""Seconds after its deadline within which a command has ended or been killed."""
POLL: Final = 2.0
"""Seconds between two looks at a lock that somebody else holds."""
QUICK: Final = 120.0
"""Seconds that a command has that only reads the state."""
OVERRUN: Final = ENDS_WITHIN + QUICK
"""Seconds that a verb may take beyond its deadline: its command ends, and the state is read for what to say of it."""
PREVIEWED: Final = 600.0
"""Seconds that a preview has whose outcome is only read."""

STARTS_PROVIDERS: Final = frozenset({"destroy", "import", "preview", "refresh", "up"})
"""Commands that start what a stack's checkpoint names."""

PACKAGES: Final = {"UV_NO_DEV": "1", "UV_LOCKED": "1"}
"""Pulumi's Python host has `uv` install what is missing before each program: what that needs, as it is locked, and
not what only tests need (https://github.com/pulumi/pulumi/blob/sdk/v3.259.0/sdk/python/toolchain/uv.go, `Command`)."""

NO_SUCH_STACK: Final = 6
"""The CLI's exit code where a stack does not exist."""

_CLOSING: Final = re.compile(
    r"error: ((update|preview) failed$|expected resource operations for .* but none were seen$)"
)
"""Errors that only follow from others: what was planned and came after what failed was not done."""
_LOCKED: Final = re.compile(r"the stack is currently locked by|Another update is currently in progress")
_HOLDER: Final = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>[0-9]+)\) at (?P<since>\S+)")
_CREDENTIALS: Final = re.compile(
    r"passphrase must be set|incorrect passphrase|PULUMI_ACCESS_TOKEN must be set|get credentials:"
    r"|[Nn]o valid credential|[Uu]nable to locate credentials|ExpiredToken|AccessDenied|no Pulumi\.yaml project file"
)

_NO_PASSWORD: Final = re.compile(r"no basic auth credentials|: 401 Unauthorized|docker-credential-\S+ executable file")
"""What BuildKit and Docker's configuration say where nobody gives them the registry's password."""
_HELPER: Final = (
    "Docker asks a credential helper for the registry's password: docs/first-deployment.md says, in the step of the "
    "environments, how to name one."
)

_UNREACHED: Final = re.compile(
    r"proxy|bad gateway|dial tcp|time-?out|timed out|no such host|deadline exceeded|connection (refused|reset)",
    re.IGNORECASE,
)
"""What providers and the state's store say where something does not answer."""
_OUTSIDE: Final = "https://amazonaws.com"


_WITH_LIST: Final = re.compile(r"[0-9]+ errors? occurred:((?:\s*\n\s*\* .+)+)")
"""How providers that are made with Go's `multierror` begin, what went wrong in a list below it."""


@final
@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    @property
    def locked(self) -> bool:
        """Whether somebody else holds the stack's lock."""
        return self.code != 0 and bool(_LOCKED.search(self.said))

    def errors(self) -> list[str]:
        """What went wrong, each message once; the last lines where nothing is marked as an error."""
        lines = [line.strip() for line in _WITH_LIST.sub(_in_a_line, self.said).splitlines() if line.strip()]
        marked = [line for line in lines if re.match(r"(\S+ )?error:", line)]
        closing = [line for line in marked if not re.search(_CLOSING, line)]
        return list(dict.fromkeys(closing or lines[-5:]))


@final
@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lock."""

    user: str
    host: str
    pid: int
    since: str

    @property
    def gone(self) -> bool:
        """Whether the process was one of this machine and no longer runs: it was killed and left the lock."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.pid}) since {self.since}"


def holders(said: str) -> list[Holder]:
    """Everyone who holds the lock, as the CLI's refusal names them."""
    return [
        Holder(user=found["user"], host=found["host"], pid=int(found["pid"]), since=found["since"])
        for found in _HOLDER.finditer(said)
    ]


@final
@dataclass(frozen=True, kw_only=True)
class Pulumi:
    """The real CLI, in a project directory."""

    project: Path
    environment: Mapping[str, str]
    out: TextIO
    """Where lines go that are shown."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """For whoever runs this in a thread, which Ctrl-C does not reach: set, it is taken for one."""

    def elsewhere(self, project: Path) -> "Pulumi":
        """The same, in another directory."""
        return replace(self, project=project)

    def stacks(self) -> list[str]:
        """The stacks that exist.

        Raises:
            WrongUse: a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        listed = cast("list[dict[str, object]]", json.loads(self._read("stack", "ls", "--json").stdout))
        return [str(entry["name"]) for entry in listed]

    def resources(self, stack: str) -> Sequence[Mapping[str, object]]:
        """The resources in a stack's state.

        Raises:
            WrongUse: there is no such stack, or a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        deployment = cast("dict[str, object]", self.export(stack).get("deployment") or {})
        return cast("list[Mapping[str, object]]", deployment.get("resources") or [])

    def export(self, stack: str) -> Mapping[str, object]:
        """A stack's checkpoint as it is stored: nothing is started or decrypted for it.

        Raises:
            WrongUse: there is no such stack, or a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        return cast("dict[str, object]", json.loads(self._read("stack", "export", "--stack", stack).stdout))

    def planned(self, stack: str) -> Sequence[Mapping[str, object]]:
        """The resources that there would be if the stack went up as its settings are.

        Raises:
            WrongUse: there is no such stack, or a credential or the CLI is missing.
            Failed: the preview fails.
        """
        arguments = ("preview", "--json", "--show-sames", "--stack", stack)
        answer = self.run(*arguments, deadline=Deadline.after(PREVIEWED))
        if answer.code != 0:
            raise explain(answer, f"`pulumi {' '.join(arguments)}`")
        steps = cast("list[dict[str, object]]", json.loads(answer.stdout).get("steps") or [])
        # A replacement is several steps on one resource.
        found = {step["urn"]: step["newState"] for step in steps if step.get("newState")}
        return [cast("Mapping[str, object]", state) for state in found.values()]

    def outputs(self, stack: str) -> dict[str, object]:
        """The outputs of a stack; nothing where it does not exist.

        Raises:
            WrongUse: a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        answer = self._read("stack", "output", "--stack", stack, "--json", also=NO_SUCH_STACK)
        return {} if answer.code == NO_SUCH_STACK else cast("dict[str, object]", json.loads(answer.stdout))

    def run(self, *arguments: str, deadline: Deadline, show: bool = False) -> Answer:
        """Run one command without questions; what it says is shown as it comes, or kept.

        Raises:
            Refused: it starts what the checkpoint names, and that is not this program's.
            WrongUse: the CLI is missing.
            Failed: the deadline passed; the command was interrupted once and has ended.
            KeyboardInterrupt: so was it, by somebody else.
        """
        if arguments[0] in STARTS_PROVIDERS:
            self.require_own_checkpoint(arguments[arguments.index("--stack") + 1])
        environment = {**around(self.environment), **PACKAGES, "PULUMI_SKIP_UPDATE_CHECK": "true"}
        program = shutil.which("pulumi", path=environment.get("PATH", os.defpath))
        if program is None:
            raise WrongUse("`pulumi` is not on PATH.", "Install it: https://www.pulumi.com/docs/install/")
        command = [program, *arguments, "--non-interactive", "--color", "never"]
        what = f"`pulumi {arguments[0]}`"
        # A signal acts only where it is waited for: at any other moment Pulumi would run on by itself.
        with held_back() as signals, started(command, self.project, environment) as process:
            follow = Follower(process, self.out) if show else _show_nothing
            try:
                signals.let_in()
                code = process.wait(deadline.remaining, follow, until=self.stopped.is_set)
                signals.hold()
            except KeyboardInterrupt:
                signals.hold()
                self._interrupt(process, what, follow)
                raise
            if code is None:
                self._interrupt(process, what, follow)
                if self.stopped.is_set():
                    raise KeyboardInterrupt
                raise Failed(
                    f"{what} did not end within {deadline} and was interrupted.",
                    "What it had begun is recorded: the next run goes on from there.",
                )
            return Answer(code=code, stdout=process.stdout, stderr=process.stderr)

    def require_own_checkpoint(self, stack: str) -> None:
        """Let a stack's checkpoint through if it starts this program's providers alone. A stack that does not exist
        has none, which the command that follows says.

        Raises:
            Refused: it starts something else.
            WrongUse: a credential or the CLI is missing.
            Failed: the state cannot be read.
        """
        answer = self._read("stack", "export", "--stack", stack, also=NO_SUCH_STACK)
        if answer.code == 0:
            checkpoint.require_ours(stack, cast("dict[str, object]", json.loads(answer.stdout)))

    def run_locking(self, stack: str, *arguments: str, deadline: Deadline) -> Answer:
        """Run a command that locks its stack, and try again until the deadline while somebody else holds the lock. A
        lock that a killed process of this machine left behind is taken away.

        Raises:
            Locked: the lock was held until the deadline; the message says by whom, and how to take it away.
        """
        told = False
        while True:
            answer = self.run(*arguments, "--stack", stack, deadline=deadline, show=True)
            if not answer.locked:
                return answer
            held_by = holders(answer.said)
            if held_by and all(holder.gone for holder in held_by):
                named = ", ".join(map(str, held_by))
                print(f"The lock of {stack} was left by {named}, which no longer runs: taking it away.", file=self.out)
                self._cancel(stack, deadline)
                continue
            named = ", ".join(map(str, held_by)) or "somebody else"
            if deadline.remaining <= 2 * POLL:  # One to wait, and one for a command to begin with.
                raise Locked(
                    f"The stack {stack!r} was locked until the deadline of {deadline}, by {named}.",
                    f"If that process no longer runs, `pulumi cancel --stack {stack}` takes the lock away. "
                    "The next run then goes on from what was recorded.",
                )
            if not told:
                print(
                    f"{stack} is locked by {named}: waiting {duration_text(deadline.remaining)} at most.", file=self.out
                )
                told = True
            if self.stopped.wait(POLL):
                raise KeyboardInterrupt

    def _read(self, *arguments: str, also: int = 0) -> Answer:
        """A command that only reads the state and has to end with 0, or with the other code."""
        answer = self.run(*arguments, deadline=Deadline.after(QUICK))
        if answer.code not in {0, also}:
            raise explain(answer, f"`pulumi {' '.join(arguments)}`")
        return answer

    def _cancel(self, stack: str, deadline: Deadline) -> None:
        answer = self.run("cancel", "--stack", stack, "--yes", deadline=deadline)
        if answer.code != 0:
            raise explain(answer, f"`pulumi cancel --stack {stack}`")

    def _interrupt(self, process: Detached, what: str, follow: Callable[[], None]) -> None:
        with suppress(OSError):  # Pulumi is told even where nobody can be.
            print(
                f"Interrupting {what} once, and waiting {duration_text(PATIENCE)} at most.", file=self.out, flush=True
            )
        # Before its first line Pulumi does not listen yet, and an interrupt would be lost.
        process.wait(LISTENS_WITHIN, follow, until=lambda: "\n" in process.stdout)
        process.wait(SETTLES_WITHIN, follow)
        process.signal(signal.SIGINT)
        if process.wait(PATIENCE, follow) is None:
            process.signal(signal.SIGKILL)
            raise Failed(
                f"{what} did not end within {duration_text(PATIENCE)} of an interrupt and was killed. "
                "The stack is still locked.",
                "The next run on this machine takes the lock away and goes on; elsewhere, `pulumi cancel` does.",
            )


def _in_a_line(found: re.Match[str]) -> str:
    return "; ".join(line.strip().removeprefix("* ") for line in found[1].strip().splitlines() if line.strip())


def _show_nothing() -> None:
    """For what is read, not shown."""


def explain(answer: Answer, what: str, errors: Sequence[str] = ()) -> Stopped:
    """What a failed command means for whoever called the verb: wrong use where it lacked a credential or a stack."""
    message = "\n  ".join([f"{what} failed:", *(errors or answer.errors())])
    asked = through(_OUTSIDE) if _UNREACHED.search(message) else ""
    way = f"What is not on this machine is asked{asked}." if asked else ""
    if answer.code == NO_SUCH_STACK:
        return WrongUse(message, "A person creates a stack once, with `pulumi stack init NAME --no-select`.")
    if _NO_PASSWORD.search(message):
        return WrongUse(message, _HELPER)
    if _CREDENTIALS.search(message):
        needs = "See docs/pipeline.md for what a verb needs: a state, its key and credentials for AWS."
        return WrongUse(message, f"{needs} {way}".strip())
    return Failed(message, way)


def add_project_argument(parser: argparse.ArgumentParser) -> None:
    """`--project`, for every verb that calls Pulumi."""
    parser.add_argument(
        "--project",
        type=Path,
        default=None,
        metavar="DIRECTORY",
        help=f"where Pulumi.yaml and the stack files are (default: {PROJECT_VARIABLE}, then the root of the clone)",
    )


def project_directory(given: Path | None, environment: Mapping[str, str], root: Path) -> Path:
    """Where Pulumi runs: the checkout itself, unless somebody says otherwise.

    Raises:
        WrongUse: there is no project.
    """
    directory = (given or Path(environment.get(PROJECT_VARIABLE) or root)).resolve()
    if not (directory / "Pulumi.yaml").is_file():
        raise WrongUse(f"{directory} has no Pulumi.yaml.", f"Mend --project or {PROJECT_VARIABLE}.")
    return directory
