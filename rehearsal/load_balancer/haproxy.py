"""The HAProxy processes: started, told, replaced without losing a connection, and ended.

Each opens its addresses as root and is `places.HAPROXY_USER` from then on. HAProxy's own master process would replace
and end them, but stays root, to be able to open the next addresses.
"""

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

from rehearsal import places
from rehearsal.load_balancer import configuration
from rehearsal.load_balancer.configuration import Listener, Slot
from rehearsal.load_balancer.targets import Place

_LOG: Final = logging.getLogger("haproxy")
_START_SECONDS: Final = 10.0
_KEEPER: Final = """
import ctypes, os, signal, subprocess, sys
PR_SET_PDEATHSIG = 1
passed_on = signal.SIGTERM, signal.SIGUSR1
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
unblock = lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
kept = subprocess.Popen(sys.argv[2:], preexec_fn=unblock)
for number in passed_on:
    signal.signal(number, lambda number, frame: kept.send_signal(number))
unblock()
if os.getppid() != int(sys.argv[1]):
    kept.terminate()
sys.exit(kept.wait())
"""
"""Runs the program of its arguments, and ends it when the parent (the first argument) ends. The kernel forgets such an
order once a process changes its user, as HAProxy does: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""


class HaproxyError(Exception):
    """HAProxy refused its configuration or a command, or did not start."""


@final
class Haproxy:
    """All load balancers of the rehearsal in one process, which ends with this one whatever ends it.

    A reload is another process that takes over; the one before finishes its connections. Call this from one thread that
    lives as long as the program: the kernel ends the processes when that thread ends.
    """

    def __init__(self, binary: Path, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
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
        """End it, and those that are on their way out."""
        running = [*self._leaving, *([self._process] if self._process else [])]
        self._process, self._leaving = None, []
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for left in self._directory.glob("haproxy-*.sock"):
            left.unlink(missing_ok=True)

    def _render(
        self, listeners: Sequence[Listener], backends: Mapping[str, Sequence[Slot]], generation: int = 0
    ) -> str:
        return configuration.render(
            listeners,
            backends,
            socket=self._socket(generation),
            bad_gateway=self._directory / "502.http",
            user=places.HAPROXY_USER if os.geteuid() == 0 else None,
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
        before = self._process if self.is_running else None
        started = self._start(path, take_over=self._socket(self._generation) if before else None)
        self._wait_until_it_answers(started, generation)
        self._leaving = [process for process in self._leaving if process.poll() is None]
        if before:
            before.send_signal(signal.SIGUSR1)
            self._leaving.append(before)
        self._socket(self._generation).unlink(missing_ok=True)
        self._process, self._generation = started, generation
        _LOG.info("loaded generation %d: %d listeners, %d target groups", generation, len(listeners), len(backends))

    def _start(self, path: Path, *, take_over: Path | None) -> subprocess.Popen[bytes]:
        haproxy = [self._binary, "-db", "-f", path, *(["-x", take_over] if take_over else [])]
        with (self._directory / "haproxy.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _KEEPER, str(os.getpid()), *haproxy],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], generation: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                self._ask("show info", generation)
            except OSError:
                time.sleep(0.01)
            else:
                return
        process.terminate()
        self._leaving.append(process)
        log = (self._directory / "haproxy.log").read_text(encoding="utf-8", errors="replace")
        raise HaproxyError(f"HAProxy did not start: {' '.join(log.splitlines()[-4:])}")

    def _tell(self, command: str) -> None:
        answer = self._ask(command, self._generation).strip()
        # A change of address is confirmed in a sentence; everything else that is said is a complaint.
        if answer and "changed from" not in answer and not answer.startswith("no need to change"):
            raise HaproxyError(f"{command}: {answer}")
        _LOG.debug("%s", command)

    def _ask(self, command: str, generation: int) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(self._socket(generation)))
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while received := connection.recv(65536):
                answer += received
        return answer.decode(errors="replace")
