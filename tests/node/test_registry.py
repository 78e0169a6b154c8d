"""The registry answers as Amazon ECR does: a password on every request, and a tag is written once."""

import base64
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Final, cast, final

import pytest

from rehearsal.node import certificates
from rehearsal.node.files import NodeFiles
from rehearsal.node.probes import answers
from rehearsal.places import Endpoint
from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs

pytestmark = pytest.mark.rehearsal

PASSWORD: Final = "secret"
_OCI: Final = "application/vnd.oci.image"
_DOCKER: Final = "application/vnd.docker"
OCI_IMAGE: Final = f"{_OCI}.manifest.v1+json"
OCI_INDEX: Final = f"{_OCI}.index.v1+json"
DOCKER_IMAGE: Final = f"{_DOCKER}.distribution.manifest.v2+json"
DOCKER_LIST: Final = f"{_DOCKER}.distribution.manifest.list.v2+json"


@final
@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is pushed under a tag, and the blobs that have to be there before."""

    media_type: str
    content: bytes
    blobs: tuple[bytes, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self.content)


Kind = Callable[[str], Manifest]
"""Makes a manifest of one kind that differs by a note."""


@final
@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, str]:
        return cast("dict[str, list[dict[str, str]]]", json.loads(self.body))["errors"][0]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image(note: str, media_type: str, config: str, layer: str, **more: str) -> Manifest:
    """An image that differs by `note`, or something else in the form of one."""
    blobs = json.dumps({"note": note}).encode(), note.encode()

    def descriptor(kind: str, blob: bytes) -> dict[str, object]:
        return {"mediaType": kind, "digest": digest(blob), "size": len(blob)}

    content: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        **more,
        "config": descriptor(config, blobs[0]),
        "layers": [descriptor(layer, blobs[1])],
    }
    return Manifest(media_type=media_type, content=json.dumps(content).encode(), blobs=blobs)


def oci_image(note: str) -> Manifest:
    return image(note, OCI_IMAGE, f"{_OCI}.config.v1+json", f"{_OCI}.layer.v1.tar+gzip")


def docker_image(note: str) -> Manifest:
    return image(note, DOCKER_IMAGE, f"{_DOCKER}.container.image.v1+json", f"{_DOCKER}.image.rootfs.diff.tar.gzip")


def artefact(note: str) -> Manifest:
    """As ORAS pushes it: https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage"""
    return image(note, OCI_IMAGE, "application/vnd.oci.empty.v1+json", "text/plain", artifactType="text/plain")


def signature(note: str) -> Manifest:
    """As cosign pushes it."""
    return image(note, OCI_IMAGE, f"{_OCI}.config.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json")


def oci_index(note: str) -> Manifest:
    content: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
        "annotations": {"note": note},
    }
    return Manifest(media_type=OCI_INDEX, content=json.dumps(content).encode())


def docker_list(note: str) -> Manifest:
    content: dict[str, object] = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [], "note": note}
    return Manifest(media_type=DOCKER_LIST, content=json.dumps(content).encode())


KINDS: Final[tuple[Kind, ...]] = (oci_image, docker_image, oci_index, docker_list, artefact, signature)


@final
@dataclass(frozen=True, kw_only=True)
class Registry:
    endpoint: Endpoint
    authority: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        password: str = PASSWORD,
        **headers: str,
    ) -> Answer:
        authorization = base64.b64encode(f"AWS:{password}".encode()).decode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=10)
        try:
            connection.request(
                method, f"/v2/smallcase/{path}", body=body, headers={"Authorization": f"Basic {authorization}", **sent}
            )
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
        finally:
            connection.close()

    def push(self, tag: str, manifest: Manifest, *, password: str = PASSWORD) -> Answer:
        """Push the blobs, and then the manifest without a look at what is there; by digest if there is no tag."""
        for blob in manifest.blobs:
            begun = self.ask("POST", "blobs/uploads/")
            assert begun.status == http.client.ACCEPTED
            place = begun.headers["Location"].partition("/v2/smallcase/")[2]
            done = self.ask("PUT", f"{place}&digest={digest(blob)}", blob)
            assert done.status == http.client.CREATED
        return self.put(tag, manifest, password=password)

    def put(self, tag: str, manifest: Manifest, *, password: str = PASSWORD) -> Answer:
        path = f"manifests/{tag or manifest.digest}"
        return self.ask("PUT", path, manifest.content, password=password, Content_Type=manifest.media_type)

    def tagged(self, tag: str, media_type: str) -> str | None:
        """The digest that a tag has, asked for as the pushers of containerd and BuildKit do it."""
        answer = self.ask("HEAD", f"manifests/{tag}", Accept=f"{media_type}, */*")
        return answer.headers["Docker-Content-Digest"] if answer.status == http.client.OK else None


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
    arguments.append("-movable=rehearsal")
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
    refused = registry.put("blue-0123456", oci_index("wrong"), password=f"not-{PASSWORD}")
    assert refused.status == http.client.UNAUTHORIZED
    assert refused.error["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_push_of_a_tag_is_refused_in_ecrs_words_even_with_the_same_content(
    registry: Registry, kind: Kind
) -> None:
    tag = f"blue-{kind.__name__}"
    first, second = kind("first"), kind("second")
    assert first.digest != second.digest
    assert registry.push(tag, first).status == http.client.CREATED

    for pushed in (second, first, oci_image("third"), oci_index("third")):
        refused = registry.push(tag, pushed)
        assert refused.status == http.client.BAD_REQUEST
        assert refused.error["code"] == "TAG_INVALID"
        assert refused.error["message"] == (
            f"The image tag '{tag}' already exists in the 'smallcase' repository and cannot be overwritten because the "
            "tag is immutable."
        )
        assert registry.tagged(tag, first.media_type) == first.digest


@pytest.mark.parametrize("kind", KINDS)
def test_who_asks_first_finds_what_is_there_and_need_not_push_it_again(registry: Registry, kind: Kind) -> None:
    """So BuildKit pushes the same image again and succeeds."""
    tag, pushed = f"green-{kind.__name__}", kind("same")
    assert registry.tagged(tag, pushed.media_type) is None
    assert registry.push(tag, pushed).status == http.client.CREATED
    assert registry.tagged(tag, pushed.media_type) == pushed.digest


@pytest.mark.parametrize("kind", [oci_image, docker_image, oci_index])
def test_of_many_pushes_of_one_tag_at_once_one_is_taken_and_stays(registry: Registry, kind: Kind) -> None:
    for attempt in range(10):
        tag, together = f"at-once-{kind.__name__}-{attempt}", Barrier(8)
        manifests = [kind(f"{attempt} {number}") for number in range(8)]
        for one in manifests:
            registry.push("", one)

        def push(one: Manifest, tag: str = tag, together: Barrier = together) -> int:
            together.wait()
            return registry.put(tag, one).status

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(push, manifests))

        assert sorted(statuses) == [http.client.CREATED] + [http.client.BAD_REQUEST] * 7
        assert registry.tagged(tag, manifests[0].media_type) == manifests[statuses.index(http.client.CREATED)].digest


def test_a_push_that_never_ends_holds_up_nobody(registry: Registry) -> None:
    authorization = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
    with socket.create_connection((registry.endpoint.host, registry.endpoint.port)) as dribbling:
        dribbling.sendall(
            b"PUT /v2/smallcase/manifests/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: %b\r\nAuthorization: Basic %b\r\n\r\n{" % (OCI_IMAGE.encode(), authorization.encode())
        )
        time.sleep(0.2)
        assert registry.push("slow", oci_image("fast")).status == http.client.CREATED


def test_what_is_no_manifest_takes_no_tag(registry: Registry) -> None:
    for content in (b"", b"{", b" " * (5 << 20)):
        broken = Manifest(media_type=OCI_IMAGE, content=content)
        refused = registry.put("broken", broken)
        assert (refused.status, refused.error["code"]) == (http.client.BAD_REQUEST, "MANIFEST_INVALID")
    assert registry.put("broken", oci_image("without its blobs")).error["code"].startswith("MANIFEST_")
    assert registry.push("broken", oci_image("whole")).status == http.client.CREATED


@pytest.mark.parametrize("kind", [oci_image, oci_index])
def test_the_tag_of_the_nodes_own_images_moves(registry: Registry, kind: Kind) -> None:
    for note in ("first", "second", "second"):
        pushed = kind(note)
        assert registry.push("rehearsal", pushed).status == http.client.CREATED
        assert registry.tagged("rehearsal", pushed.media_type) == pushed.digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_by_digest_is_no_tag(registry: Registry, kind: Kind) -> None:
    assert [registry.push("", kind("same")).status for _ in range(2)] == [http.client.CREATED] * 2


def test_an_image_that_was_deleted_leaves_its_tag_free(registry: Registry) -> None:
    """As after `aws ecr batch-delete-image`."""
    gone = oci_image("gone")
    assert registry.push("blue-gone", gone).status == http.client.CREATED
    assert registry.ask("DELETE", f"manifests/{gone.digest}").status == http.client.ACCEPTED
    assert registry.push("blue-gone", oci_image("next")).status == http.client.CREATED
