"""Somebody in a network with this machine: a network namespace at the other end of a cable."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal import places

# Of the network for trials of networks, https://www.rfc-editor.org/rfc/rfc2544, which no machine has otherwise.
MACHINE: Final = "198.18.77.1"
NEIGHBOUR: Final = "198.18.77.2"

_CONNECT: Final = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5).close()
except OSError:
    sys.exit(1)
"""


@final
@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A network namespace, by a process in it, with which it ends."""

    pid: int

    def reaches(self, host: str, port: int) -> bool:
        """Whether a connection comes about from there."""
        return self._run(sys.executable, "-c", _CONNECT, host, str(port)) == 0

    @contextmanager
    def serving(self, port: int) -> Generator[None]:
        """A server there, at every address."""
        server = [sys.executable, "-m", "http.server", "--bind", "0.0.0.0", str(port)]
        with subprocess.Popen(self._inside(*server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                deadline = time.monotonic() + 20
                while not self.reaches("127.0.0.1", port):
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                yield
            finally:
                running.terminate()

    def ip(self, *arguments: str) -> None:
        assert self._run("ip", *arguments) == 0

    def _run(self, *command: str) -> int:
        return subprocess.run(self._inside(*command), capture_output=True, check=False).returncode

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", "--net", f"--target={self.pid}", "--", *command]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def _namespace(device: str, address: str, gateway: str) -> Generator[Namespace]:
    """A namespace whose one device has this address, and hangs by a cable on `device` of this machine; everything else
    goes by way of the gateway."""
    with subprocess.Popen(["unshare", "--net", "sleep", "300"]) as holder:
        try:
            own = Path("/proc/self/ns/net").readlink()
            while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
                time.sleep(0.01)
            made = Namespace(pid=holder.pid)
            _ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            made.ip("link", "set", "lo", "up")
            made.ip("address", "add", address, "dev", "eth0")
            made.ip("link", "set", "eth0", "up")
            made.ip("route", "add", "default", "via", gateway)
            _ip("link", "set", device, "up")
            yield made
            _ip("link", "delete", device)
        finally:
            holder.kill()


@contextmanager
def neighbour() -> Generator[Namespace]:
    """Somebody who sends whatever is for the rehearsal's networks to this machine."""
    with _namespace("smallcase-next", f"{NEIGHBOUR}/24", MACHINE) as beside:
        _ip("address", "add", f"{MACHINE}/24", "dev", "smallcase-next")
        yield beside


@contextmanager
def pod(address: str) -> Generator[Namespace]:
    """Something with an address of the pods' network, on its bridge."""
    with _namespace("smallcase-pod", f"{address}/{places.PODS.prefixlen}", str(places.BRIDGE_ADDRESS)) as made:
        _ip("link", "set", "smallcase-pod", "master", places.BRIDGE)
        yield made
