"""The application under gunicorn, set up for a pod behind a load balancer that keeps connections open."""

from typing import Final, final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker

from smallcase import drain, logs
from smallcase.settings import Settings
from smallcase.web import create_app

KEEP_ALIVE: Final = 75
"""Seconds. Longer than an Application Load Balancer keeps an idle connection (60 s unless set), so that the balancer is
always the one to close it: a request sent into a connection that is just being closed here would be lost as a 502."""

GRACE: Final = 30
"""Seconds for requests in flight after SIGTERM: with a preStop hook of 20 s it fits a grace period of 60 s."""


def close_while_draining(worker: Worker, request: Request) -> None:
    """Hook before each request: answer it with `Connection: close` once draining."""
    del worker
    if drain.is_draining():
        request.force_close()


def options(settings: Settings) -> dict[str, object]:
    """gunicorn's settings. One process with threads: more processes are more pods."""
    return {
        "bind": f"0.0.0.0:{settings.port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": 8,
        "preload_app": True,
        "keepalive": KEEP_ALIVE,
        "graceful_timeout": GRACE,
        "control_socket_disable": True,
        "logconfig_dict": logs.configuration(),
        "pre_request": close_while_draining,
    }


@final
class Server(BaseApplication):
    """gunicorn with the application of one deployment in it; `run()` serves until a signal and exits the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        assert self.cfg is not None
        for name, value in options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:  # pyright: ignore[reportIncompatibleMethodOverride]  # typeshed: any mapping as environ
        return create_app(self._settings)
