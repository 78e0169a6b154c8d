import functools
import hashlib
import io
import itertools
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pytest

from infra import versions
from infra.platform.boot import JENKINS, Agent, Controller
from operations.plugins import together
from tests.boot.internet import Internet, internet
from tests.boot.machine import Disk, Machine, debian, disk

PARAMETERS: Final = "/smallcase-platform/jenkins"
CONTROLLER: Final = Controller(
    region="us-east-1",
    account="123456789012",
    parameters=PARAMETERS,
    home_volume="vol-0123456789abcdef0",
    url="https://jenkins.example.org",
    repository="example/smallcase",
    github_app="123456",
    agents={"preview": "10.42.0.10", "open": "10.42.0.11", "deploy": "10.42.0.12"},
    labels={"preview": "preview", "open": "open", "deploy": "deploy"},
)
AGENTS: Final = {
    label: Agent(label=label, region="us-east-1", parameters=PARAMETERS, controller_address="10.42.192.10")
    for label in CONTROLLER.agents
}
PINS: Final = [
    line
    for line in (JENKINS / "plugins.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
PUBLIC: Final = ("controller/key", "preview/host-key", "open/host-key", "deploy/host-key")

_MANAGER: Final = versions.JENKINS_PLUGIN_MANAGER
MANAGER: Final = b"the plugin manager"
MANAGER_URL: Final = (
    "github.com/jenkinsci/plugin-installation-manager-tool/releases/download/"
    f"{_MANAGER}/jenkins-plugin-manager-{_MANAGER}.jar"
)
PULUMI_URL: Final = f"get.pulumi.com/releases/sdk/pulumi-v{versions.PULUMI}-linux-x64.tar.gz"
KUBECTL_URL: Final = f"dl.k8s.io/release/v{versions.KUBECTL}/bin/linux/amd64/kubectl"
SIGNER_URL: Final = f"pkg.jenkins.io/rpm-stable/jenkins.io-{versions.JENKINS_SIGNED}.key"
KUBECTL: Final = b"#!/bin/sh\necho the kubectl\n"
PLUGINS: Final = {
    "AWS": f"aws-v{versions.PULUMI_AWS}",
    "DOCKER_BUILD": f"docker-build-v{versions.PULUMI_DOCKER_BUILD}",
    "KUBERNETES": f"kubernetes-v{versions.PULUMI_KUBERNETES}",
}
"""Provider plugins with their versions, by what their checksums are called."""

Start = Callable[..., Machine]


@final
@dataclass(frozen=True, kw_only=True)
class Booted:
    """A host that has booted, to take copies of."""

    layers: tuple[Path, ...]
    parameters: Mapping[str, str]
    """What it left where the hosts publish their keys."""


@pytest.fixture(scope="session")
def _base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return debian(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="session")
def _internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    with internet(tmp_path_factory.mktemp("internet")) as reached:
        yield reached


@pytest.fixture(scope="session")
def _layers(
    tmp_path_factory: pytest.TempPathFactory, _base: tuple[Path, Path], _internet: Internet
) -> dict[str, tuple[Path, ...]]:
    """Disks of hosts that have read their user data, by label."""
    layers: dict[str, tuple[Path, ...]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "JENKINS_PLUGIN_MANAGER_SHA256", checksum(MANAGER))
        patch.setattr(versions, "JENKINS_SIGNER", fingerprint(signer()))
        patch.setattr(versions, "JENKINS_PLUGINS_SHA256", plugins_checksum(PINS))
        patch.setattr(versions, "KUBECTL_SHA256", checksum(KUBECTL))
        patch.setattr(versions, "PULUMI_SHA256", checksum(_pulumi()))
        for name, plugin in PLUGINS.items():
            patch.setattr(versions, f"PULUMI_{name}_SHA256", checksum(_plugin(plugin)))
        for label, host in {"controller": CONTROLLER, **AGENTS}.items():
            machine = Machine.create(tmp_path_factory.mktemp(label), _base, _internet, volume=None)
            machine.read_user_data(host)
            layers[label] = machine.layers
    return layers


@pytest.fixture(scope="session")
def _volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of the volume of the controller that has booted."""
    return tmp_path_factory.mktemp("volume") / "image"


@pytest.fixture(scope="session")
def _controller(_layers: dict[str, tuple[Path, ...]], _internet: Internet, _volume: Path) -> Booted:
    with disk(_volume, CONTROLLER.home_volume) as volume:
        return _boot(Machine.create(_volume.with_name("controller"), _layers["controller"], _internet, volume))


@pytest.fixture(scope="session")
def _agent(
    tmp_path_factory: pytest.TempPathFactory, _layers: dict[str, tuple[Path, ...]], _internet: Internet
) -> Booted:
    return _boot(Machine.create(tmp_path_factory.mktemp("agent"), _layers["preview"], _internet, volume=None))


@pytest.fixture(scope="session")
def _builder(
    tmp_path_factory: pytest.TempPathFactory, _layers: dict[str, tuple[Path, ...]], _internet: Internet
) -> Booted:
    return _boot(Machine.create(tmp_path_factory.mktemp("builder"), _layers["deploy"], _internet, volume=None))


def _boot(machine: Machine) -> Booted:
    fill(machine.internet)
    ran = machine.boot()
    assert ran.returncode == 0, ran.stdout
    machine.calls()
    written = {name: value for name, value in machine.internet.parameters.items() if value != "pending"}
    return Booted(layers=machine.layers, parameters=written)


@pytest.fixture
def reached(_internet: Internet) -> Internet:
    """What hosts need is there, and no host has published a key."""
    fill(_internet)
    return _internet


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Disk]:
    """One that nobody has used."""
    with disk(tmp_path / "volume", CONTROLLER.home_volume) as volume:
        yield volume


@pytest.fixture
def start(tmp_path: Path, _layers: dict[str, tuple[Path, ...]], reached: Internet) -> Start:
    """Make a new machine that has read the user data of `controller`, `preview`, `open` or `deploy`."""
    numbers = itertools.count()

    def start(label: str, volume: Disk | None = None) -> Machine:
        return Machine.create(tmp_path / f"machine-{next(numbers)}", _layers[label], reached, volume)

    return start


@pytest.fixture
def controller(tmp_path: Path, _controller: Booted, _volume: Path, reached: Internet) -> Iterator[Machine]:
    """One that has booted."""
    image = tmp_path / "its-volume"
    subprocess.run(["cp", "--sparse=always", _volume, image], check=True, timeout=60)
    reached.parameters.update(_controller.parameters)
    with disk(image, CONTROLLER.home_volume) as volume:
        yield Machine.create(tmp_path / "controller", _controller.layers, reached, volume)


@pytest.fixture
def builder(tmp_path: Path, _builder: Booted, reached: Internet) -> Machine:
    """One for `deploy` that has booted."""
    reached.parameters.update(_builder.parameters)
    return Machine.create(tmp_path / "builder", _builder.layers, reached, volume=None)


@pytest.fixture
def agent(tmp_path: Path, _agent: Booted, reached: Internet) -> Machine:
    """One for `preview` that has booted."""
    reached.parameters.update(_agent.parameters)
    return Machine.create(tmp_path / "agent", _agent.layers, reached, volume=None)


def fill(reached: Internet) -> None:
    """Put everything there that a host asks for."""
    elsewhere = f"release-assets.githubusercontent.com/{_MANAGER}.jar"
    for old in (reached.files, reached.parameters, reached.asked):
        old.clear()
    reached.files.update(
        {
            MANAGER_URL: elsewhere,
            elsewhere: MANAGER,
            PULUMI_URL: _pulumi(),
            KUBECTL_URL: KUBECTL,
            SIGNER_URL: signer(),
            **{plugin_url(plugin): _plugin(plugin) for plugin in PLUGINS.values()},
        }
    )
    reached.parameters.update({f"{PARAMETERS}/{name}": "pending" for name in PUBLIC})


def signer(modulus: int = (1 << 1023) + 5) -> bytes:
    """A public key as it comes from the internet: https://www.rfc-editor.org/rfc/rfc4880#section-5.5.2"""
    numbers = (
        struct.pack(">H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8)
        for value in (modulus, 65537)
    )
    body = bytes([4]) + struct.pack(">I", 1700000000) + bytes([1]) + b"".join(numbers)
    return bytes([0x99]) + struct.pack(">H", len(body)) + body


def fingerprint(key: bytes) -> str:
    """https://www.rfc-editor.org/rfc/rfc4880#section-12.2"""
    return hashlib.sha1(key).hexdigest().upper()  # noqa: S324 - it is made so


def plugins_checksum(pins: Sequence[str]) -> str:
    """Of plugins of which each is its version and a line end."""
    return together({name: checksum(f"{version}\n".encode()) for name, version in (pin.split(":") for pin in pins)})


def checksum(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def plugin_url(plugin: str) -> str:
    """Where the archive of a provider plugin is."""
    return f"get.pulumi.com/releases/plugins/pulumi-resource-{plugin}-linux-amd64.tar.gz"


@functools.cache
def _pulumi() -> bytes:
    """An archive such as that of Pulumi's programs."""
    says = f"#!/bin/sh\necho v{versions.PULUMI}\n"
    return _archive({f"pulumi/{name}": says for name in ("pulumi", "pulumi-language-python")})


@functools.cache
def _plugin(plugin: str) -> bytes:
    """An archive such as that of a provider plugin, with an owner of its own."""
    return _archive({f"pulumi-resource-{plugin.rpartition('-')[0]}": f"#!/bin/sh\necho {plugin}\n"}, owner=1001)


def _archive(programs: Mapping[str, str], owner: int = 0) -> bytes:
    """Programs with one date, and so one checksum."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in programs.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid = len(text), 0o755, owner
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
