"""The few verbs of the Kubernetes API that the controller needs, with JSON in and out.

The official client answers with untyped objects and takes a second and 60 MB to import; this reads the same kubeconfig.
"""

import base64
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, final
from urllib.parse import urlsplit

import yaml

from rehearsal.load_balancer.objects import Json, items, text

_SECONDS: Final = 5.0
JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeconfigError(Exception):
    """The kubeconfig cannot be used."""


@final
class Api:
    """A connection to the API server as a kubeconfig names it. Safe to use from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        try:
            config: Json = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise KubeconfigError(f"{kubeconfig} cannot be read: {error}") from None
        context = _named(config, "contexts", text(config, "current-context"), "context")
        cluster = _named(config, "clusters", text(context, "cluster"), "cluster")
        user = _named(config, "users", text(context, "user"), "user")
        server = urlsplit(text(cluster, "server"))
        if server.scheme != "https" or not server.hostname:
            raise KubeconfigError(f"{kubeconfig} names no https server in its current context")
        self._host, self._port = server.hostname, server.port or 443
        self._tls = ssl.create_default_context(cadata=_pem(kubeconfig, cluster, "certificate-authority"))
        # OpenSSL reads a client certificate from files only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="utf-8") as stream:
            stream.write(_pem(kubeconfig, user, "client-certificate") + "\n" + _pem(kubeconfig, user, "client-key"))
            stream.flush()
            self._tls.load_cert_chain(stream.name)
        self._lock = threading.Lock()
        self._connection: http.client.HTTPSConnection | None = None

    def request(self, method: str, path: str, body: Json = None, *, content: str = JSON) -> Json:
        """One request; what it answers.

        Raises:
            ApiError: refused.
            OSError: the server cannot be reached.
        """
        payload = None if body is None else json.dumps(body)
        with self._lock:
            fresh = self._connection is None
            connection = self._connection or self._connect(_SECONDS)
            self._connection = None
            try:
                status, answer = _exchange(connection, method, path, payload, content)
            except (http.client.HTTPException, ConnectionError, ssl.SSLError):
                connection.close()
                if fresh:
                    raise
                # A connection that was idle may have been closed by the server meanwhile.
                connection = self._connect(_SECONDS)
                status, answer = _exchange(connection, method, path, payload, content)
            except OSError:
                connection.close()
                raise
            self._connection = connection
        if status >= 400:
            raise ApiError(status, text(_parsed(answer), "message") or answer.decode(errors="replace")[:200])
        return _parsed(answer)

    def lines(self, path: str, seconds: float) -> Iterator[Json]:
        """The JSON lines of a watch, until the server ends it or says nothing for so long."""
        connection = self._connect(seconds)
        try:
            connection.request("GET", path, headers={"Accept": JSON})
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(response.status, response.read().decode(errors="replace")[:200])
            while line := response.readline():
                yield _parsed(line)
        finally:
            connection.close()

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._tls)


def _exchange(
    connection: http.client.HTTPSConnection, method: str, path: str, payload: str | None, content: str
) -> tuple[int, bytes]:
    connection.request(method, path, body=payload, headers={"Content-Type": content, "Accept": JSON})
    response = connection.getresponse()
    return response.status, response.read()


def _parsed(content: bytes) -> Json:
    with suppress(ValueError):
        parsed: Json = json.loads(content)
        return parsed
    return None


def _named(config: Json, kind: str, name: str, field: str) -> Json:
    for entry in items(config, kind):
        if isinstance(entry, dict) and text(entry, "name") == name:
            return entry.get(field)
    raise KubeconfigError(f"the kubeconfig has no {field} {name!r}")


def _pem(kubeconfig: Path, entry: Json, field: str) -> str:
    if data := text(entry, f"{field}-data"):
        return base64.b64decode(data).decode()
    if path := text(entry, field):
        return (kubeconfig.parent / path).read_text(encoding="utf-8")
    raise KubeconfigError(f"{kubeconfig} has neither {field} nor {field}-data")
