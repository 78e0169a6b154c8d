"""Clients that hold what a server gives them: they send a byte a second or nothing, and come back when dropped."""

import resource
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, final


@final
@dataclass(frozen=True, kw_only=True)
class Habit:
    """What a client sends at once, and what it sends each second from then on."""

    opening: bytes = b""
    drip: bytes = b""


def _with_body(method: str, framing: str) -> Habit:
    return Habit(opening=f"{method} / HTTP/1.1\r\nHost: test\r\n{framing}".encode(), drip=b"a")


HEADERS: Final = Habit(opening=b"GET / HTTP/1.1\r\nHost: test\r\nX-Slow: ", drip=b"a")
BODIES: Final = {
    "POST with a length": _with_body("POST", "Content-Length: 100000\r\n\r\n"),
    "POST in chunks": _with_body("POST", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"),
    "GET with a body": _with_body("GET", "Content-Length: 100000\r\n\r\n"),
}
IDLE: Final = Habit()

_BODIES: Final = tuple(BODIES.values())
CROWD: Final[Mapping[Habit, int]] = {HEADERS: 64, _BODIES[0]: 22, _BODIES[1]: 21, _BODIES[2]: 21, IDLE: 1000}
"""64 clients that dribble headers, 64 that dribble bodies, and 1,000 that say nothing."""


@final
@dataclass(kw_only=True)
class Client:
    """One of them."""

    port: int
    habit: Habit
    reading: bool
    connection: socket.socket | None = None
    owed: bytes = b""
    began: float = 0
    lifetimes: list[float] = field(default_factory=list[float])
    """Seconds that each connection held until the server ended it."""

    def connect(self) -> None:
        self.connection = socket.socket()
        self.connection.setblocking(False)
        self.connection.connect_ex(("127.0.0.1", self.port))
        self.owed = self.habit.opening
        self.began = time.monotonic()

    def go_on(self, *, drip: bool) -> None:
        """Send what is due, throw away what comes, and connect again once dropped."""
        if self.connection is None:
            self.connect()
        assert self.connection is not None
        if drip:
            self.owed += self.habit.drip
        try:
            if self.owed:
                self.owed = self.owed[self.connection.send(self.owed) :]
            while self.reading and self.connection.recv(65536):
                pass
            if not self.reading:
                self.connection.recv(1, socket.MSG_PEEK)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.lifetimes.append(time.monotonic() - self.began)
        self.end()

    def end(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextmanager
def attack(port: int, crowd: Mapping[Habit, int] = CROWD, *, reading: bool = True) -> Generator[list[Client]]:
    """A crowd at a port of this machine, for as long as the context lasts; reading or not what it is answered."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = [
        Client(port=port, habit=habit, reading=reading) for habit, number in crowd.items() for _ in range(number)
    ]
    over = threading.Event()

    def run() -> None:
        tick = 0
        while not over.wait(0.25):
            tick += 1
            for client in clients:
                client.go_on(drip=tick % 4 == 0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield clients
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.end()
