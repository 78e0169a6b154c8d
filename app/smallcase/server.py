"""The application under uvicorn, set up for a pod behind a load balancer that keeps connections open."""

import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Final, cast, final

import uvicorn
from a2wsgi import WSGIMiddleware
from a2wsgi.asgi_typing import Receive, Scope, Send
from a2wsgi.wsgi_typing import WSGIApp

from smallcase import logs
from smallcase.connection import KEEP_ALIVE, Connection
from smallcase.settings import Settings
from smallcase.web import create_app

GRACE: Final = 30
"""Seconds for requests in flight after SIGTERM: with a preStop hook of 20 s it fits a grace period of 60 s."""

THREADS: Final = 8
"""How many pages are made at a time; what clients do holds none of them."""

_AT_ONCE: Final = 64
"""How many connections are accepted before those that are there get their turn."""
_WAITING: Final = 4096
"""How many the kernel keeps until they are accepted, if its own limit allows."""
_SPARE_FILES: Final = 4 * _AT_ONCE
"""Besides those of connections: of the ones that are just accepted or ended, and the program's own."""
_RECEIVE_BUFFER: Final = 16 * 1024


def serve(settings: Settings) -> None:
    """Serve one deployment until SIGTERM or SIGINT. One process: more processes are more pods."""
    Connection.most = min(Connection.most, _files(Connection.most + _SPARE_FILES) - _SPARE_FILES)
    config = configuration(settings)
    listening = config.bind_socket()
    # Every connection inherits these. Nobody fills the kernel's memory, or this process's with what is read at once.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    # The body of an answer does not wait for the client to confirm its headers. asyncio sees to that only for sockets
    # that were made with the number of their protocol, and uvicorn's are not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _Server(config).run(sockets=[listening])


@final
class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_WAITING)  # asyncio has one number for both.


def configuration(settings: Settings) -> uvicorn.Config:
    """uvicorn's settings."""
    return uvicorn.Config(
        _bridge(settings),
        host="0.0.0.0",  # noqa: S104 - a pod
        port=settings.port,
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=logs.configuration(),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def _bridge(settings: Settings) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    flask = cast("WSGIApp", create_app(settings))  # Two typings of the same interface.
    application = WSGIMiddleware(flask, workers=THREADS)

    async def bridge(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        # WSGI has one name for `X-Forwarded-For`, which the load balancer writes, and `X_Forwarded_For`.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if b"_" not in name]
        await application(scope, receive, send)

    return bridge


def _files(wanted: int) -> int:
    """How many files this process may open, after asking for as many as are wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
