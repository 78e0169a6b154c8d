"""Asking a process whether it serves, without waiting for the answer longer than a moment."""

import base64
import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from rehearsal.places import Endpoint

Probe = Callable[[], bool]

_PATIENCE = 2.0


def listens(endpoint: Endpoint) -> Probe:
    """Whether something accepts connections on the endpoint."""

    def ask() -> bool:
        try:
            with socket.create_connection((endpoint.host, endpoint.port), timeout=_PATIENCE):
                return True
        except OSError:
            return False

    return ask


def socket_listens(path: Path) -> Probe:
    """Whether something accepts connections on the Unix socket."""

    def ask() -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PATIENCE)
                connection.connect(str(path))
                return True
        except OSError:
            return False

    return ask


def answers(endpoint: Endpoint, path: str, tls: ssl.SSLContext | None = None, password: str | None = None) -> Probe:
    """Whether an HTTP GET of the path is answered with 200; over TLS where a context is given."""

    def ask() -> bool:
        connection = (
            http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=_PATIENCE, context=tls)
            if tls
            else http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=_PATIENCE)
        )
        headers: dict[str, str] = {}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def client_tls(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with a client certificate, trusting the cluster's authority alone."""
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate, key)
    return context


def unverified_tls() -> ssl.SSLContext:
    """TLS for a health check on loopback of a process that signs its own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
