"""The real server, started as the container starts it: logs, draining, stopping, refusing."""

import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPResponse
from pathlib import Path

import pytest

from smallcase import drain, logs
from smallcase.connection import KEEP_ALIVE, Connection
from smallcase.server import GRACE, configuration
from smallcase.settings import Settings
from tests.app.conftest import VARIABLES, Running, start

SLOW_SERVER = """
import sys, time
from smallcase import __main__, server
from smallcase.web import create_app

def slow(smallcases):
    print("{}", flush=True)
    time.sleep(1)
    return smallcases[0]

server.create_app = lambda settings: create_app(settings, choose=slow)
sys.exit(__main__.main())
"""
"""The server with a page that takes a second, and an empty log line when one begins."""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_requests_are_lines_of_json_on_stdout_and_probes_are_none(serve: Callable[..., Running]) -> None:
    """One line a request and nothing else there; stderr is JSON as well."""
    server = serve()
    for path in ("/healthz", "/readyz", "/", "/nothing-here"):
        server.get(path).read()
    wait_for(lambda: len(server.lines()) >= 2)
    lines = server.lines()
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/", 200),
        ("GET", "/nothing-here", 404),
    ]
    for line in lines:
        assert datetime.fromisoformat(str(line["time"])).tzinfo is not None
        assert line["environment"] == "production"
        assert line["remote_address"] == "127.0.0.1"
    errors = Running(process=server.process, port=server.port, output=server.output.with_suffix(".stderr")).lines()
    assert any("Uvicorn running on" in str(line["message"]) for line in errors)


def test_a_line_is_short_whatever_a_client_writes(serve: Callable[..., Running]) -> None:
    server = serve()
    long = "%F0%9F%98%80" * 500
    server.ask(f"{'M' * 3000} /{long} HTTP/1.1\r\nHost: test\r\nUser-Agent: {'u' * 3000}\r\n\r\n").read()
    wait_for(lambda: server.output.read_text(encoding="utf-8").endswith("\n"))
    (line,) = server.lines()
    assert line["path"] == f"/{chr(0x1F600) * 255}…"
    assert line["user_agent"] == f"{'u' * 256}…"
    assert len(server.output.read_bytes()) < 10_000


def test_a_connection_is_kept_until_draining_and_then_closed(serve: Callable[..., Running]) -> None:
    """While draining every request is answered, readiness is gone, and the balancer is told not to come back."""
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as kept:
        request = b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n"
        kept.sendall(request)
        before = HTTPResponse(kept)
        before.begin()
        assert (before.status, before.headers["Connection"], before.read()) == (200, None, b"ready\n")
        drain.drain(0)
        kept.sendall(request)
        after = HTTPResponse(kept)
        after.begin()
        assert (after.status, after.headers["Connection"], after.read()) == (503, "close", b"draining\n")
        assert kept.recv(1) == b""
    page = server.get("/")
    assert (page.status, page.headers["Connection"]) == (200, "close")


def test_a_kept_connection_is_answered_without_delay(serve: Callable[..., Running]) -> None:
    """A body that waits for the confirmation of its headers comes 40 ms late, each time."""
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as kept:
        took: list[float] = []
        for _ in range(20):
            began = time.monotonic()
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            answer = HTTPResponse(kept)
            answer.begin()
            assert answer.read() == b"alive\n"
            took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.03


def test_a_request_in_flight_is_finished_after_sigterm(serve: Callable[..., Running]) -> None:
    """The answer comes complete, and only then does the server end, with exit code 0."""
    server = serve(program=("-c", SLOW_SERVER))
    answers: list[tuple[int, int, str | None]] = []

    def ask() -> None:
        answer = server.get("/")
        answers.append((answer.status, len(answer.read()), answer.headers["Content-Length"]))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: server.lines() == [{}])
    server.process.send_signal(signal.SIGTERM)
    asking.join(timeout=5)
    assert [(status, str(size) == length) for status, size, length in answers] == [(200, True)]
    assert server.process.wait(timeout=5) == 0


def test_the_times_fit_the_load_balancer_and_the_grace_period() -> None:
    """Idle connections outlive the balancer's 60 s; the drain of 20 s and the rest fit a grace period of 60 s."""
    assert KEEP_ALIVE > 60
    assert 20 + GRACE < 60


def test_uvicorn_is_told_all_that_it_cannot_guess(settings: Settings) -> None:
    """It believes no header of a proxy (the access log does), and says nothing of itself."""
    config = configuration(settings)
    assert vars(config) | {
        "host": "0.0.0.0",
        "port": 8080,
        "http": Connection,
        "loop": "asyncio",
        "ws": "none",
        "lifespan": "off",
        "log_config": logs.configuration(),
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE,
        "timeout_graceful_shutdown": GRACE,
    } == vars(config)


def test_a_page_past_the_grace_does_not_keep_the_server(serve: Callable[..., Running]) -> None:
    """The thread that makes it is left behind."""
    program = SLOW_SERVER.replace("sleep(1)", "sleep(60)").replace("sys.exit", "server.GRACE = 1\nsys.exit")
    server = serve(program=("-c", program))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_for(lambda: server.lines() == [{}])
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=5) == 0


def test_a_restarted_container_forgets_an_earlier_drain(serve: Callable[..., Running]) -> None:
    """Kubernetes drains before it restarts a container that is not alive, and the marker outlives that restart."""
    drain.drain(0)
    assert serve().get("/readyz").status == 200


@pytest.mark.parametrize("variables", [VARIABLES | {"SMALLCASE_COLOUR": "blue"}, {"SMALLCASE_COLOUR": "#000000"}])
def test_bad_settings_are_one_line_and_exit_code_2(variables: dict[str, str], tmp_path: Path) -> None:
    """No stack trace, and no server that boots its workers over and over."""
    server = start(variables, tmp_path / "stdout")
    assert server.process.wait(timeout=5) == 2
    (line,) = (tmp_path / "stdout.stderr").read_text(encoding="utf-8").splitlines()
    assert line.startswith("smallcase: SMALLCASE_")
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == ""
