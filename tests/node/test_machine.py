"""What the node refuses before it changes anything, and how what it changed is undone."""

import json
import os
import socket
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from rehearsal import places
from rehearsal.node import lifecycle, machine
from rehearsal.node.files import MARKER, NodeFiles
from rehearsal.node.traces import differences
from rehearsal.progress import RehearsalError

ROUTES = """\
default via 192.0.2.1 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
10.213.0.0/16 dev tun0 scope link
"""


def test_a_route_into_the_clusters_network_is_found() -> None:
    assert machine.overlapping_route(ROUTES, IPv4Network("10.213.77.0/24")) == "10.213.0.0/16 dev tun0 scope link"


def test_a_default_route_and_other_networks_do_not_overlap() -> None:
    assert machine.overlapping_route(ROUTES, IPv4Network("10.214.77.0/24")) is None


def test_a_state_directory_of_someone_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    with pytest.raises(RehearsalError, match="was not made by this project"):
        machine.check_state_directory(NodeFiles(state=tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("content", [(), (MARKER,)])
def test_a_state_directory_that_somebody_else_owns_is_refused(tmp_path: Path, content: tuple[str, ...]) -> None:
    for name in content:
        (tmp_path / name).touch()
    os.chown(tmp_path, 1000, 1000)
    with pytest.raises(RehearsalError, match="belongs to user 1000, who could read the keys") as refused:
        machine.check_state_directory(NodeFiles(state=tmp_path))
    assert "XDG_STATE_HOME" in refused.value.way_out


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [None, 0o777])
def test_nobody_else_enters_the_state_directory(tmp_path: Path, umask: int, mode: int | None) -> None:
    files = NodeFiles(state=tmp_path / "state")
    if mode is not None:
        files.state.mkdir()
        files.state.chmod(mode)
    before = os.umask(umask)
    try:
        lifecycle._make_state(files)  # pyright: ignore[reportPrivateUsage]
    finally:
        os.umask(before)
    assert files.state.stat().st_mode & 0o777 == 0o700
    assert files.registry_password.stat().st_mode & 0o777 == 0o600


def test_an_empty_or_missing_state_directory_is_taken(tmp_path: Path) -> None:
    machine.check_state_directory(NodeFiles(state=tmp_path))
    machine.check_state_directory(NodeFiles(state=tmp_path / "none"))


def test_a_taken_port_is_refused_with_the_command_that_shows_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = places.Endpoint(host="127.0.0.1", port=holder.getsockname()[1])
        monkeypatch.setattr(machine, "ENDPOINTS", (taken,))

        with pytest.raises(RehearsalError, match=f"{taken} is taken") as refused:
            machine.check_free("", Path("/nonexistent/nft"))

    assert f":{taken.port}" in refused.value.way_out


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours is taken, whatever runs on this machine."""
    monkeypatch.setattr(machine, "ENDPOINTS", ())
    monkeypatch.setattr(places, "BRIDGE", "smallcase-none")


def fake_nft(directory: Path, *tables: str) -> Path:
    program = directory / "nft"
    lines = "\\n".join(f"table {table}" for table in tables)
    program.write_text(f'#!/bin/sh\nprintf "{lines}\\n"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize("table", ["ip kube-proxy", "ip6 kube-proxy"])
def test_a_machine_with_another_kubernetes_node_is_refused_by_its_packet_filter(tmp_path: Path, table: str) -> None:
    with pytest.raises(RehearsalError, match=f"nftables table `{table}`: another Kubernetes node") as refused:
        machine.check_free("", fake_nft(tmp_path, "inet filter", table))
    assert f"`nft delete table {table}`" in refused.value.way_out


@pytest.mark.usefixtures("free")
def test_packet_filters_of_others_are_no_reason_to_refuse(tmp_path: Path) -> None:
    machine.check_free(ROUTES.splitlines()[0], fake_nft(tmp_path, "inet filter", "ip nat"))


@pytest.mark.usefixtures("free")
def test_a_network_that_overlaps_the_clusters_is_refused(tmp_path: Path) -> None:
    route = f"{places.PODS} dev tun0 scope link"
    with pytest.raises(RehearsalError, match="overlaps") as refused:
        machine.check_free(route, fake_nft(tmp_path))
    assert "Disconnect that network" in refused.value.way_out


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for control groups, on a machine that has everything else."""
    root = tmp_path / "cgroup"
    root.mkdir()
    monkeypatch.setattr(machine, "CGROUP_ROOT", root)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", str)
    return root


@pytest.mark.parametrize(
    ("controllers", "lacking"),
    [("cpuset cpu io pids", "memory"), ("memory", "cpu, pids"), ("", "cpu, memory, pids")],
)
def test_a_machine_whose_kernel_counts_too_little_is_refused_by_what_it_lacks(
    cgroups: Path, tmp_path: Path, controllers: str, lacking: str
) -> None:
    (cgroups / "cgroup.controllers").write_text(f"{controllers}\n", encoding="utf-8")
    with pytest.raises(RehearsalError, match=f"The control groups {lacking} are not mounted below {cgroups}"):
        machine.check_machine(NodeFiles(state=tmp_path / "state"))


def test_control_groups_of_either_version_will_do(cgroups: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    # A short name: the path of a socket is below it.
    files = NodeFiles(state=tmp_path_factory.mktemp("s"))
    for name in ("cpu,cpuacct", "memory", "pids"):
        (cgroups / name).mkdir()
        (cgroups / name / "cgroup.procs").touch()
    machine.check_machine(files)
    (cgroups / "cgroup.controllers").write_text("cpu memory pids\n", encoding="utf-8")
    machine.check_machine(files)


@pytest.mark.usefixtures("cgroups")
def test_a_machine_without_its_programs_is_refused_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None if program in {"ip", "nsenter"} else program)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(RehearsalError, match="lacks nsenter, ip"):
        machine.check_machine(NodeFiles(state=tmp_path / "state"))


def test_the_ports_of_the_load_balancers_are_looked_at_too() -> None:
    first = str(places.LOAD_BALANCERS[1])
    assert {(first, 80), (first, 443)} <= {(endpoint.host, endpoint.port) for endpoint in machine.ENDPOINTS}


def test_the_rehearsal_needs_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(RehearsalError, match="needs root; this is user 1000") as refused:
        machine.check_machine(NodeFiles(state=tmp_path))
    assert "sudo make rehearse" in refused.value.way_out


def test_another_system_than_linux_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(RehearsalError, match="needs Linux; this is darwin"):
        machine.check_machine(NodeFiles(state=tmp_path))


def test_what_the_machine_was_like_is_written_down_once(tmp_path: Path) -> None:
    files = NodeFiles(state=tmp_path)
    machine.record_changes(files, Path("/first/nft"))
    machine.record_changes(files, Path("/second/nft"))

    changes = machine.read_changes(files)

    assert changes.nft == "/first/nft"
    assert changes.sysctls["kernel/panic"] == Path("/proc/sys/kernel/panic").read_text(encoding="utf-8").strip()


@pytest.fixture
def another_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[NodeFiles, Path]:
    """The record of a rehearsal, on a machine with a Kubernetes node, and where `nft` writes what it is told."""
    monkeypatch.setattr(machine, "SYSCTLS", ())
    monkeypatch.setattr(machine, "CGROUP_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(places, "BRIDGE", "smallcase-none")
    monkeypatch.setattr(places, "HOSTS_FILE", tmp_path / "hosts")
    told = tmp_path / "told"
    nft = tmp_path / "nft"
    nft.write_text(f'#!/bin/sh\necho "$*" >>"{told}"\necho "table ip kube-proxy"\n', encoding="utf-8")
    nft.chmod(0o755)
    files = NodeFiles(state=tmp_path)
    machine.record_changes(files, nft)
    return files, told


def test_what_is_in_the_kernel_is_undone_in_the_boot_in_which_it_was_done(
    another_node: tuple[NodeFiles, Path],
) -> None:
    files, told = another_node
    machine.undo(files)
    assert "delete table ip kube-proxy" in told.read_text(encoding="utf-8")
    assert not files.changes.exists()


def test_after_a_restart_what_another_node_has_in_the_kernel_is_left_alone(
    another_node: tuple[NodeFiles, Path],
) -> None:
    files, told = another_node
    written = json.loads(files.changes.read_bytes())
    files.changes.write_text(json.dumps({**written, "boot": "an earlier one"}), encoding="utf-8")
    machine.undo(files)
    assert not told.exists()
    assert not files.changes.exists()


def test_a_device_that_somebody_else_put_on_the_bridge_is_only_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "BRIDGE", "lo")  # One that every machine has; `ip` is played.
    told, program = tmp_path / "told", tmp_path / "ip"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>"{told}"\n'
        "case $* in\n"
        "    *'type veth'*) echo '7: veth12ab@if2: <BROADCAST,UP> mtu 1500 master lo' ;;\n"
        "    *show*) echo '7: veth12ab@if2: <BROADCAST>'; echo '8: tap0: <BROADCAST>' ;;\n"
        "esac\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    machine._remove_devices()  # pyright: ignore[reportPrivateUsage]
    deleted = [line for line in told.read_text(encoding="utf-8").splitlines() if "delete" in line]
    assert deleted == ["link delete veth12ab", "link delete lo"]


def test_differences_name_what_came_and_what_went() -> None:
    before = {"mounts": ["/", "/proc"], "network devices": ["lo"]}
    after = {"mounts": ["/"], "network devices": ["lo", "smallcase0"]}
    assert differences(before, after) == ["mounts: - /proc", "network devices: + smallcase0"]
