"""A proxy that lets nothing through, and remembers what it was asked for."""

import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, final

NAMES: Final = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@final
@dataclass(frozen=True, kw_only=True)
class HostileProxy:
    """It runs on this machine, and answers everything with 502."""

    address: str
    asked: list[str] = field(default_factory=list[str])

    def variables(self, **more: str) -> dict[str, str]:
        """What a caller has set who goes by this proxy alone, or exempts what `no_proxy` says."""
        return {**dict.fromkeys(NAMES, f"http://someone:secret@{self.address}"), "no_proxy": "", "NO_PROXY": "", **more}


@contextmanager
def hostile_proxy() -> Generator[HostileProxy]:
    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            proxy.asked.append(self.rfile.readline().decode(errors="replace").strip())
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        proxy = HostileProxy(address=f"127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
