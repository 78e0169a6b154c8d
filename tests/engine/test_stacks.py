"""A platform and three environments, a stack each, from nothing to nothing."""

import pytest

from tests.engine.stories import ENVIRONMENTS, PROFILE, ROUTE, STACKS, SUBNET, VPC, Life
from tests.engine.world import (
    CLUSTER,
    DEPLOYMENT,
    IMAGE,
    INDEX,
    INGRESS,
    NAMESPACE,
    OWN_NAMESPACE,
    RELEASE,
    REPOSITORY,
    SERVICE,
    deployment,
    image_of,
    in_namespace,
    replicas_of,
    types_in,
)

# The first of them waits for the story.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def life(a_stack_each: Life) -> Life:
    return a_stack_each


def test_an_environment_before_its_platform_is_refused_with_both_ways_out(life: Life) -> None:
    step = life.steps["too early", "green"]
    assert not step.succeeded
    (message,) = step.outcome.errors()
    assert "`pulumi up -s platform`" in message
    assert "`pulumi config set smallcase:platform self -s green`" in message
    assert not step.after


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_succeeds_and_touches_nothing(life: Life, stack: str) -> None:
    step = life.steps["preview", stack]
    assert step.succeeded, step.outcome.output
    assert step.after == step.before


@pytest.mark.parametrize("stack", STACKS)
def test_an_up_creates_what_its_preview_announced(life: Life, stack: str) -> None:
    preview, up = life.steps["preview", stack], life.steps["up", stack]
    assert up.succeeded, up.outcome.output
    assert up.outcome.changes() == preview.outcome.changes()
    assert set(up.outcome.changes().values()) == {"create"}


@pytest.mark.parametrize("stack", STACKS)
def test_a_second_up_changes_nothing(life: Life, stack: str) -> None:
    step = life.steps["again", stack]
    assert step.succeeded, step.outcome.output
    assert step.outcome.changes() == {}
    assert step.after == step.before


@pytest.mark.parametrize("stack", STACKS)
def test_a_refresh_finds_everything_as_it_was_left(life: Life, stack: str) -> None:
    step = life.steps["refresh", stack]
    assert step.succeeded, step.outcome.output


def test_the_platform_holds_all_of_what_is_shared_and_nothing_of_an_environment(life: Life) -> None:
    types = types_in(life.steps["up", "platform"].after)
    assert {VPC, REPOSITORY, CLUSTER, PROFILE, RELEASE} <= types
    assert not {SERVICE, INGRESS, DEPLOYMENT, IMAGE} & types


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_an_environment_adds_its_own_namespace_and_an_image_and_touches_nothing_else(life: Life, stack: str) -> None:
    step = life.steps["up", stack]
    added = {key: resource for key, resource in step.after.items() if key not in step.before}
    own = in_namespace(added, f"smallcase-{stack}")
    assert types_in(own) >= {NAMESPACE, SERVICE, INGRESS, DEPLOYMENT}
    assert types_in({key: resource for key, resource in added.items() if key not in own}) == {IMAGE}
    assert {key: step.after[key] for key in step.before} == step.before


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_the_pods_are_made_once_the_way_to_them_stands(life: Life, stack: str) -> None:
    outcome = life.steps["up", stack].outcome
    for first, then in ((OWN_NAMESPACE, SERVICE), (SERVICE, INGRESS), (INGRESS, DEPLOYMENT), (IMAGE, DEPLOYMENT)):
        assert outcome.ends_before("create", first, then), (first, then)


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_the_way_to_the_pods_is_taken_down_after_them(life: Life, stack: str) -> None:
    outcome = life.steps["destroy", stack].outcome
    for first, then in ((DEPLOYMENT, INGRESS), (INGRESS, SERVICE), (SERVICE, OWN_NAMESPACE)):
        assert outcome.ends_before("delete", first, then), (first, then)


def test_each_environment_has_an_address_of_its_own(life: Life) -> None:
    assert all(address.startswith("http://k8s-") for address in life.addresses.values())
    assert len(set(life.addresses.values())) == len(ENVIRONMENTS)


def test_another_number_of_pods_updates_the_deployment_in_place_and_budgets_for_them(life: Life) -> None:
    step = life.steps["scale", "develop"]
    assert step.succeeded, step.outcome.output
    assert step.outcome.changes() == {DEPLOYMENT: "update", "kubernetes:policy/v1:PodDisruptionBudget": "create"}
    numbers = [replicas_of(deployment(account, "smallcase-develop")) for account in (step.before, step.after)]
    assert numbers == [1, 2]


def test_an_image_to_promote_is_what_staging_runs_and_the_one_it_replaces_stays_in_the_registry(life: Life) -> None:
    step = life.steps["promote", "blue"]
    assert step.succeeded, step.outcome.output
    staged = image_of(deployment(step.before, "smallcase-green"))
    assert image_of(deployment(step.before, "smallcase-blue")) != staged
    assert image_of(deployment(step.after, "smallcase-blue")) == staged
    assert {key for key in step.before if key[0] == IMAGE} == {key for key in step.after if key[0] == IMAGE}


def test_a_promoted_image_is_kept_under_a_tag_of_production_before_the_pods_run_it(life: Life) -> None:
    step = life.steps["promote", "blue"]
    staged = image_of(deployment(step.before, "smallcase-green"))
    [kept] = (resource for key, resource in step.after.items() if key[0] == INDEX)
    url, _, tag = staged.partition("@")[0].rpartition(":")
    assert kept.text("tag") == f"{url}:{tag.replace('green-', 'blue-')}-from-green"
    assert kept.inputs["sources"] == [staged]
    assert (INDEX, kept.id) in life.steps["destroy", "blue"].after


def test_a_changed_application_is_built_anew_and_deployed_in_place_and_nothing_else_changes(life: Life) -> None:
    step = life.steps["change", "green"]
    assert step.succeeded, step.outcome.output
    assert step.outcome.changes() == {IMAGE: "update", DEPLOYMENT: "update"}
    before, after = (image_of(deployment(account, "smallcase-green")) for account in (step.before, step.after))
    assert before.partition("@")[2] != after.partition("@")[2]
    assert "-dirty-" in after


def test_an_update_of_one_environment_leaves_the_others_alone(life: Life) -> None:
    for (verb, stack), others in {
        ("scale", "develop"): ("green", "blue"),
        ("promote", "blue"): ("develop", "green"),
        ("change", "green"): ("develop", "blue"),
    }.items():
        step = life.steps[verb, stack]
        for other in others:
            left = in_namespace(step.before, f"smallcase-{other}")
            assert left
            assert in_namespace(step.after, f"smallcase-{other}") == left


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_destroyed_environment_leaves_only_its_images_and_no_trace_in_the_others(life: Life, stack: str) -> None:
    step = life.steps["destroy", stack]
    assert step.succeeded, step.outcome.output
    gone = step.before.keys() - step.after.keys()
    assert gone == in_namespace(step.before, f"smallcase-{stack}").keys()
    assert {key: step.before[key] for key in step.after} == step.after


@pytest.mark.parametrize("stack", ["blue", "platform"])
def test_production_and_the_platform_that_environments_stand_on_are_not_destroyed_by_mistake(
    life: Life, stack: str
) -> None:
    step = life.steps["protected", stack]
    assert not step.succeeded
    messages = [" ".join(message.split()) for message in step.outcome.errors()]
    assert messages
    assert all(
        "is currently marked for protection" in message or "cannot be deleted because it is protected" in message
        for message in messages
    )
    assert step.after == step.before


def test_the_network_outlives_the_cluster_and_the_cluster_its_ingress_controller(life: Life) -> None:
    outcome = life.steps["destroy", "platform"].outcome.followed_by(life.steps["destroy again", "platform"].outcome)
    for first, then in (
        (RELEASE, CLUSTER),
        (RELEASE, PROFILE),
        (CLUSTER, ROUTE),
        (CLUSTER, SUBNET),
    ):
        assert outcome.ends_before("delete", first, then), (first, then)


def test_a_destroyed_platform_keeps_the_repositories_for_as_long_as_they_hold_images_and_says_so(life: Life) -> None:
    step = life.steps["destroy", "platform"]
    assert not step.succeeded
    messages = step.outcome.errors()
    # Where one refusal comes before the other is asked for, the engine does not ask any more.
    assert messages
    assert len([kind for kind, _ in step.after if kind == REPOSITORY]) == 2
    for message in messages:
        assert "RepositoryNotEmptyException" in message
        assert "still contains images" in message
    assert {REPOSITORY, IMAGE} <= types_in(step.after)


def test_nothing_is_left_once_the_images_are_deleted_too(life: Life) -> None:
    step = life.steps["destroy again", "platform"]
    assert step.succeeded, step.outcome.output
    assert step.after == {}
