"""The registry answers as Amazon ECR does: a password on every request, and a tag is written once."""

import base64
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, final

import pytest

from rehearsal.node import certificates
from rehearsal.node.files import NodeFiles
from rehearsal.node.probes import answers
from rehearsal.places import Endpoint
from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs

pytestmark = pytest.mark.rehearsal

PASSWORD = "secret"
MANIFEST = "application/vnd.oci.image.index.v1+json"


@final
@dataclass(frozen=True, kw_only=True)
class Registry:
    endpoint: Endpoint
    authority: Path

    def put(self, tag: str, note: str, password: str = PASSWORD) -> tuple[int, str]:
        """Push an index that differs by `note`; the status and the body of the answer."""
        content: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "manifests": [],
            "annotations": {"note": note},
        }
        body = json.dumps(content).encode()
        reference = tag or f"sha256:{hashlib.sha256(body).hexdigest()}"
        authorization = base64.b64encode(f"AWS:{password}".encode()).decode()
        headers = {"Content-Type": MANIFEST, "Authorization": f"Basic {authorization}"}
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=10)
        connection.request("PUT", f"/v2/smallcase/manifests/{reference}", body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Generator[Registry]:
    program = go_programs.build(go_programs.REGISTRY, Progress()) / "registry"
    directory: Path = tmp_path_factory.mktemp("registry")
    (directory / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    files = NodeFiles(state=directory / "state")
    files.state.mkdir()
    certificates.ensure_certificates(files)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = Endpoint(host="127.0.0.1", port=free.getsockname()[1])
    arguments = [f"-address={endpoint}", f"-directory={directory}", f"-password-file={directory / 'password'}"]
    arguments.append(f"-certificate={certificates.certificate_path(files, certificates.REGISTRY)}")
    arguments.append(f"-key={certificates.key_path(files, certificates.REGISTRY)}")
    with subprocess.Popen([program, *arguments], stderr=subprocess.DEVNULL) as running:
        ready = answers(endpoint, "/v2/", password=PASSWORD)
        deadline = time.monotonic() + 10
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield Registry(endpoint=endpoint, authority=files.authority)
        running.terminate()


def test_one_port_takes_tls_with_the_rehearsals_authority_and_plain_http(registry: Registry) -> None:
    trusting = ssl.create_default_context(cafile=str(registry.authority))
    by_tls = answers(registry.endpoint, "/v2/", trusting, password=PASSWORD)
    plainly = answers(registry.endpoint, "/v2/", password=PASSWORD)
    # A connection that says nothing holds up nobody.
    with socket.create_connection((registry.endpoint.host, registry.endpoint.port)):
        assert all(ask() for ask in (by_tls, plainly, by_tls))
    assert not answers(registry.endpoint, "/v2/", ssl.create_default_context(), password=PASSWORD)()


def test_a_wrong_password_is_refused(registry: Registry) -> None:
    status, body = registry.put("blue-0123456", "wrong", password=f"not-{PASSWORD}")
    assert status == http.client.UNAUTHORIZED
    assert cast("dict[str, list[dict[str, str]]]", json.loads(body))["errors"][0]["code"] == "UNAUTHORIZED"


def test_a_second_push_of_a_tag_is_refused_in_ecrs_words_even_with_the_same_content(registry: Registry) -> None:
    assert registry.put("blue-0123456", "first")[0] == http.client.CREATED

    for note in ("first", "second"):
        status, body = registry.put("blue-0123456", note)
        assert status == http.client.BAD_REQUEST
        error = cast("dict[str, list[dict[str, str]]]", json.loads(body))["errors"][0]
        assert error["code"] == "TAG_INVALID"
        assert error["message"].startswith("The image tag 'blue-0123456' already exists in the 'smallcase' repository")


@pytest.mark.parametrize("tag", ["cache-main", "pr-7", "blue", "green", "develop"])
def test_an_excluded_tag_moves(registry: Registry, tag: str) -> None:
    assert [registry.put(tag, note)[0] for note in ("first", "second")] == [http.client.CREATED] * 2


def test_a_push_by_digest_is_no_tag(registry: Registry) -> None:
    assert [registry.put("", "same")[0] for _ in range(2)] == [http.client.CREATED] * 2
