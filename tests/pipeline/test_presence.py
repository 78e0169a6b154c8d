"""What there is of an environment, as far as the cluster's answer and the stack's state say so."""

import copy
from collections.abc import Mapping
from typing import Final, cast

import pytest

from pipeline.presence import Presence, compare, listed

IMAGE: Final = f"registry/smallcase:blue-one@sha256:{'a' * 64}"
SAME_IMAGE: Final = f"registry/smallcase:green-one@sha256:{'a' * 64}"
DECLARED: Final[Mapping[str, object]] = {
    "spec": {"replicas": 2.0, "template": {"spec": {"containers": [{"name": "smallcase", "image": IMAGE}]}}}
}
RUNNING: Final[Mapping[str, object]] = {
    "metadata": {"generation": 3},
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "smallcase", "image": SAME_IMAGE}]}}},
    "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
}


def running(**changes: object) -> Mapping[str, object]:
    """A Deployment with another value at a path, as `status__replicas`."""
    found = cast("dict[str, object]", copy.deepcopy(RUNNING))
    for path, value in changes.items():
        *parents, last = path.split("__")
        below = found
        for key in parents:
            below = cast("dict[str, object]", below[key])
        below[last] = value
    return found


def test_what_is_there_and_runs_is_as_it_was_deployed() -> None:
    """A tag may be another: it is the digest that runs."""
    declared = {"namespace/smallcase-blue": {}, "deployment/smallcase": DECLARED}
    assert compare(declared, {"namespace/smallcase-blue": {}, "deployment/smallcase": RUNNING}) == Presence()


def test_what_is_being_deleted_is_gone() -> None:
    going = running(metadata__deletionTimestamp="2026-01-02T03:04:05Z")
    found = compare({"deployment/smallcase": DECLARED, "service/smallcase": {}}, {"deployment/smallcase": going})
    assert found.by_hand == "deployment/smallcase, service/smallcase are gone"


@pytest.mark.parametrize(
    ("changes", "unready"),
    [
        ({"status__observedGeneration": 2}, "a rollout has just begun"),
        ({"status__availableReplicas": 1}, "1 of 2 pods are available"),
        ({"status__availableReplicas": None}, "0 of 2 pods are available"),
        ({"status__updatedReplicas": 1}, "1 of 2 pods are available, and 1 of an older version are there"),
        ({"status__replicas": 3}, "2 of 2 pods are available, and 1 of an older version are there"),
        ({"status": {}}, "a rollout has just begun"),
    ],
)
def test_a_rollout_that_has_not_ended_is_told_by_its_pods(changes: Mapping[str, object], unready: str) -> None:
    found = compare({"deployment/smallcase": DECLARED}, {"deployment/smallcase": running(**changes)})
    assert (found.by_hand, found.unready) == ("", unready)


def test_what_the_state_lists_in_the_cluster_is_looked_for_in_the_namespace_that_it_has_there() -> None:
    def resource(kind: str, id_: str, **more: object) -> Mapping[str, object]:
        return {"type": kind, "id": id_, "inputs": {}, **more}

    namespace, names = listed(
        [
            {"type": "pulumi:pulumi:Stack"},
            resource("aws:route53/record:Record", "Z1_blue"),
            resource("kubernetes:core/v1:Namespace", "smallcase-blue"),
            resource("kubernetes:apps/v1:Deployment", "smallcase-blue/smallcase"),
            resource("kubernetes:core/v1:Service", "smallcase-blue/replaced", delete=True),
        ]
    )
    assert namespace == "smallcase-blue"
    assert set(names) == {"namespace/smallcase-blue", "deployment/smallcase"}
