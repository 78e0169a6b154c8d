"""A command that is ended half-way: what was made is remembered, and the next `up` goes on from there."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final

from rehearsal.cloud.faults import Fault
from tests.engine.world import DEPLOYMENT, IMAGE, INGRESS, NAMESPACE, SERVICE, World, in_namespace, types_in

PATIENCE: Final = 30
"""Seconds until a command that should have got somewhere, or ended, is taken to hang."""

WHOLE: Final = {NAMESPACE, SERVICE, INGRESS, DEPLOYMENT}


@contextmanager
def under_way(world: World) -> Generator[tuple["subprocess.Popen[str]", list[int]]]:
    """An `up` of `develop` that is making the Ingress, after the Service and before the Deployment; with the
    processes that it started."""
    world.create("develop")
    slow = Fault(type=INGRESS, seconds=2)
    world.cloud.faults.order(slow)
    running = world.harness.start("up", "--stack", "develop", "--yes", "--skip-preview")
    children: list[int] = []
    try:
        wait_until(lambda: world.cloud.faults.calls(slow) > 0)
        children.extend(started_by(running.pid))
        yield running, children
    finally:
        for process in (running.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.communicate(timeout=PATIENCE)


def started_by(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, encoding="utf-8", check=True, timeout=PATIENCE
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, its_parent in pairs if int(its_parent) == parent]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, "the command did not get there"
        time.sleep(0.01)


def test_an_interrupted_up_ends_after_what_it_had_begun_and_the_next_one_does_the_rest(live: World) -> None:
    with under_way(live) as (running, _):
        # As a terminal does it: the signal goes to everything that the command started.
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode not in (0, None)
    assert "Traceback" not in said
    assert types_in(in_namespace(live.account(), "smallcase-develop")) == WHOLE - {DEPLOYMENT}
    resumed = live.up("develop")
    assert resumed.succeeded, resumed.outcome.output
    assert {NAMESPACE, SERVICE, INGRESS, IMAGE}.isdisjoint(resumed.outcome.changes())
    assert types_in(in_namespace(resumed.after, "smallcase-develop")) == WHOLE


def test_a_killed_up_leaves_no_process_but_a_lock_that_names_the_way_out_after_which_the_next_one_does_the_rest(
    live: World,
) -> None:
    with under_way(live) as (running, children):
        running.kill()
        running.wait(timeout=PATIENCE)
        assert children
        wait_until(lambda: not any(map(is_alive, children)))
    wait_until(lambda: live.cloud.find(INGRESS, "smallcase-develop/smallcase") is not None)
    locked = live.up("develop")
    assert not locked.succeeded
    assert "`pulumi cancel`" in locked.outcome.output
    assert locked.after == locked.before
    assert live.up("green", "--expect-no-changes").succeeded
    cancelled = live.harness.pulumi("cancel", "--stack", "develop", "--yes")
    assert cancelled.code == 0, cancelled.output
    resumed = live.up("develop")
    assert resumed.succeeded, resumed.outcome.output
    assert types_in(in_namespace(resumed.after, "smallcase-develop")) == WHOLE
