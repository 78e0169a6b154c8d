import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rehearsal.pages import look
from rehearsal.progress import RehearsalError

SAID = {
    "environment": "staging",
    "branch": "staging",
    "version": "0123456789ab",
    "image": "registry.test/smallcase:green-0123456789ab@sha256:0",
    "colour": "#15803d",
    "pod": "smallcase-1",
}
HTML = "<p>staging staging 0123456789ab"


@contextmanager
def site(html: str, refusals: int = 0) -> Generator[str]:
    """A page that answers 503 that many times before it is there."""
    left = [refusals]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left[0] -= 1
            self.send_response(503 if left[0] >= 0 else 200)
            self.end_headers()
            self.wfile.write((json.dumps(SAID) if self.path == "/version" else html).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_page_is_read_as_it_describes_itself() -> None:
    with site(HTML) as url:
        assert look(url).version == "0123456789ab"


def test_a_page_that_is_not_there_yet_is_asked_again() -> None:
    with site(HTML, refusals=2) as url:
        assert look(url).branch == "staging"


def test_a_page_that_never_comes_is_an_error_with_the_way_out() -> None:
    with site(HTML, refusals=1000) as url, pytest.raises(RehearsalError, match="503") as failed:
        look(url, patience=0.3)
    assert "kubectl get pods" in failed.value.way_out


def test_a_page_that_hides_what_it_is_does_not_pass() -> None:
    with site("<p>staging") as url, pytest.raises(RehearsalError, match="does not show '0123456789ab'"):
        look(url)
