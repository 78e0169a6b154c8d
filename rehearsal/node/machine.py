"""This machine outside the state directory: what it must offer, what is changed on it, and how that is undone.

Every change is written down before it is made, and undoing it twice does no harm: so it is undone after a crash at any
moment, too.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final, cast, final

from rehearsal import hosts_file, places
from rehearsal.node import packet_filter
from rehearsal.node.configuration import CGROUP, HIDDEN
from rehearsal.node.files import NodeFiles
from rehearsal.node.namespace import boot_id
from rehearsal.progress import RehearsalError
from rehearsal.removal import MARKER

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")

SYSCTLS: Final = (
    # What the kubelet sets (pkg/kubelet/cm: setupKernelTunables) …
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    # … the CNI plugin `bridge` …
    "net/ipv4/ip_forward",
    # … and the node itself, so that a pod reaches another one through a Service.
    "net/bridge/bridge-nf-call-iptables",
)

NFTABLES: Final = ("ip kube-proxy", "ip6 kube-proxy")

_FIRST_LOAD_BALANCER: Final = str(places.LOAD_BALANCERS[1])
ENDPOINTS: Final = (
    *(value for value in vars(places).values() if isinstance(value, places.Endpoint)),
    # A web server of this machine that listens at every address has them all.
    *(places.Endpoint(host=_FIRST_LOAD_BALANCER, port=port) for port in (80, 443)),
)
"""Where something of the rehearsal listens."""


@final
@dataclass(frozen=True, kw_only=True)
class Changes:
    """What was found before the first change: sysctl values, and the directories that had to be made; and the `nft`
    that takes the tables away."""

    boot: str
    """During which boot of the machine. What is in the kernel goes with it, and what is there later is another's."""
    nft: str
    sysctls: Mapping[str, str]
    directories: tuple[str, ...]


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name


def check_machine(files: NodeFiles) -> None:
    """Refuse a machine that cannot run the node, before anything is changed. Raises RehearsalError."""
    check_user()
    missing = [program for program in ("unshare", "nsenter", "ip", "mount", "setsid") if not shutil.which(program)]
    if missing:
        raise RehearsalError(
            f"This machine lacks {', '.join(missing)}.",
            "Install the packages `util-linux` and `iproute2`, and try again.",
        )
    hierarchies = _hierarchies()
    controllers = {controller for hierarchy in hierarchies for controller in _controllers(hierarchy)}
    lacking = sorted({"cpu", "memory", "pids"} - controllers)
    if lacking:
        raise RehearsalError(
            f"The control groups {', '.join(lacking)} are not mounted below {CGROUP_ROOT}.",
            "The kubelet cannot run pods without them. Mount them, or use a machine with systemd.",
        )
    if len(str(files.buildkit_socket)) > 100:
        raise RehearsalError(
            f"The path {files.buildkit_socket} is too long for a socket (100 characters at most).",
            "Set XDG_STATE_HOME to a shorter directory and try again.",
        )
    check_state_directory(files)


def check_user() -> None:
    """Refuse another system than Linux and another user than root. Raises RehearsalError."""
    if sys.platform != "linux":
        raise RehearsalError(
            f"The rehearsal runs containers and needs Linux; this is {sys.platform}.",
            "Run it in a Linux machine (a virtual one will do). `make test` needs neither Linux nor root.",
        )
    if os.geteuid() != 0:
        raise RehearsalError(
            f"The rehearsal runs a Kubernetes node and needs root; this is user {os.geteuid()}.",
            "Run `sudo make rehearse`, and its other commands with sudo too. `make test` needs no root.",
        )


def check_state_directory(files: NodeFiles) -> None:
    """Refuse a state directory that this project or this user did not make. Raises RehearsalError."""
    if files.state.exists() and not files.marker.exists() and any(files.state.iterdir()):
        raise RehearsalError(
            f"{files.state} exists and was not made by this project (it has no file {MARKER}).",
            "Move it away, or set XDG_STATE_HOME to another directory, and try again.",
        )
    if files.state.exists() and files.state.stat().st_uid != os.geteuid():
        raise RehearsalError(
            f"{files.state} belongs to user {files.state.stat().st_uid}, who could read the keys in it.",
            "Set XDG_STATE_HOME to a directory of your own, and try again.",
        )


def check_ports() -> None:
    """Refuse where something else listens at an address and port of ours. Raises RehearsalError."""
    for endpoint in ENDPOINTS:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((endpoint.host, endpoint.port))
            except OSError as error:
                raise RehearsalError(
                    f"{endpoint} is taken ({error.strerror}), and the rehearsal needs it.",
                    f"`ss -ltnp 'sport = :{endpoint.port}'` shows who listens there; end it and try again.",
                ) from None


def check_free(routes: str, nft: Path) -> None:
    """Refuse to start where something else holds a port, the device, the addresses or the nftables tables we need.

    `routes` is what `ip -4 route show table main` says. Raises RehearsalError.
    """
    check_ports()
    if Path(f"/sys/class/net/{places.BRIDGE}").exists():
        raise RehearsalError(
            f"There is a network device {places.BRIDGE} that this rehearsal did not make.",
            f"If it was left by a lost rehearsal, remove it: `ip link delete {places.BRIDGE}`.",
        )
    if tables := kube_proxy_tables(nft):
        raise RehearsalError(
            f"There is an nftables table `{tables[0]}`: another Kubernetes node runs on this machine, or did.",
            f"Run the rehearsal elsewhere; if no other node runs, remove it: `nft delete table {tables[0]}`.",
        )
    for network in (places.PODS, places.SERVICES):
        if route := overlapping_route(routes, network):
            raise RehearsalError(
                f"The route `{route}` of this machine overlaps {network}, which the rehearsal's cluster uses.",
                "Disconnect that network (a VPN, a container network) while the rehearsal runs.",
            )


def overlapping_route(routes: str, network: IPv4Network) -> str | None:
    """The first route, other than a default one, whose destination shares addresses with the network."""
    for line in routes.splitlines():
        words = line.split()
        with suppress(ValueError, IndexError):
            if IPv4Network(words[0]).prefixlen > 0 and IPv4Network(words[0]).overlaps(network):
                return line.strip()
    return None


def routes() -> str:
    """The machine's IPv4 routes, as `ip` prints them."""
    return _output("ip", "-4", "route", "show", "table", "main")


def record_changes(files: NodeFiles, nft: Path) -> None:
    """Write down what the machine is like before anything is changed, once for a rehearsal."""
    if files.changes.exists():
        return
    made = [str(path) for hidden in HIDDEN for path in _missing_directories(hidden)]
    changes = Changes(
        boot=boot_id(),
        nft=str(nft),
        sysctls={name: _sysctl(name).read_text(encoding="utf-8").strip() for name in SYSCTLS if _sysctl(name).exists()},
        directories=tuple(dict.fromkeys(made)),
    )
    unfinished = files.changes.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(changes)), encoding="utf-8")
    unfinished.replace(files.changes)


def _missing_directories(path: Path) -> Iterable[Path]:
    """The directories that `mkdir -p` would make, the outermost first."""
    missing: list[Path] = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    return reversed(missing)


def prepare(files: NodeFiles, nft: Path) -> None:
    """Make the changes: the packet rule, directories to mount on, control groups, the bridge with its routes, and the
    hosts file's line."""
    record_changes(files, nft)
    packet_filter.close(nft)
    for path in HIDDEN:
        path.mkdir(parents=True, exist_ok=True)
    for hierarchy in _hierarchies():
        _make_cgroup(hierarchy)
    if not Path(f"/sys/class/net/{places.BRIDGE}").exists():
        _ip("link", "add", places.BRIDGE, "type", "bridge")
    _ip("address", "replace", f"{places.BRIDGE_ADDRESS}/{places.PODS.prefixlen}", "dev", places.BRIDGE)
    _ip("link", "set", places.BRIDGE, "up")
    # Without a default route (a machine off the network) a Service would be unreachable before it is translated.
    _ip("route", "replace", str(places.SERVICES), "dev", places.BRIDGE)
    bridge_filter = _sysctl("net/bridge/bridge-nf-call-iptables")
    if bridge_filter.exists():
        bridge_filter.write_text("1\n", encoding="utf-8")
    # So that the API server calls the kubelet by name, on loopback.
    hosts_file.write_names(places.HOSTS_FILE, hosts_file.NODE, {places.NODE_NAME: places.KUBELET.host})


def undo(files: NodeFiles) -> None:
    """Undo every change that was written down, in the reverse order. The processes must be gone."""
    if not files.changes.exists():
        return
    changes = read_changes(files)
    hosts_file.forget_names(places.HOSTS_FILE)
    if changes.boot == boot_id():
        _undo_in_the_kernel(changes)
    for directory in reversed(changes.directories):
        with suppress(OSError):
            Path(directory).rmdir()
    files.changes.unlink()


def _undo_in_the_kernel(changes: Changes) -> None:
    nft = Path(changes.nft)
    for table in kube_proxy_tables(nft):
        subprocess.run([nft, "delete", "table", *table.split()], capture_output=True, check=False)
    _remove_devices()
    if nft.exists():
        packet_filter.open_again(nft)
    for hierarchy in _hierarchies():
        _remove_cgroup(hierarchy / CGROUP)
    for name, value in changes.sysctls.items():
        # Writing some of them resets others, so one that is as it was is left alone.
        if _sysctl(name).exists() and _sysctl(name).read_text(encoding="utf-8").strip() != value:
            _sysctl(name).write_text(f"{value}\n", encoding="utf-8")


def read_changes(files: NodeFiles) -> Changes:
    """What was written down."""
    content = cast("dict[str, object]", json.loads(files.changes.read_bytes()))
    return Changes(
        boot=cast("str", content.get("boot", boot_id())),
        nft=cast("str", content["nft"]),
        sysctls=cast("dict[str, str]", content["sysctls"]),
        directories=tuple(cast("list[str]", content["directories"])),
    )


def kube_proxy_tables(nft: Path) -> list[str]:
    """Those of NFTABLES that the kernel has."""
    listed = _output(str(nft), "list", "tables").splitlines() if nft.exists() else []
    return [table for table in NFTABLES if f"table {table}" in listed]


def _remove_devices() -> None:
    """Delete the bridge, and the pods' ends of the cables that hang on it. A device of another kind is let go."""
    if not Path(f"/sys/class/net/{places.BRIDGE}").exists():
        return
    for cable in _output("ip", "-oneline", "link", "show", "type", "veth", "master", places.BRIDGE).splitlines():
        name = cable.split(": ")[1].partition("@")[0]
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
    _ip("link", "delete", places.BRIDGE)


def _hierarchies() -> list[Path]:
    """The roots of the control groups: one in version 2, one for each controller in version 1."""
    if (CGROUP_ROOT / "cgroup.controllers").exists():
        return [CGROUP_ROOT]
    # Several names may lead to one hierarchy (cpu, cpuacct → cpu,cpuacct).
    found = {path.resolve() for path in CGROUP_ROOT.glob("*") if (path / "cgroup.procs").exists()}
    return sorted(found)


def _controllers(hierarchy: Path) -> list[str]:
    listed = hierarchy / "cgroup.controllers"
    return listed.read_text(encoding="utf-8").split() if listed.exists() else hierarchy.name.split(",")


def _make_cgroup(hierarchy: Path) -> None:
    group = hierarchy / CGROUP
    listed = hierarchy / "cgroup.controllers"
    enable = ""
    if listed.exists():
        enable = " ".join(f"+{controller}" for controller in listed.read_text(encoding="utf-8").split())
        with suppress(OSError):
            (hierarchy / "cgroup.subtree_control").write_text(enable, encoding="utf-8")
    group.mkdir(exist_ok=True)
    if listed.exists():
        with suppress(OSError):
            (group / "cgroup.subtree_control").write_text(enable, encoding="utf-8")
    # A new group of cpuset (version 1) has no processor and no memory, and takes no process until it has.
    for name in ("cpuset.cpus", "cpuset.mems"):
        inherited = hierarchy / name
        if inherited.exists() and not listed.exists():
            (group / name).write_text(inherited.read_text(encoding="utf-8"), encoding="utf-8")


def _remove_cgroup(group: Path) -> None:
    if not group.is_dir():
        return
    for directory, _, _ in os.walk(group, topdown=False):
        _retry(Path(directory).rmdir)


def _retry(action: Callable[[], None], attempts: int = 50) -> None:
    """A control group is busy for a moment after its last process ended."""
    for _ in range(attempts):
        try:
            return action()
        except FileNotFoundError:
            return None
        except OSError:
            time.sleep(0.05)
    return action()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        raise RehearsalError(
            f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}",
            "The rehearsal needs the right to make network devices (CAP_NET_ADMIN) and the kernel's bridge driver.",
        )


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True).stdout
