"""The program's edges: its start, and the webhook over HTTPS."""

import http.client
import json
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rehearsal.load_balancer import webhook
from rehearsal.load_balancer.objects import Json, text


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "webhook.crt", tmp_path / "webhook.key"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_the_webhook_answers_over_https_at_its_path_alone(certificate: tuple[Path, Path]) -> None:
    def answer(request: Json) -> Json:
        return {"echo": text(request, "word")}

    server = webhook.serve("127.0.0.1", 0, *certificate, answer)
    try:
        tls = ssl.create_default_context(cafile=str(certificate[0]))
        connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=5, context=tls)
        connection.request("POST", f"{webhook.PATH}?timeout=10s", body='{"word": "gate"}')
        assert json.loads(connection.getresponse().read()) == {"echo": "gate"}
        connection.request("POST", "/other", body="{}")
        assert connection.getresponse().status == 404
        connection.close()
    finally:
        server.shutdown()
        server.server_close()


def test_a_kubeconfig_that_cannot_be_used_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("current-context: gone\n", encoding="utf-8")
    arguments = ["--kubeconfig", kubeconfig, "--haproxy", "haproxy", "--directory", tmp_path / "d"]
    arguments += ["--certificate", tmp_path / "c", "--key", tmp_path / "k"]
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal.load_balancer", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "rehearsal.load_balancer cannot start: the kubeconfig has no context 'gone'\n"
