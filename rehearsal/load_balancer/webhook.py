"""The admission webhook that gives new pods the readiness gates of their target groups."""

import base64
import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, final

from rehearsal.load_balancer.objects import Json, Key, is_terminating, items, key, mapping, strings, text
from rehearsal.load_balancer.targets import GATE, has_gate

PATH: Final = "/mutate-v1-pod"
_LOG: Final = logging.getLogger("webhook")


def gates(pod: Json, namespace: str, bindings: Mapping[Key, Json], services: Mapping[Key, Json]) -> Sequence[str]:
    """The readiness gates that a new pod lacks: one for each binding of type ip whose Service selects it."""
    labels = strings(pod, "metadata", "labels")
    missing: list[str] = []
    for binding in bindings.values():
        service = services.get((namespace, text(binding, "spec", "serviceRef", "name")))
        if key(binding)[0] != namespace or text(binding, "spec", "targetType") != "ip" or is_terminating(binding):
            continue
        selector = strings(service, "spec", "selector")
        if not selector or any(labels.get(name) != value for name, value in selector.items()):
            continue
        gate = GATE + key(binding)[1]
        if not has_gate(pod, gate):
            missing.append(gate)
    return sorted(missing)


def review(request: Json, bindings: Mapping[Key, Json], services: Mapping[Key, Json]) -> Json:
    """The AdmissionReview that answers one: always allowed, with a patch where gates are missing."""
    pod = mapping(request, "request", "object")
    namespace = text(request, "request", "namespace")
    response: dict[str, Json] = {"uid": text(request, "request", "uid"), "allowed": True}
    if missing := gates(pod, namespace, bindings, services):
        there = [*items(pod, "spec", "readinessGates")]
        patch: Json = [
            {
                "op": "add",
                "path": "/spec/readinessGates",
                "value": [*there, *({"conditionType": gate} for gate in missing)],
            }
        ]
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def serve(
    host: str, port: int, certificate: Path, private_key: Path, answer: Callable[[Json], Json]
) -> ThreadingHTTPServer:
    """Serve the webhook over HTTPS in a thread of its own.

    Raises:
        OSError: the address is taken, or the certificate cannot be read.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, private_key)

    @final
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 120

        def setup(self) -> None:
            # Here, in the connection's own thread, a client that never finishes its handshake holds up nobody else.
            self.request.settimeout(10)
            self.request = tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                request: Json = json.loads(content)
            except ValueError:
                self.send_error(400, "not JSON")
                return
            if self.path.partition("?")[0] != PATH:
                self.send_error(404)
                return
            body = json.dumps(answer(request)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            _LOG.debug(format, *args)

    @final
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
            _LOG.debug("connection from %s broke off", client_address, exc_info=True)

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="webhook", daemon=True).start()
    return server
