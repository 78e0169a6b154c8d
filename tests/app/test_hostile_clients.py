"""The real server against clients that hold whatever a server gives them, and that send what is no request."""

import re
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Final

import pytest

from smallcase.connection import EXCHANGE, Connection
from smallcase.server import GRACE
from tests.app.conftest import Running
from tests.app.hostile import BODIES, HEADERS, IDLE, Habit, attack

PATHS: Final = ("/healthz", "/readyz", "/")
GET: Final = b"GET / HTTP/1.1\r\nHost: test\r\n"
POST: Final = b"POST / HTTP/1.1\r\nHost: test\r\n"
QUICK: Final = """
import sys
from smallcase import __main__, connection
connection.EXCHANGE, connection.KEEP_ALIVE = 0.5, 2
sys.exit(__main__.main())
"""
"""The server with less patience, so that a test need not have it."""
SLOW_PAGE: Final = """
import time
from smallcase import web
made = web.render_template
web.render_template = lambda *names, **values: (time.sleep(1), made(*names, **values))[1]
"""
"""What makes a page take a second, to be put before such a program."""
SMALL_POD: Final = 256
"""MiB that Fargate's smallest size leaves the application."""

Serve = Callable[..., Running]


def seconds_to_answer(server: Running, path: str) -> float:
    began = time.monotonic()
    with server.get(path) as answer:
        assert (answer.status, bool(answer.read())) == (200, True)
    return time.monotonic() - began


def slowest(server: Running, *, seconds: float) -> float:
    """The longest that any page or probe took, asked four times a second."""
    worst = 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        worst = max(worst, *(seconds_to_answer(server, path) for path in PATHS))
        time.sleep(0.25)
    return worst


def most_memory(server: Running) -> float:
    """The most memory the process ever had, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(peak) / 1024


@contextmanager
def connected(server: Running, first: bytes = b"", *, receive_buffer: int = 0) -> Generator[socket.socket]:
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(first)
        yield connection


def answers(connection: socket.socket) -> bytes:
    """Everything until the server closes; what it then has not read resets the connection, behind the answer."""
    said = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            said += piece
    return said


def answer(connection: socket.socket) -> HTTPResponse:
    response = HTTPResponse(connection)
    response.begin()
    return response


def held(connection: socket.socket, *, drip: bytes = b"", reading: bool = True) -> float:
    """How long the server lets a connection be, which drips until then, in seconds."""
    began = time.monotonic()
    connection.settimeout(0.1)
    while time.monotonic() - began < 10:
        try:
            connection.sendall(drip)
            if reading and connection.recv(65536) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.timeout(120)
def test_pages_and_probes_answer_while_a_crowd_dribbles_and_idles_and_the_end_is_in_order(serve: Serve) -> None:
    """Within the probes' 2 s, for longer than their patience; nobody is held for long, and SIGTERM needs no grace."""
    server = serve()
    with attack(server.port) as clients:
        assert slowest(server, seconds=2 * EXCHANGE + 2) < 2
        assert most_memory(server) < SMALL_POD / 3
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=GRACE / 2) == 0
    assert EXCHANGE - 1 < max(max(client.lifetimes) for client in clients if client.habit.drip) < EXCHANGE + 2


@pytest.mark.parametrize("habit", BODIES.values(), ids=BODIES)
def test_a_body_that_nobody_reads_is_answered_at_once_and_dropped_within_seconds(serve: Serve, habit: Habit) -> None:
    """In total: a byte buys no time."""
    server = serve(program=("-c", QUICK))
    with connected(server, habit.opening) as connection:
        assert answer(connection).status in {200, 405}
        assert 0.2 < held(connection, drip=habit.drip) < 2


@pytest.mark.parametrize("habit", [HEADERS, IDLE], ids=["headers that never end", "no headers"])
def test_a_client_has_seconds_for_its_headers(serve: Serve, habit: Habit) -> None:
    server = serve(program=("-c", QUICK))
    with connected(server, habit.opening) as connection:
        assert 0.2 < held(connection, drip=habit.drip) < 2


def test_between_requests_a_client_has_the_time_of_a_kept_connection(serve: Serve) -> None:
    """Whatever it sent before: a request, a request with a body, several at once."""
    server = serve(program=("-c", QUICK))
    get = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    late = b"GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n"
    for request, rest in ((get, b""), (get * 3, b""), (late, b"a")):
        with connected(server, request) as connection:
            time.sleep(0.2)
            connection.sendall(rest)
            time.sleep(0.8)
            assert connection.recv(65536).count(b"alive") == request.count(b"GET")
            assert 0.8 < held(connection) < 2


@pytest.mark.parametrize("upload", [b"", b"a" * 100_000])
def test_an_application_that_takes_its_time_is_waited_for(serve: Serve, upload: bytes) -> None:
    """The seconds are for what a client owes, and it owes no body that nobody asks for."""
    server = serve(program=("-c", SLOW_PAGE + QUICK))
    with connected(server, POST + b"Content-Length: %d\r\n\r\n" % len(upload) + upload) as connection:
        assert answer(connection).status == 405


def test_a_client_that_takes_no_answers_is_dropped_within_seconds(serve: Serve) -> None:
    """It asks for page after page and reads none; what waits for it has a bound."""
    server = serve(program=("-c", QUICK))
    before = most_memory(server)
    with connected(server, receive_buffer=1024) as connection:
        assert held(connection, drip=b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" * 1000, reading=False) < 8
    assert most_memory(server) - before < 4


@pytest.mark.parametrize("expected", [True, False])
def test_an_upload_at_full_speed_gets_its_answer_and_keeps_its_connection(serve: Serve, expected: bool) -> None:
    """Unless it asked first whether to send it: then it is told no, and nobody knows where its next request begins."""
    server = serve()
    upload = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n"
    with connected(server, upload + b"Expect: 100-continue\r\n\r\n" if expected else upload + b"\r\n") as connection:
        if expected:
            refused = answer(connection)
            assert (refused.status, refused.headers["Connection"]) == (405, "close")
            return
        connection.sendall(b"a" * 5_000_000)
        refused = answer(connection)
        assert (refused.status, refused.headers["Connection"], len(refused.read()) > 100) == (405, None, True)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        assert answer(connection).status == 200


def test_each_request_has_the_whole_time(serve: Serve) -> None:
    """Also one whose first bytes came along with the request before."""
    server = serve(program=("-c", SLOW_PAGE + QUICK.replace("0.5, 2", "2, 2")))
    health = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    with connected(server, GET + b"\r\n" + health[:9]) as connection:
        assert answer(connection).read().endswith(b"</html>")
        time.sleep(1.5)
        connection.sendall(health[9:])
        assert answer(connection).read() == b"alive\n"


READER: Final = """
import sys
from flask import request
from smallcase import __main__, server
made = server.create_app

def create_app(settings):
    app = made(settings)
    app.add_url_rule("/length", view_func=lambda: str(len(request.get_data())), methods=["POST"])
    return app

server.create_app = create_app
sys.exit(__main__.main())
"""


def test_a_body_that_the_application_reads_arrives(serve: Serve) -> None:
    """It is left with the kernel until it is asked for."""
    server = serve(program=("-c", READER))
    with connected(server, b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n") as connection:
        connection.sendall(b"a" * 5_000_000)
        assert answer(connection).read() == b"5000000"


def test_a_body_that_the_application_reads_has_seconds_too(serve: Serve) -> None:
    """Or eight clients would hold the eight threads."""
    server = serve(program=("-c", READER.replace("import sys", QUICK.replace("sys.exit(__main__.main())", ""))))
    with connected(server, b"POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n") as connection:
        assert 0.2 < held(connection, drip=b"a") < 2


def test_a_client_that_says_no_more_still_gets_its_answer(serve: Serve) -> None:
    """It shut down its sending side; the answer comes, and then the end."""
    server = serve()
    with connected(server, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert answers(connection).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_says_no_more_still_gets_all_its_answers(serve: Serve) -> None:
    """It sent its requests at once."""
    server = serve(program=("-c", SLOW_PAGE + QUICK))
    with connected(server, (GET + b"\r\n") * 3) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert answers(connection).count(b"HTTP/1.1 200 ") == 3


REFUSALS: Final = {
    "headers of 64 KB": (GET + b"X: " + b"a" * 65536 + b"\r\n\r\n", 431),
    "10,000 headers": (GET + b"a:b\r\n" * 10_000 + b"\r\n", 431),
    "a hundred headers besides the host": (GET + b"a:b\r\n" * 100 + b"\r\n", 431),
    "a request line of 64 KB": (b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: test\r\n\r\n", 431),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(150), 400),
    "a NUL in a header": (GET + b"X: a\0b\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : test\r\n\r\n", 400),
    "two lengths that differ": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a coding that nobody knows": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
}


@pytest.mark.parametrize(("request_", "status"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_no_request_is_refused_like_any_other(serve: Serve, request_: bytes, status: int) -> None:
    """With the page, an id and a line in the log; and nothing behind it is answered."""
    server = serve()
    with connected(server, request_ + GET + b"\r\n") as connection:
        head, _, page = answers(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close" in head.lower()
    assert b'<a href="/">Smallcase of the day</a>' in page
    assert page.count(b"</html>") == 1
    (line,) = server.lines()
    assert line["status"] == status
    assert server.output.with_suffix(".stderr").read_text(encoding="utf-8").count("Invalid HTTP request") <= 1
    assert f"x-request-id: {line['request_id']}" in head.decode().lower().splitlines()


def test_headers_as_long_as_most_servers_take_are_accepted(serve: Serve) -> None:
    server = serve()
    with connected(server, GET + b"Cookie: " + b"a" * 12_000 + b"\r\nConnection: close\r\n\r\n") as connection:
        assert answers(connection).startswith(b"HTTP/1.1 200 ")


def test_chunks_that_cannot_be_read_end_the_connection_after_the_answer(serve: Serve) -> None:
    server = serve()
    with connected(server, POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GET + b"\r\n") as connection:
        assert answers(connection).count(b"HTTP/1.1 ") == 1
    assert [line["status"] for line in server.lines()] == [405]


def test_as_many_headers_as_most_servers_take_are_accepted_and_one_more_is_not(serve: Serve) -> None:
    """Also in a later request of a connection."""
    server = serve()
    many = GET + b"a:b\r\n" * 99 + b"\r\n"
    with connected(server, many + many + GET + b"a:b\r\n" * 100 + b"\r\n") as connection:
        assert re.findall(rb"HTTP/1.1 (\d+)", answers(connection)) == [b"200", b"200", b"431"]


def test_chunks_of_a_byte_hold_up_nobody_else(serve: Serve) -> None:
    """Each costs as much as one of many kilobytes. Whoever sends few, or larger ones, keeps the connection."""
    server = serve()
    opening = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    crowd = [Habit(opening=opening + b"1\r\na\r\n" * 100_000)]
    with attack(server.port, dict.fromkeys(crowd, 64)):
        time.sleep(0.5)
        assert slowest(server, seconds=3) < 2
    for body in (b"1\r\na\r\n" * 100, b"400\r\n" + b"a" * 1024 + b"\r\n"):
        with connected(server, opening + body + b"0\r\n\r\n") as connection:
            assert answer(connection).read().endswith(b"</html>")
            connection.sendall(GET + b"\r\n")
            assert answer(connection).status == 200


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.0\r\n\r\n", GET + b"Connection: close\r\n\r\n"])
def test_who_wants_one_answer_gets_one_and_the_end(serve: Serve, request_: bytes) -> None:
    server = serve()
    with connected(server, request_) as connection:
        assert answers(connection).startswith(b"HTTP/1.1 200 ")


def test_the_preface_of_http_2_is_refused(serve: Serve) -> None:
    """The balancer speaks HTTP/1.1 to pods."""
    server = serve()
    with connected(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") as connection:
        assert re.findall(rb"HTTP/1.1 (\d+)", answers(connection)) in ([b"404"], [b"404", b"400"])


def test_a_client_cannot_write_the_header_of_the_load_balancer(serve: Serve) -> None:
    """WSGI knows no difference between a dash and an underscore."""
    server = serve()
    forged = b"X-Forwarded-For: 203.0.113.9\r\nX_Forwarded_For: 203.0.113.66\r\nConnection: close\r\n\r\n"
    with connected(server, GET + forged) as connection:
        answers(connection)
    assert [line["remote_address"] for line in server.lines()] == ["203.0.113.9"]


LIMITED: Final = """
import sys
from smallcase import __main__, connection
connection.Connection.most = 1200
sys.exit(__main__.main())
"""
FEW_FILES: Final = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 1456))
from smallcase import __main__
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("program", [LIMITED, FEW_FILES], ids=["of connections", "of open files"])
def test_probes_and_pages_get_in_when_a_limit_is_reached(serve: Serve, program: str) -> None:
    """There are never more connections than may be, and always files for another."""
    server = serve(program=("-c", program))
    with attack(server.port, {IDLE: 1500}):
        time.sleep(1)
        assert slowest(server, seconds=3) < 2
        assert 1100 < len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < 1400
    assert "out of system resource" not in server.output.with_suffix(".stderr").read_text(encoding="utf-8")


def test_the_connection_that_was_answered_longest_ago_gives_way(serve: Serve) -> None:
    """Never one that is being answered, however old."""
    server = serve(program=("-c", SLOW_PAGE + LIMITED.replace("1200", "3")))
    time.sleep(0.3)  # The connection that found it ready ends.

    def is_alive(connection: socket.socket) -> bool:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        return answer(connection).read() == b"alive\n"

    with connected(server) as first, connected(server) as second, connected(server) as third:
        assert is_alive(first)
        assert is_alive(second)
        assert is_alive(third)
        first.sendall(GET + b"\r\n")
        assert is_alive(second)
        with connected(server) as fourth:
            assert is_alive(fourth)
            assert answers(third) == b""
            assert answer(first).status == 200
            assert is_alive(second)


WORST: Final = {
    "headers that never end": Habit(opening=GET + b"X: " + b"a" * 16_000),
    "short headers": Habit(opening=GET + b"".join(b"%x:%x\r\n" % (one, one) for one in range(1500)) + b"\r\n"),
    "bodies": Habit(opening=POST + b"Content-Length: 5000000\r\n\r\n" + b"a" * 64_000),
    "requests whose answers nobody takes": Habit(opening=(GET + b"\r\n") * 1000),
}


@pytest.mark.parametrize("habit", WORST.values(), ids=WORST)
def test_the_most_that_clients_can_send_fits_the_smallest_pod(serve: Serve, habit: Habit) -> None:
    server = serve()
    with attack(server.port, {habit: Connection.most + 100}, reading=False):
        time.sleep(EXCHANGE)
    assert most_memory(server) < SMALL_POD / 2
