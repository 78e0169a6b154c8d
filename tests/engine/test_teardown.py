"""The verb that takes a platform down, on the real engine, with what goes wrong on the way."""

import json
import os
import signal
import time
from typing import Final

import pytest

from rehearsal.cloud.faults import Fault
from rehearsal.cloud.properties import Properties
from tests.engine.terminal import WITHIN, Operator
from tests.engine.world import (
    CLUSTER,
    IMAGE,
    INGRESS,
    RELEASE,
    REPOSITORY,
    World,
    in_namespace,
    types_in,
)

TEARDOWN: Final = ("pipeline", "teardown", "platform", "--really", "platform")
"""Module and arguments."""
HANGS: Final = (
    "timed out waiting for the condition: smallcase-green/smallcase has a finalizer, ingress.k8s.aws/resources"
)


def assert_platform_stands(world: World) -> None:
    assert {CLUSTER, RELEASE, REPOSITORY, "aws:ec2/vpc:Vpc"} <= types_in(world.account())
    protected = [resource for resource in world.harness.state("platform") if resource.get("protect")]
    assert any(resource["type"] == RELEASE for resource in protected)


@pytest.mark.trap("T32")
@pytest.mark.timeout(300)
def test_a_stuck_ingress_leaves_the_platform_as_it_was_and_once_it_is_free_the_verb_goes_on(
    operator: Operator,
) -> None:
    world = operator.world
    world.cloud.faults.order(Fault(type=INGRESS, operation="delete", message=HANGS))
    stuck = operator.ran(*TEARDOWN)
    assert stuck.code == 1
    assert HANGS in stuck.output
    assert "Traceback" not in stuck.output
    assert world.cloud.of(INGRESS)
    assert_platform_stands(world)
    # The repository holds images, and says so; everything else goes.
    freed = operator.ran(*TEARDOWN)
    assert freed.code == 1
    assert "still contains images" in freed.output
    assert not in_namespace(world.account(), "smallcase-green")
    assert {REPOSITORY, IMAGE} <= types_in(world.account())
    world.empty_repository()
    emptied = operator.ran(*TEARDOWN)
    assert emptied.code == 0, emptied.output
    assert world.account() == {}


@pytest.mark.trap("T32")
def test_an_ingress_that_no_stack_knows_keeps_the_platform(operator: Operator) -> None:
    world = operator.world
    [green] = world.cloud.of(INGRESS)
    by_hand: Properties = {"metadata": {"namespace": "smallcase-shop", "name": "basket"}, "spec": green.inputs["spec"]}
    world.cloud.create(INGRESS, "basket", {**green.inputs, **by_hand})
    refused = operator.ran(*TEARDOWN)
    assert refused.code == 3
    assert "smallcase-shop/basket" in refused.stderr
    assert "Traceback" not in refused.output
    assert not in_namespace(world.account(), "smallcase-green")
    assert_platform_stands(world)


@pytest.mark.trap("T32")
def test_a_cluster_that_does_not_answer_keeps_the_platform(operator: Operator) -> None:
    operator.lose_the_cluster()
    refused = operator.ran(*TEARDOWN)
    assert refused.code == 3
    assert "docs/recovery.md" in refused.stderr
    assert "Traceback" not in refused.output
    assert_platform_stands(operator.world)


@pytest.mark.trap("T32", "T55")
@pytest.mark.timeout(300)
def test_interrupted_half_way_it_waits_for_pulumi_leaves_no_lock_and_goes_on_when_run_again(operator: Operator) -> None:
    world = operator.world
    slow = Fault(type=RELEASE, operation="delete", seconds=3)
    world.cloud.faults.order(slow)
    running = operator.start(*TEARDOWN)
    deadline = time.monotonic() + WITHIN
    while not world.cloud.faults.calls(slow):
        assert time.monotonic() < deadline
        assert running.poll() is None, operator.end(running).output
        time.sleep(0.05)
    # As a terminal does it: the signal goes to everything that runs there.
    os.killpg(running.pid, signal.SIGINT)
    stopped = operator.end(running)
    assert stopped.code == 130, stopped.output[-2500:]
    assert "Traceback" not in stopped.output
    assert not in_namespace(world.account(), "smallcase-green")
    assert CLUSTER in types_in(world.account())
    locks = list((world.directory / "state" / ".pulumi" / "locks").rglob("*.json"))
    assert [json.loads(lock.read_bytes()) for lock in locks] == []
    world.empty_repository()
    again = operator.ran(*TEARDOWN)
    assert again.code == 0, again.output
    assert world.account() == {}
