"""What the node refuses before it changes anything, and how what it changed is undone."""

import socket
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from rehearsal import places
from rehearsal.node import machine
from rehearsal.node.files import NodeFiles
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
    assert changes.sysctls["kernel/panic"] == Path("/proc/sys/kernel/panic").read_text().strip()


def test_differences_name_what_came_and_what_went() -> None:
    before = {"mounts": ["/", "/proc"], "network devices": ["lo"]}
    after = {"mounts": ["/"], "network devices": ["lo", "smallcase0"]}
    assert differences(before, after) == ["mounts: - /proc", "network devices: + smallcase0"]
