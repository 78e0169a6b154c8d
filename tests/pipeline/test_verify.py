import dataclasses
import itertools
import json
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from pipeline import verify
from pipeline.deadline import Deadline
from pipeline.outcomes import Failed
from pipeline.verify import Page, watch
from tests.pipeline.live import Live

DIGEST = f"sha256:{'a' * 64}"
RIGHT = {
    "environment": "development",
    "branch": "develop",
    "version": "0123456789ab",
    "image": f"registry/smallcase:develop-0123456789ab@{DIGEST}",
    "colour": "#F59E0B",
}
EXPECTED = Page(environment="development", branch="develop", version="0123456789ab", colour="#f59e0b", digest=DIGEST)


@contextmanager
def pages(*answers: dict[str, str], html: str | None = None) -> Generator[str]:
    """A page of pods that answer in turn, one request each, as a load balancer goes through them."""
    turns = itertools.cycle(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A client that takes this for its proxy asks with the whole address.
            pod = next(turns)
            body = json.dumps(pod) if urlsplit(self.path).path == "/version" else html or " ".join(pod.values())
            self.send_response(200 if answers[0] else 503)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pods(*names: str, **different: str) -> list[dict[str, str]]:
    return [{**RIGHT, **different, "pod": name} for name in names]


def why_not(answers: Sequence[dict[str, str]], replicas: int = 1, html: str | None = None) -> str:
    with pages(*answers, html=html) as url, pytest.raises(Failed) as failed:
        watch(url, EXPECTED, replicas, Deadline.after(1))
    return failed.value.message


def test_a_page_is_right_once_every_pod_has_shown_it() -> None:
    with pages(*pods("a", "a", "b", "c")) as url:
        assert watch(url, EXPECTED, 3, Deadline.after(10)) == {"a", "b", "c"}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_every_pod_is_seen_however_many_take_turns(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PAUSE", 0.01)
    names = [f"pod-{pod}" for pod in range(number)]
    with pages(*pods(*names)) as url:
        assert watch(url, EXPECTED, number, Deadline.after(10)) == set(names)


def test_a_pod_that_is_never_seen_is_missed() -> None:
    assert "of 3 pods, 2 answered: a, b" in why_not(pods("a", "b"), replicas=3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"environment": "staging"}, "its environment is 'staging', not 'development'"),
        ({"branch": "staging"}, "its branch is 'staging', not 'develop'"),
        ({"version": "abc"}, "its version is 'abc', not '0123456789ab'"),
        ({"colour": "#000000"}, "its colour is '#000000', not '#f59e0b'"),
        ({"image": "registry/smallcase:x@sha256:0"}, "its digest is 'sha256:0'"),
    ],
)
def test_a_page_that_shows_something_else_is_named(wrong: dict[str, str], named: str) -> None:
    said = why_not(pods("a", **wrong))
    assert named in said
    assert "(pod a)" in said


def test_an_old_pod_among_new_ones_is_not_passed_over() -> None:
    assert "its digest is" in why_not([*pods("a", "b"), *pods("old", image="x@sha256:old")], replicas=3)


def test_pods_count_only_one_after_the_other_with_no_old_one_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    old = dataclasses.replace(EXPECTED, digest="sha256:old")
    turns = itertools.cycle([(EXPECTED, "a"), (old, "old"), (EXPECTED, "b"), (old, "old")])

    def look(_url: str) -> tuple[Page, str]:
        return next(turns)

    def unsaid(_url: str, _expected: Page) -> list[str]:
        return []

    monkeypatch.setattr(verify, "PAUSE", 0.01)
    monkeypatch.setattr(verify, "look", look)
    monkeypatch.setattr(verify, "unsaid", unsaid)
    with pytest.raises(Failed, match="its digest is 'sha256:old'"):
        watch("http://page", EXPECTED, 2, Deadline.after(0.3))


def test_a_page_for_people_that_does_not_name_its_branch_is_wrong() -> None:
    assert "does not say 'develop'" in why_not(pods("a"), html="<h1>staging</h1> 0123456789ab")


def test_a_page_that_never_turns_healthy_ends_at_the_deadline() -> None:
    said = why_not([{}])
    assert "HTTP Error 503" in said
    assert "within 1 s" in said


def test_the_last_line_is_the_address(live: Live) -> None:
    outputs = live.harness.outputs("develop")
    right = {**RIGHT, "image": str(outputs["image"]), "version": str(outputs["commit"])}
    with pages({**right, "pod": "a"}) as proxy:
        ran = live.verb("verify", "--deadline", "20s", http_proxy=proxy)
    assert ran.code == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == outputs["url"]
    assert "seen from every pod: a" in ran.stdout


def test_a_wrong_page_fails_the_verb(live: Live) -> None:
    with pages(*pods("a")) as proxy:
        ran = live.verb("verify", "--deadline", "1s", http_proxy=proxy)
    assert ran.code == 1
    assert "its digest is" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_deployed_is_nothing_to_look_at(live: Live) -> None:
    assert live.verb("verify", BRANCH_NAME="feature/x").code == 0
    ran = live.verb("verify", BRANCH_NAME="staging")
    assert ran.code == 1
    assert "nothing is deployed" in ran.stderr
