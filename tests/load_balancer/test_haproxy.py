"""The real HAProxy in front of small web servers on loopback."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, final

import pytest

from rehearsal import places
from rehearsal.load_balancer.configuration import Listener
from rehearsal.load_balancer.haproxy import Haproxy, HaproxyError
from rehearsal.load_balancer.ingress import Action, Answer, Forward, Model, Rule, Share
from rehearsal.load_balancer.targets import Place
from rehearsal.toolchain import RehearsalTools

pytestmark = pytest.mark.rehearsal
CHECKOUT: Final = Path(__file__).parents[2]
ADDRESS: Final = "127.77.9.1"
PORT: Final = 18080
TO_GROUP: Final = Forward(shares=(Share(arn="one", weight=1),))


@pytest.fixture
def haproxy(tools: RehearsalTools, tmp_path: Path) -> Iterator[Haproxy]:
    running = Haproxy(tools.haproxy, tmp_path)
    yield running
    running.stop()


class Pod:
    """A web server that answers with its name, or with what it got."""

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536

            def do_GET(self) -> None:
                if self.path == "/slow":
                    time.sleep(0.5)
                body = str(self.headers).encode() if self.path == "/headers" else name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.77.9.2", 0), Handler)
        self._server.daemon_threads = True
        self.place = Place(address="127.77.9.2", port=self._server.server_port)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pods() -> Iterator[tuple[Pod, Pod]]:
    both = Pod("a"), Pod("b")
    yield both
    for pod in both:
        pod.stop()


def listener(default: Action = TO_GROUP, *rules: Rule, address: str = ADDRESS, drops: bool = False) -> Listener:
    model = Model(
        ingress=("smallcase-blue", address),
        internal=False,
        ports=(PORT,),
        rules=rules,
        default=default,
        groups=(),
        drops_invalid_headers=drops,
        warnings=(),
    )
    return Listener(model=model, address=address)


def get(
    path: str = "/", host: str = "x.test", port: int = PORT, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@final
@dataclass(frozen=True, kw_only=True)
class Running:
    """A HAProxy process and the users and groups that it is, by all their kinds, and what it may do besides."""

    pid: int
    who: frozenset[str]
    groups: str
    capabilities: frozenset[str]


def processes(directory: Path) -> list[Running]:
    """Every HAProxy that runs on the configuration in a directory."""
    found: list[Running] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            status = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="utf-8").splitlines())
        except OSError:
            continue
        if Path(os.fsdecode(words[0])).name == "haproxy" and os.fsencode(directory / "haproxy.cfg") in words:
            found.append(
                Running(
                    pid=int(process.name),
                    who=frozenset(f"{status['Uid']} {status['Gid']}".split()),
                    groups=status["Groups"].strip(),
                    capabilities=frozenset(status[f"Cap{kind}"].strip("\t0") for kind in ("Inh", "Prm", "Eff", "Amb")),
                )
            )
    return found


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever is not root starts it as himself")
def test_no_haproxy_is_root_once_it_listens_nor_after_a_reload(
    haproxy: Haproxy, pods: tuple[Pod, Pod], tmp_path: Path
) -> None:
    groups = {"one": {pods[0].place: True}}
    privileged = replace(listener(), model=replace(listener().model, ports=(80, PORT)))
    for listeners in ([privileged], [privileged, listener(address="127.77.9.2")], [privileged]):
        haproxy.apply(listeners, groups)
        assert get() == (200, "a")
        assert get(port=80) == (200, "a")
        running = processes(tmp_path)
        assert running
        for one in running:
            assert one.who == {str(places.HAPROXY_USER)}
            assert one.groups in {"", str(places.HAPROXY_USER)}
            assert one.capabilities == {""}


def test_the_haproxy_before_a_reload_ends(haproxy: Haproxy, tmp_path: Path) -> None:
    for number in range(3):
        haproxy.apply([listener(), listener(address=f"127.77.9.{10 + number}")], {"one": {}})
    wait_until(lambda: len(processes(tmp_path)) == 1)


def test_a_reload_that_fails_leaves_the_one_before(haproxy: Haproxy, pods: tuple[Pod, Pod], tmp_path: Path) -> None:
    groups = {"one": {pods[0].place: True}}
    haproxy.apply([listener()], groups)
    other = listener(address="127.77.9.10")
    with ThreadingHTTPServer((other.address, PORT), BaseHTTPRequestHandler):
        for _ in range(2):
            with pytest.raises(HaproxyError, match=rf"{other.address}:{PORT}"):
                haproxy.apply([listener(), other], groups)
            assert get() == (200, "a")
    assert haproxy.apply([listener(), other], groups)
    assert get() == (200, "a")
    wait_until(lambda: len(processes(tmp_path)) == 1)


STARTED: Final = """
import sys, time
from pathlib import Path
from tests.load_balancer.test_haproxy import Haproxy, listener
haproxy = Haproxy(Path(sys.argv[1]), Path(sys.argv[2]))
haproxy.apply([listener()], {"one": {}})
haproxy.apply([listener(), listener(address="127.77.9.2")], {"one": {}})
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_program_that_started_it_whatever_ends_that(
    tools: RehearsalTools, tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, tools.haproxy, tmp_path], cwd=CHECKOUT, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout
        assert started.stdout.readline() == b"started\n"
        assert processes(tmp_path)
        started.send_signal(number)
    wait_until(lambda: not processes(tmp_path))


def test_a_group_without_targets_is_answered_with_503(haproxy: Haproxy) -> None:
    haproxy.apply([listener()], {"one": {}})
    assert get()[0] == 503


def test_targets_come_and_go_without_a_reload(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    a, b = pods
    assert haproxy.apply([listener()], {"one": {}})
    assert not haproxy.apply([listener()], {"one": {a.place: True, b.place: False}})
    assert {get()[1] for _ in range(10)} == {"a"}
    assert not haproxy.apply([listener()], {"one": {b.place: True}})
    assert {get()[1] for _ in range(10)} == {"b"}


def test_a_request_on_a_draining_target_finishes_and_no_new_one_goes_there(
    haproxy: Haproxy, pods: tuple[Pod, Pod]
) -> None:
    a, b = pods
    haproxy.apply([listener()], {"one": {a.place: True}})
    answers: list[tuple[int, str]] = []
    slow = threading.Thread(target=lambda: answers.append(get("/slow")))
    slow.start()
    time.sleep(0.2)
    haproxy.apply([listener()], {"one": {a.place: False, b.place: True}})
    assert {get()[1] for _ in range(10)} == {"b"}
    slow.join(5)
    assert answers == [(200, "a")]


def test_a_target_that_refuses_is_a_502_and_is_not_hidden_by_another(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    a, b = pods
    b.stop()
    haproxy.apply([listener()], {"one": {a.place: True, b.place: True}})
    assert {get()[0] for _ in range(10)} == {200, 502}


def test_requests_are_shared_by_weight(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    a, b = pods
    shares = Forward(shares=(Share(arn="one", weight=20), Share(arn="two", weight=80)))
    haproxy.apply([listener(shares)], {"one": {a.place: True}, "two": {b.place: True}})
    counts = Counter(get()[1] for _ in range(400))
    assert 40 <= counts["a"] <= 130
    assert counts["a"] + counts["b"] == 400


def test_host_and_path_decide(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    def answer(status: int, host: str, path: str, path_type: str) -> Rule:
        return Rule(host=host, path=path, path_type=path_type, action=Answer(status=status, body='it\'s { "so" }'))

    haproxy.apply(
        [
            listener(
                TO_GROUP,
                answer(410, "", "/exact", "Exact"),
                answer(411, "a.test", "/api", "Prefix"),
                answer(412, "*.b.test", "/", "Prefix"),
                answer(413, "", "/img/*.p?g", "ImplementationSpecific"),
            )
        ],
        {"one": {pods[0].place: True}},
    )
    assert get("/exact?q=1") == (410, 'it\'s { "so" }')
    assert get("/exact/")[0] == 200
    assert [get(path, "A.test:80")[0] for path in ("/api", "/api/x", "/apix")] == [411, 411, 200]
    assert [get("/", host)[0] for host in ("x.b.test", "b.test")] == [412, 200]
    assert [get(path)[0] for path in ("/img/a.png", "/img/a.gif")] == [413, 200]


def test_the_pod_learns_where_the_request_came_from(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    haproxy.apply([listener()], {"one": {pods[0].place: True}})
    _, headers = get("/headers")
    assert "X-Forwarded-For: 127." in headers.title().replace("X-forwarded-for", "X-Forwarded-For")
    lines = dict(line.lower().split(": ", 1) for line in headers.splitlines() if line)
    assert lines["x-forwarded-proto"] == "http"
    assert lines["x-forwarded-port"] == str(PORT)
    assert lines["x-amzn-trace-id"].startswith("root=1-")
    assert len(lines["x-amzn-trace-id"]) == len("root=1-") + 8 + 1 + 24


@pytest.mark.parametrize("drops", [True, False])
def test_a_header_whose_name_is_more_than_letters_digits_and_dashes_is_dropped_where_that_is_asked_for(
    haproxy: Haproxy, pods: tuple[Pod, Pod], drops: bool
) -> None:
    haproxy.apply([listener(drops=drops)], {"one": {pods[0].place: True}})
    _, headers = get("/headers", headers={"X_Forwarded_Proto": "https", "X.One": "1", "X-One-1": "kept"})
    names = {line.partition(":")[0].lower() for line in headers.splitlines()}
    assert {"x-one-1", "x-forwarded-proto", "host"} <= names
    assert names & {"x_forwarded_proto", "x.one"} == (set() if drops else {"x_forwarded_proto", "x.one"})


def test_another_load_balancer_coming_and_going_loses_no_request(haproxy: Haproxy, pods: tuple[Pod, Pod]) -> None:
    groups = {"one": {pods[0].place: True, pods[1].place: True}}
    haproxy.apply([listener()], groups)
    statuses: Counter[int] = Counter()
    stopping = threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=5)
        while not stopping.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
                statuses[response.status] += 1
            except (OSError, http.client.HTTPException):
                statuses[0] += 1
                connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    for round_ in range(6):
        others = [listener(address=f"127.77.9.{10 + round_}")] if round_ % 2 == 0 else []
        assert haproxy.apply([listener(), *others], groups)
        time.sleep(0.1)
    stopping.set()
    for thread in clients:
        thread.join(5)
    assert set(statuses) == {200}
    assert statuses[200] > 100


def test_a_haproxy_that_died_is_started_again_with_its_targets(
    haproxy: Haproxy, pods: tuple[Pod, Pod], tmp_path: Path
) -> None:
    haproxy.apply([listener()], {"one": {pods[0].place: True}})
    for one in processes(tmp_path):
        os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: not haproxy.is_running)
    assert haproxy.apply([listener()], {"one": {pods[0].place: True}})
    assert get() == (200, "a")


def test_a_second_haproxy_cannot_share_an_address(haproxy: Haproxy, tools: RehearsalTools, tmp_path: Path) -> None:
    haproxy.apply([listener()], {"one": {}})
    second = Haproxy(tools.haproxy, tmp_path / "second")
    try:
        with pytest.raises(HaproxyError, match=rf"{ADDRESS}:{PORT}"):
            second.apply([listener()], {"one": {}})
    finally:
        second.stop()


def test_an_address_that_is_taken_is_an_error_that_names_it(haproxy: Haproxy, tmp_path: Path) -> None:
    with (
        ThreadingHTTPServer((ADDRESS, PORT), BaseHTTPRequestHandler),
        pytest.raises(HaproxyError, match=rf"{ADDRESS}:{PORT}"),
    ):
        haproxy.apply([listener()], {"one": {}})
    assert (tmp_path / "haproxy.cfg").exists()
