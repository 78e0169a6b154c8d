"""GitHub, as far as the verbs need it."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from infra import github_hooks

Answer = tuple[int, dict[str, str], object]
"""A code, headers and what becomes JSON."""


class FakeGitHub:
    """The calls of GitHub's interface that the verbs make, over HTTP."""

    def __init__(self) -> None:
        self.releases: list[dict[str, object]] = []
        self.refuse = 0
        self.answers: list[Answer] = []
        """What the next requests are answered with, whatever they are."""
        self.pause = 0.0
        """Seconds after each byte of these."""
        self.closing = threading.Event()
        self.requests: list[str] = []
        """`GET /path`, without what stands behind a question mark."""
        self.tokens: set[str] = set()
        self.meta: object = {"hooks": [str(addresses) for addresses in github_hooks.RANGES]}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if fake.answered(self):
                    return
                if self.path == "/meta":
                    self._answer(200, fake.meta)
                    return
                query = dict(part.split("=") for part in self.path.partition("?")[2].split("&"))
                size, page = int(query["per_page"]), int(query["page"])
                self._answer(200, fake.releases[size * (page - 1) : size * page])

            def do_POST(self) -> None:
                body = cast("dict[str, object]", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if fake.answered(self):
                    return
                if fake.refuse:
                    self._answer(fake.refuse, {"message": "Resource not accessible by integration"})
                    return
                assert self.path == "/repos/someone/smallcase/releases"
                fake.releases.insert(0, body)
                self._answer(201, body)

            def _answer(self, code: int, body: object) -> None:
                fake.tokens.add(self.headers.get("Authorization", "none"))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the tests' output is theirs."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answered(self, request: BaseHTTPRequestHandler) -> bool:
        """Whether one of `answers` was for this request."""
        self.requests.append(f"{request.command} {request.path.partition('?')[0]}")
        if not self.answers:
            return False
        code, headers, body = self.answers.pop(0)
        self.tokens.add(request.headers.get("Authorization", "none"))
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        with suppress(OSError):  # Nobody waits any more.
            for byte in json.dumps(body).encode():
                request.wfile.write(bytes([byte]))
                self.closing.wait(self.pause)
        return True

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GITHUB_API_URL": f"http://127.0.0.1:{self.server.server_port}",
            "GITHUB_REPOSITORY": "someone/smallcase",
            "GITHUB_TOKEN": "a-token",
        }

    @classmethod
    @contextmanager
    def serving(cls) -> "Generator[FakeGitHub]":
        """One that answers for the length of a `with` block."""
        fake = cls()
        thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            fake.closing.set()
            fake.server.shutdown()
            thread.join()
            fake.server.server_close()
