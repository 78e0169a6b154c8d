"""What breaks on the way: the command fails with the reason, and what ran before still runs."""

from typing import Final

import pytest

from rehearsal.cloud.faults import Fault
from tests.engine.world import (
    CLUSTER,
    DEPLOYMENT,
    IMAGE,
    INGRESS,
    RELEASE,
    World,
    deployment,
    image_of,
    in_namespace,
    types_in,
)

REGISTRY_DOWN: Final = (
    'failed to push 123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase: failed to do request: Head "https://…": '
    "dial tcp: lookup 123456789012.dkr.ecr.us-east-1.amazonaws.com: no such host"
)
DOCKERFILE_FAILS: Final = (
    'failed to solve: process "/bin/sh -c pip install" did not complete successfully: exit code: 1'
)
CLUSTER_DOWN: Final = 'configured Kubernetes cluster is unreachable: Get "https://…/version": dial tcp: i/o timeout'
NEVER_READY: Final = (
    'the Kubernetes API server reported that "smallcase-green/smallcase" failed to fully initialize or become live: '
    "'smallcase' timed out waiting to be Ready: Minimum number of live Pods was not attained"
)


@pytest.mark.parametrize(
    ("type", "message"), [(IMAGE, REGISTRY_DOWN), (IMAGE, DOCKERFILE_FAILS), (DEPLOYMENT, CLUSTER_DOWN)]
)
def test_an_update_that_cannot_be_made_leaves_what_runs_and_the_next_one_makes_it(
    live: World,
    type: str,
    message: str,
) -> None:
    live.cloud.faults.order(Fault(type=type, operation="update", message=message))
    with live.changed_page():
        failed = live.up("green")
        made = live.up("green")
    assert failed.outcome.code not in (0, None)
    (said,) = failed.outcome.errors()
    assert message in said
    assert "Traceback" not in failed.outcome.output
    assert in_namespace(failed.after, "smallcase-green") == in_namespace(failed.before, "smallcase-green")
    assert made.succeeded, made.outcome.output
    assert "-dirty-" in image_of(deployment(made.after, "smallcase-green"))


def test_an_app_that_never_becomes_ready_takes_no_pod_from_the_old_one_and_going_back_mends_it(live: World) -> None:
    live.cloud.faults.order(Fault(type=DEPLOYMENT, operation="update", message=NEVER_READY, when="after"))
    before = deployment(live.account(), "smallcase-green")
    with live.changed_page():
        failed = live.up("green")
    back = live.up("green")
    assert failed.outcome.code not in (0, None)
    (said,) = failed.outcome.errors()
    assert NEVER_READY in said
    assert "Traceback" not in failed.outcome.output
    rollout = deployment(failed.after, "smallcase-green").outputs["spec"]
    assert isinstance(rollout, dict)
    assert rollout["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0},
    }
    assert back.succeeded, back.outcome.output
    assert image_of(deployment(back.after, "smallcase-green")) == image_of(before)


def test_a_new_environment_whose_image_fails_has_no_pods_and_is_finished_by_the_next_up(live: World) -> None:
    live.cloud.faults.order(Fault(type=IMAGE, message=DOCKERFILE_FAILS))
    live.create("develop")
    failed, finished = live.up("develop"), live.up("develop")
    assert not failed.succeeded
    assert (DEPLOYMENT, "smallcase-develop/smallcase") not in failed.after
    assert finished.succeeded, finished.outcome.output
    assert (DEPLOYMENT, "smallcase-develop/smallcase") in finished.after


def test_a_half_changed_platform_still_carries_its_environments_and_is_finished_by_the_next_up(live: World) -> None:
    """What a failed `up` shows as removed outputs is still in the state."""
    offered = live.harness.outputs("platform")
    live.cloud.faults.throttle("aws:ec2/natGateway:NatGateway", times=1)
    with live.settings("platform", {"smallcase:natGateways": "per-zone"}):
        failed = live.up("platform")
        meanwhile = live.up("green", "--expect-no-changes")
        kept = live.harness.outputs("platform")
        finished = live.up("platform")
    assert not failed.succeeded
    assert "ThrottlingException" in failed.outcome.output
    assert kept == offered
    assert meanwhile.succeeded, meanwhile.outcome.output
    assert finished.succeeded, finished.outcome.output


def test_an_unprotected_platform_destroyed_under_an_environment_takes_its_cluster_and_fails_on_its_load_balancer(
    live: World,
) -> None:
    """Protection is all that keeps anybody from it: neither stack knows of the other's resources."""
    live.unprotect("platform")
    destroyed = live.destroy("platform")
    assert destroyed.outcome.code not in (0, None)
    assert all("DependencyViolation" in message for message in destroyed.outcome.errors())
    assert not {CLUSTER, RELEASE} & types_in(destroyed.after)
    assert {INGRESS, "aws:ec2/subnet:Subnet", "aws:ec2/vpc:Vpc"} <= types_in(destroyed.after)
    environment = live.destroy("green")
    assert not environment.succeeded
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in environment.outcome.output
