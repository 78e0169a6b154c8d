"""The HAProxy process: started, told, reloaded without losing a connection, and ended."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, final

from rehearsal.load_balancer import configuration
from rehearsal.load_balancer.configuration import Listener, Slot
from rehearsal.load_balancer.targets import Place

_LOG: Final = logging.getLogger("haproxy")
_START_SECONDS: Final = 10.0
_END_WITH_PARENT: Final = """
import ctypes, os, sys
PR_SET_PDEATHSIG, SIGTERM = 1, 15
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Becomes the program of its arguments, which the kernel then ends when the parent (the first argument) ends."""


class HaproxyError(Exception):
    """HAProxy refused its configuration or a command, or did not start."""


@final
class Haproxy:
    """All load balancers of the rehearsal in one process, which ends with this one whatever ends it.

    Call it from one thread that lives as long as the program: the kernel ends the process when that thread ends.
    """

    def __init__(self, binary: Path, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._generation = 0
        self._structure = ""
        self._slots: Mapping[str, Sequence[Slot]] = {}

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def apply(self, listeners: Sequence[Listener], groups: Mapping[str, Mapping[Place, bool]]) -> bool:
        """Make HAProxy listen and forward as wanted; it does when this returns. True if it had to be (re)loaded.

        Args:
            listeners: The load balancers.
            groups: For each target group (by ARN) its targets, True for those that get new requests.

        Raises:
            HaproxyError: the state of HAProxy is what it was before, or unknown and made anew by the next call.
        """
        wanted = {configuration.backend_name(arn): targets for arn, targets in groups.items()}
        after = {name: configuration.slots(self._slots.get(name, ()), targets) for name, targets in wanted.items()}
        structure = self._render(listeners, {name: [Slot()] * len(members) for name, members in after.items()})
        if structure != self._structure or not self.is_running:
            self._load(listeners, after)
            self._structure, self._slots = structure, after
            return True
        told = [
            command
            for name, members in after.items()
            for command in configuration.commands(name, self._slots[name], members)
        ]
        try:
            for command in told:
                self._tell(command)
        except (OSError, HaproxyError):
            self._structure = ""
            raise
        self._slots = after
        return False

    def stop(self) -> None:
        """End it, workers included."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        for left in self._directory.glob("haproxy-*.sock"):
            left.unlink(missing_ok=True)

    def _render(
        self, listeners: Sequence[Listener], backends: Mapping[str, Sequence[Slot]], generation: int = 0
    ) -> str:
        return configuration.render(
            listeners, backends, socket=self._socket(generation), bad_gateway=self._directory / "502.http"
        )

    def _socket(self, generation: int) -> Path:
        return self._directory / f"haproxy-{generation}.sock"

    def _load(self, listeners: Sequence[Listener], backends: Mapping[str, Sequence[Slot]]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "502.http").write_bytes(configuration.BAD_GATEWAY)
        generation = self._generation + 1
        candidate = self._directory / "haproxy.cfg.new"
        candidate.write_text(self._render(listeners, backends, generation), encoding="utf-8")
        check = subprocess.run(
            [self._binary, "-c", "-q", "-f", candidate],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
        if check.returncode:
            raise HaproxyError(f"HAProxy refuses its configuration {candidate}: {check.stderr.strip()}")
        path = self._directory / "haproxy.cfg"
        candidate.replace(path)
        before, self._generation = self._socket(self._generation), generation
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGUSR2)
        else:
            self._process = self._start(path)
        self._wait_until_it_answers(self._process)
        before.unlink(missing_ok=True)
        _LOG.info("loaded generation %d: %d listeners, %d target groups", generation, len(listeners), len(backends))

    def _start(self, path: Path) -> subprocess.Popen[bytes]:
        with (self._directory / "haproxy.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid()), self._binary, "-W", "-f", path],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                self._ask("show info")
            except OSError:
                time.sleep(0.01)
            else:
                return
        self._structure = ""
        log = (self._directory / "haproxy.log").read_text(encoding="utf-8", errors="replace")
        raise HaproxyError(f"HAProxy did not start: {' '.join(log.splitlines()[-4:])}")

    def _tell(self, command: str) -> None:
        answer = self._ask(command).strip()
        # A change of address is confirmed in a sentence; everything else that is said is a complaint.
        if answer and "changed from" not in answer and not answer.startswith("no need to change"):
            raise HaproxyError(f"{command}: {answer}")
        _LOG.debug("%s", command)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(self._socket(self._generation)))
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while received := connection.recv(65536):
                answer += received
        return answer.decode(errors="replace")
