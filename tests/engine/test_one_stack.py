"""A platform and an environment in one stack (`platform: self`), and another environment on it."""

import pytest

from tests.engine.stories import (
    ATTACHMENT,
    CONFIG_MAP,
    ENTRY,
    NAT,
    OIDC,
    PROFILE,
    ROUTE,
    ROUTES_OF_SUBNET,
    SUBNET,
    VPC,
    Life,
    Steps,
)
from tests.engine.world import (
    CLUSTER,
    DEPLOYMENT,
    IMAGE,
    INGRESS,
    NAMESPACE,
    OWN_NAMESPACE,
    RELEASE,
    REPOSITORY,
    SERVICE,
    deployment,
    in_namespace,
    replicas_of,
    types_in,
)

# The first of them waits for the story.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def steps(both_layers_in_one: Life) -> Steps:
    return both_layers_in_one.steps


def test_on_an_empty_account_one_up_brings_both_layers_and_a_preview_nothing(steps: Steps) -> None:
    preview, up = steps["preview", "green"], steps["up", "green"]
    assert preview.succeeded, preview.outcome.output
    assert preview.after == {}
    assert up.succeeded, up.outcome.output
    assert up.outcome.changes() == preview.outcome.changes()
    assert {VPC, REPOSITORY, CLUSTER, RELEASE, IMAGE, DEPLOYMENT} <= types_in(up.after)


@pytest.mark.parametrize("first", [ATTACHMENT, NAT, OIDC, PROFILE, ROUTE, ROUTES_OF_SUBNET])
def test_the_ingress_controller_waits_for_what_its_pods_need(steps: Steps, first: str) -> None:
    assert steps["up", "green"].outcome.ends_before("create", first, RELEASE)


@pytest.mark.parametrize("first", [NAT, ROUTE, ROUTES_OF_SUBNET])
def test_the_cluster_waits_for_its_network(steps: Steps, first: str) -> None:
    assert steps["up", "green"].outcome.ends_before("create", first, CLUSTER)


@pytest.mark.parametrize("first", [CLUSTER, OIDC, PROFILE])
@pytest.mark.parametrize("then", [ENTRY, RELEASE, NAMESPACE])
def test_what_is_made_in_the_cluster_waits_until_the_whole_of_it_stands(steps: Steps, first: str, then: str) -> None:
    assert steps["up", "green"].outcome.ends_before("create", first, then)


def test_what_is_in_a_namespace_of_the_platform_waits_for_it(steps: Steps) -> None:
    assert steps["up", "green"].outcome.ends_before("create", f"smallcase:platform:Logging${NAMESPACE}", CONFIG_MAP)


@pytest.mark.parametrize(
    ("first", "then"), [(RELEASE, OWN_NAMESPACE), (OWN_NAMESPACE, SERVICE), (SERVICE, INGRESS), (INGRESS, DEPLOYMENT)]
)
def test_the_environment_waits_for_the_ingress_controller_and_its_pods_for_the_way_to_them(
    steps: Steps, first: str, then: str
) -> None:
    assert steps["up", "green"].outcome.ends_before("create", first, then)


def test_a_refresh_and_a_second_up_change_nothing(steps: Steps) -> None:
    step = steps["again", "green"]
    assert step.succeeded, step.outcome.output
    assert step.after == step.before


def test_another_environment_stands_on_the_same_platform(steps: Steps) -> None:
    step = steps["up", "develop"]
    assert step.succeeded, step.outcome.output
    added = {key: resource for key, resource in step.after.items() if key not in step.before}
    own = in_namespace(added, "smallcase-develop")
    assert types_in(own) == {NAMESPACE, SERVICE, INGRESS, DEPLOYMENT}
    assert types_in(added) - types_in(own) == {IMAGE}


def test_an_update_of_the_environment_leaves_the_platform_in_the_same_stack_alone(steps: Steps) -> None:
    step = steps["scale", "green"]
    assert step.succeeded, step.outcome.output
    assert step.outcome.changes() == {DEPLOYMENT: "update"}
    assert replicas_of(deployment(step.after, "smallcase-green")) == 3


def test_the_other_environment_goes_without_a_trace_on_the_platform(steps: Steps) -> None:
    step = steps["destroy", "develop"]
    assert step.succeeded, step.outcome.output
    assert step.before.keys() - step.after.keys() == in_namespace(step.before, "smallcase-develop").keys()


def test_neither_layer_is_destroyed_by_mistake(steps: Steps) -> None:
    step = steps["protected", "green"]
    assert not step.succeeded
    assert step.after == step.before


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (DEPLOYMENT, INGRESS),
        (INGRESS, RELEASE),
        (INGRESS, SERVICE),
        (SERVICE, OWN_NAMESPACE),
        (OWN_NAMESPACE, RELEASE),
        (CONFIG_MAP, f"smallcase:platform:Logging${NAMESPACE}"),
        (ENTRY, CLUSTER),
        (RELEASE, PROFILE),
        (RELEASE, ATTACHMENT),
        (RELEASE, CLUSTER),
        (PROFILE, CLUSTER),
        (CLUSTER, ROUTE),
        (CLUSTER, NAT),
        (CLUSTER, SUBNET),
        (SUBNET, VPC),
    ],
)
def test_both_layers_are_taken_down_from_the_top(steps: Steps, first: str, then: str) -> None:
    # Where the refusal to delete the images comes first, the engine leaves what it had not begun to the second run.
    down = steps["destroy", "green"].outcome.followed_by(steps["destroy again", "green"].outcome)
    assert down.ends_before("delete", first, then)


def test_the_images_and_their_repositories_stay_until_somebody_deletes_the_images(steps: Steps) -> None:
    kept, emptied = steps["destroy", "green"], steps["destroy again", "green"]
    messages = kept.outcome.errors()
    # Where one refusal comes before the other is asked for, the engine does not ask any more.
    assert messages
    assert len([kind for kind, _ in kept.after if kind == REPOSITORY]) == 2
    assert [message for message in messages if "RepositoryNotEmptyException" not in message] == []
    assert {REPOSITORY, IMAGE} <= types_in(kept.after)
    assert emptied.succeeded, emptied.outcome.output
    assert emptied.after == {}
