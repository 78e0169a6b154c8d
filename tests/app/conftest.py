"""Deployments for the tests, and the real server in a process of its own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, final

import pytest

from smallcase.catalogue import Smallcase
from smallcase.settings import Settings

APP = Path(__file__).resolve().parents[2] / "app"
DIGEST = "sha256:" + "0123456789abcdef" * 4
VARIABLES = {
    "SMALLCASE_ENVIRONMENT": "production",
    "SMALLCASE_BRANCH": "master",
    "SMALLCASE_COLOUR": "#1f6feb",
    "SMALLCASE_VERSION": "blue-1a2b3c4",
    "SMALLCASE_IMAGE": f"registry.example/smallcase@{DIGEST}",
    "POD_NAME": "smallcase-0",
}


def first(smallcases: Sequence[Smallcase]) -> Smallcase:
    """No choice at all, so that a page can be compared."""
    return smallcases[0]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory per test, where a container has `/tmp`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def settings() -> Settings:
    return Settings.from_environment(VARIABLES)


@final
@dataclass(frozen=True, kw_only=True)
class Running:
    """The server as the container starts it."""

    process: subprocess.Popen[str]
    port: int
    output: Path

    def get(self, path: str) -> http.client.HTTPResponse:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")

    def ask(self, request: str) -> http.client.HTTPResponse:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        connection.sendall(request.encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response

    def lines(self) -> list[dict[str, object]]:
        return [
            cast("dict[str, object]", json.loads(line)) for line in self.output.read_text(encoding="utf-8").splitlines()
        ]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return cast("int", one.getsockname()[1])


def start(variables: dict[str, str], output: Path, *, program: Sequence[str] = ("-m", "smallcase")) -> Running:
    port = free_port()
    with (
        output.open("w", encoding="utf-8") as stdout,
        output.with_suffix(".stderr").open("w", encoding="utf-8") as stderr,
    ):
        process = subprocess.Popen(
            [sys.executable, *program],
            env={**os.environ, **variables, "PORT": str(port), "PYTHONPATH": str(APP)},
            stdout=stdout,
            stderr=stderr,
            encoding="utf-8",
        )
    return Running(process=process, port=port, output=output)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a server, wait until it is ready, and end it after the test."""
    started: list[Running] = []

    def begin(*, program: Sequence[str] = ("-m", "smallcase")) -> Running:
        running = start(VARIABLES, tmp_path / "stdout", program=program)
        started.append(running)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                running.get("/healthz").close()
                return running
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(running.output.with_suffix(".stderr").read_text(encoding="utf-8"))

    yield begin
    for running in started:
        running.process.kill()
        running.process.wait(timeout=5)
