"""Who reaches what of a rehearsal: this user all of it, another user the pages, the network nothing."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, cast, final

import pytest

from rehearsal import places
from rehearsal.node.files import node_files
from rehearsal.node.machine import ENDPOINTS
from tests.e2e.conftest import ENVIRONMENTS, Rehearsal
from tests.neighbour import Namespace, neighbour
from tests.stack_files import CHECKOUT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

NOBODY: Final = 65534

ATTACK: Final = """
import base64, http.client, json, os, socket, ssl, sys
import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

"".encode("idna")  # which is loaded at its first use, and not readable for everybody
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
said = {{}}
caller = provider_pb2.InvokeRequest(tok="aws:index/getCallerIdentity:getCallerIdentity")
for port in (17701, 17702):
    try:
        said[f"provider {{port}}"] = str(
            provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{{port}}")).Invoke(caller)
        )
    except grpc.RpcError as error:
        said[f"provider {{port}}"] = error.code().name

def status(connection, path):
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError as error:
        return type(error).__name__

anybody = ssl.create_default_context(); anybody.check_hostname = False; anybody.verify_mode = ssl.CERT_NONE
for name, host, port, path in {secure}:
    said[name] = status(http.client.HTTPSConnection(host, port, timeout=5, context=anybody), path)
for name, host, port, path in {plain}:
    said[name] = status(http.client.HTTPConnection(host, port, timeout=5), path)
for path in {sockets}:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        said[path] = "connected"
    except OSError as error:
        said[path] = type(error).__name__
try:
    said["state"] = os.listdir({state!r})
except OSError as error:
    said["state"] = type(error).__name__
print(json.dumps(said))
"""


@final
@dataclass(frozen=True, kw_only=True)
class Process:
    """One of the rehearsal: its program, words and user, and where it listens."""

    program: str
    words: str
    user: int
    listens: tuple[str, ...]


def processes() -> list[Process]:
    """All that run in the rehearsal's private namespace, but those of pods and builds, which have a network each."""
    init = (node_files().run / "namespace").read_text(encoding="utf-8").split()[0]
    child = Path(f"/proc/{init}/task/{init}/children").read_text(encoding="utf-8").split()[0]
    ours = Path(f"/proc/{child}/ns/mnt").readlink()
    own_network = Path("/proc/self/ns/net").readlink()
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    found: list[Process] = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (directory / "ns/mnt").readlink() != ours or (directory / "ns/net").readlink() != own_network:
                continue
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            program = (directory / "exe").readlink().name
            user = directory.stat().st_uid
        except OSError:
            continue
        places_of = tuple(line.split()[3] for line in listening if f"pid={directory.name}," in line)
        found.append(Process(program=program, words=words, user=user, listens=places_of))
    return found


def test_every_process_listens_on_loopback_alone(rehearsal: Rehearsal) -> None:
    del rehearsal
    where = {(process.program, address) for process in processes() for address in process.listens}
    hosts = {address.rpartition(":")[0].removeprefix("[::ffff:").strip("[]") for _, address in where}
    assert {program for program, _ in where} >= {"etcd", "kube-apiserver", "kubelet", "registry", "haproxy"}
    assert [host for host in hosts if not IPv4Address(host).is_loopback] == [], where


def test_haproxy_is_not_root(rehearsal: Rehearsal) -> None:
    del rehearsal
    assert {process.user for process in processes() if process.program == "haproxy"} == {places.HAPROXY_USER}


def test_no_secret_stands_in_a_command_line(rehearsal: Rehearsal) -> None:
    """Which every user can read."""
    del rehearsal
    files = node_files()
    secrets = {
        files.registry_password.read_text(encoding="utf-8").strip(),
        (files.state / "passphrase").read_text(encoding="utf-8").strip(),
    }
    said = " ".join(process.words for process in processes())
    assert "registry-password" in said
    assert not [secret for secret in secrets if secret in said]
    assert "PRIVATE KEY" not in said


def test_another_user_sees_the_pages_and_no_more(rehearsal: Rehearsal) -> None:
    files = node_files()
    page = rehearsal.url("green").removeprefix("http://").rstrip("/")
    script = ATTACK.format(
        nobody=NOBODY,
        secure=[
            ("API server", places.API_SERVER.host, places.API_SERVER.port, "/api/v1/namespaces"),
            ("etcd", places.ETCD.host, places.ETCD.port, "/v2/keys"),
            ("kubelet", places.KUBELET.host, places.KUBELET.port, "/pods"),
            ("controller manager", places.CONTROLLER_MANAGER.host, places.CONTROLLER_MANAGER.port, "/metrics"),
            ("scheduler", places.SCHEDULER.host, places.SCHEDULER.port, "/metrics"),
        ],
        plain=[
            ("page", page, 80, "/"),
            ("registry", places.REGISTRY.host, places.REGISTRY.port, "/v2/_catalog"),
            ("stream", places.CONTAINERD_STREAM.host, places.CONTAINERD_STREAM.port, "/exec/guessed"),
        ],
        sockets=[str(files.buildkit_socket), "/run/containerd/containerd.sock"],
        state=str(files.state),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, encoding="utf-8", timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    said = cast("dict[str, object]", json.loads(done.stdout))
    assert said == {
        "provider 17701": "PERMISSION_DENIED",
        "provider 17702": "PERMISSION_DENIED",
        "API server": 401,
        "etcd": "SSLError",
        "kubelet": 401,
        "controller manager": 403,
        "scheduler": 403,
        "page": 200,
        "registry": 401,
        "stream": 404,
        str(files.buildkit_socket): "PermissionError",
        "/run/containerd/containerd.sock": "FileNotFoundError",
        "state": "PermissionError",
    }


@pytest.fixture
def beside(rehearsal: Rehearsal) -> Generator[Namespace]:
    """Somebody in a network with this machine."""
    del rehearsal
    with neighbour() as somebody:
        yield somebody


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_neighbour_reaches_no_pod_and_no_service(rehearsal: Rehearsal, beside: Namespace, stack: str) -> None:
    def asked(kind: str, path: str) -> list[str]:
        namespace = f"--namespace=smallcase-{stack}"
        return rehearsal.shell("kubectl", "get", kind, namespace, f"-o=jsonpath={{.items[*].{path}}}").stdout.split()

    pods, services = asked("pods", "status.podIP"), asked("services", "spec.clusterIP")
    assert pods
    assert services
    for host, port in (*((pod, 8080) for pod in pods), *((service, 80) for service in services)):
        with socket.create_connection((host, port), timeout=5):
            pass
        assert not beside.reaches(host, port)


def test_a_neighbour_reaches_nothing_that_listens(rehearsal: Rehearsal, beside: Namespace) -> None:
    del rehearsal
    ports = sorted({int(address.rpartition(":")[2]) for process in processes() for address in process.listens})
    assert {endpoint.port for endpoint in ENDPOINTS} - {443} <= set(ports)
    for host in ("198.18.77.1", str(places.BRIDGE_ADDRESS), places.API_SERVER.host):
        assert [port for port in ports if beside.reaches(host, port)] == []


DOCKERFILE: Final = "FROM scratch\nCOPY note /note\n"


@pytest.mark.parametrize(
    ("oci", "attest"),
    [("true", ""), ("false", ""), ("true", "--opt=attest:provenance=")],
    ids=["OCI", "Docker", "index"],
)
def test_buildkit_pushes_the_same_image_again_and_no_other_under_its_tag(
    rehearsal: Rehearsal, tmp_path: Path, oci: str, attest: str
) -> None:
    files, tools = node_files(), rehearsal.standing.node.tools
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    reference = f"{places.REGISTRY}/smallcase:green-{oci}-{bool(attest)}-{os.getpid()}"

    def push(note: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "note").write_text(note, encoding="utf-8")
        return subprocess.run(
            [
                *(tools.buildctl, f"--addr=unix://{files.buildkit_socket}", "build", "--progress=plain", "--no-cache"),
                *("--frontend=dockerfile.v0", "--opt=build-arg:SOURCE_DATE_EPOCH=1", *([attest] if attest else [])),
                *(f"--local=context={tmp_path}", f"--local=dockerfile={tmp_path}"),
                f"--output=type=image,name={reference},push=true,oci-mediatypes={oci},rewrite-timestamp=true",
            ],
            env=rehearsal.standing.variables,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    first = push("first")
    assert first.returncode == 0, first.stderr
    again = push("first")
    if not attest:
        # An attestation holds the time of its build.
        assert again.returncode == 0, again.stderr
    other = push("second")
    assert other.returncode != 0
    assert re.search(r"already exists in the 'smallcase' repository and cannot be overwritten", other.stderr)
