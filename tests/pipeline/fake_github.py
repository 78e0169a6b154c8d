"""GitHub, as far as the verbs need it."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from infra import github_hooks


class FakeGitHub:
    """The calls of GitHub's interface that the verbs make, over HTTP."""

    def __init__(self) -> None:
        self.releases: list[dict[str, object]] = []
        self.refuse = 0
        self.tokens: set[str] = set()
        self.meta: object = {"hooks": [str(addresses) for addresses in github_hooks.RANGES]}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/meta":
                    self._answer(200, fake.meta)
                    return
                query = dict(part.split("=") for part in self.path.partition("?")[2].split("&"))
                size, page = int(query["per_page"]), int(query["page"])
                self._answer(200, fake.releases[size * (page - 1) : size * page])

            def do_POST(self) -> None:
                body = cast("dict[str, object]", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
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
            fake.server.shutdown()
            thread.join()
            fake.server.server_close()
