"""The node for real: it starts, starts again without a change, survives a crash, and leaves no trace.

These use the one place a rehearsal has on a machine, so they refuse to run over one that is up.
"""

import io
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from rehearsal.node import start, stop
from rehearsal.node.files import node_files
from rehearsal.node.namespace import Namespace
from rehearsal.node.traces import differences, snapshot
from rehearsal.progress import Progress
from rehearsal.toolchain import RehearsalTools

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def nothing_left(tools: RehearsalTools) -> Generator[None]:
    """Around a test: the machine is after `stop` what it was before."""
    assert not node_files().state.exists(), "a rehearsal is up: `make rehearse-down` first"
    before = snapshot(tools.debian / "nft")
    try:
        yield
    finally:
        stop(Progress(io.StringIO()))
    assert differences(before, snapshot(tools.debian / "nft")) == []


def _kubectl(tools: RehearsalTools, *arguments: str) -> str:
    return subprocess.run(
        [tools.kubectl, "--kubeconfig", node_files().kubeconfig, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.usefixtures("nothing_left")
def test_the_node_starts_keeps_what_it_holds_over_a_crash_and_leaves_no_trace(tools: RehearsalTools) -> None:
    progress = Progress(io.StringIO())
    first = start(tools, progress)
    _kubectl(tools, "create", "namespace", "kept")

    began = time.monotonic()
    again = start(tools, progress)
    assert time.monotonic() - began < 2, "a node that runs is left as it is"
    assert again == first

    crashed = Namespace.find(node_files().namespace)
    assert crashed
    crashed.destroy()
    restarted = start(tools, progress)

    assert restarted.namespace != first.namespace
    assert restarted.base_image == first.base_image
    assert "kept" in _kubectl(tools, "get", "namespaces")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("moment", ["run/starting", "run/namespace", "run/etcd.process", "run/kubelet.process"])
def test_a_start_that_is_killed_half_way_leaves_no_trace_after_a_stop(moment: str) -> None:
    begun = node_files().state / moment
    starting = subprocess.Popen(
        [sys.executable, "-m", "rehearsal.node", "up"],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while not begun.exists():
        assert time.monotonic() < deadline
        assert starting.poll() is None
        time.sleep(0.005)
    starting.kill()
    starting.wait()
