"""What the hosts reach when they boot: download sites and AWS's parameters, behind a proxy, over real TLS."""

import datetime as dt
import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, cast, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSM: Final = "ssm.us-east-1.amazonaws.com"


@final
@dataclass(frozen=True, kw_only=True)
class Internet:
    """Everything that can be reached; tests change it as they like."""

    proxy: str
    authority: Path
    """Certificate that all sites are signed with."""
    files: dict[str, bytes | str] = field(default_factory=dict[str, bytes | str])
    """Content by URL without `https://`; text is where the URL redirects to."""
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    """Of SSM, which keeps the hosts' public keys."""
    asked: list[str] = field(default_factory=list[str])
    """Every request, as `GET URL`, `GetParameter NAME` or `PutParameter NAME`."""

    def sites(self) -> set[str]:
        return {SSM, *(url.partition("/")[0] for url in self.files)}


@contextmanager
def internet(directory: Path) -> Generator[Internet]:
    """One of its own, for the length of a `with` block."""

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            site = self.path.partition(":")[0]
            if site not in reached.sites():
                reached.asked.append(f"CONNECT {site}")
                self.send_error(403, "there is no such site")
                return
            self.send_response(200)
            self.end_headers()
            certificate = _certificate(directory, site)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            with context.wrap_socket(self.connection, server_side=True) as connection:
                _site(reached, site)(connection, self.client_address, self.server)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    authority = _authority(directory)
    reached = Internet(proxy=f"http://127.0.0.1:{server.server_port}", authority=authority)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield reached
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _site(reached: Internet, site: str) -> type[BaseHTTPRequestHandler]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"{site}{self.path}"
            reached.asked.append(f"GET {url}")
            found = reached.files.get(url)
            if found is None:
                self.send_error(404)
            elif isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", f"https://{found}")
                self.end_headers()
            else:
                self._answer(200, found)

        def do_POST(self) -> None:
            """SSM's own protocol, as far as the hosts use it."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = cast("dict[str, str]", json.loads(body))
            verb, name = self.headers["X-Amz-Target"].partition(".")[2], asked["Name"]
            reached.asked.append(f"{verb} {name}")
            if verb == "PutParameter" and asked.get("Overwrite"):
                reached.parameters[name] = asked["Value"]
                self._answer(200, b'{"Version": 2}')
            elif verb == "GetParameter" and name in reached.parameters:
                value = {"Name": name, "Type": "String", "Value": reached.parameters[name]}
                self._answer(200, json.dumps({"Parameter": value}).encode())
            else:
                self._answer(400, json.dumps({"__type": "ParameterNotFound", "message": name}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Site


def _authority(directory: Path) -> Path:
    return _signed(directory / "authority", "authority", None)


def _certificate(directory: Path, site: str) -> Path:
    path = directory / f"{site}.pem"
    return path if path.exists() else _signed(directory / site, site, directory / "authority.pem")


def _signed(path: Path, name: str, by: Path | None) -> Path:
    """A file with a key and a certificate, signed by itself or by such a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if by is not None:
        issuer = x509.load_pem_x509_certificate(by.read_bytes()).subject
        signer = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(by.read_bytes(), password=None))
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(
            subject_name=subject,
            issuer_name=issuer,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(hours=1),
            not_valid_after=now + dt.timedelta(days=1),
        )
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    target = path.with_name(f"{path.name}.pem")
    unfinished = target.with_suffix(".new")
    unfinished.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return unfinished.rename(target)
