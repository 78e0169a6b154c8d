"""Nobody but this machine reaches the pods. Uses the one place a rehearsal has, so it refuses to run over one."""

import socket
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from rehearsal import places
from rehearsal.node import machine, packet_filter
from rehearsal.node.files import NodeFiles, node_files
from rehearsal.node.traces import differences, snapshot
from rehearsal.progress import RehearsalError
from rehearsal.toolchain import RehearsalTools
from tests.neighbour import NEIGHBOUR, neighbour, pod

POD: Final = str(places.PODS[9])
PORT: Final = 8080


@pytest.fixture
def nft(tools: RehearsalTools, tmp_path: Path) -> Generator[Path]:
    """The machine as the node prepares it, and as it was afterwards."""
    assert not node_files().state.exists(), "a rehearsal is up: `make rehearse-down` first"
    program = tools.debian / "nft"
    files = NodeFiles(state=tmp_path)
    before = snapshot(program)
    machine.prepare(files, program)
    # As the CNI plugin does with the first pod.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n", encoding="utf-8")
    try:
        yield program
    finally:
        machine.undo(files)
    assert differences(before, snapshot(program)) == []


def this_machine_reaches(host: str) -> bool:
    try:
        with socket.create_connection((host, PORT), timeout=1.5):
            return True
    except OSError:
        return False


@pytest.mark.rehearsal
@pytest.mark.usefixtures("nft")
def test_a_pod_is_reached_from_this_machine_and_from_nobody_in_a_network_with_it() -> None:
    with pod(POD) as one, neighbour() as beside, one.serving(PORT):
        assert this_machine_reaches(POD)
        assert not beside.reaches(POD, PORT)


@pytest.mark.rehearsal
def test_without_the_rule_the_neighbour_would_reach_it(nft: Path) -> None:
    """Or the test above would show nothing."""
    packet_filter.open_again(nft)
    with pod(POD) as one, neighbour() as beside, one.serving(PORT):
        assert beside.reaches(POD, PORT)


@pytest.mark.rehearsal
@pytest.mark.usefixtures("nft")
def test_a_pod_reaches_nobody_in_a_network_with_this_machine() -> None:
    with pod(POD) as one, neighbour() as beside, beside.serving(PORT):
        assert this_machine_reaches(NEIGHBOUR)
        assert not one.reaches(NEIGHBOUR, PORT)


@pytest.mark.rehearsal
def test_setting_the_rule_twice_is_setting_it_once(nft: Path) -> None:
    before = snapshot(nft)
    packet_filter.close(nft)
    assert snapshot(nft) == before


def test_a_kernel_without_packet_filter_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    program = tmp_path / "nft"
    program.write_text(
        "#!/bin/sh\necho 'Could not process rule: Operation not supported' >&2\nexit 1\n", encoding="utf-8"
    )
    program.chmod(0o755)
    with pytest.raises(RehearsalError, match="Operation not supported") as refused:
        packet_filter.close(program)
    assert "nf_tables" in refused.value.way_out
