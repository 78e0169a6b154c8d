from rehearsal.load_balancer.ingress import HealthCheck
from rehearsal.load_balancer.objects import key
from rehearsal.load_balancer.targets import (
    LATE,
    Place,
    State,
    Target,
    checked,
    registered,
    registered_or_drained,
    serving,
)
from tests.load_balancer.cluster import NAMESPACE, endpoint_slice, pod, service

GATE = "target-health.elbv2.k8s.aws/one"
HERE = Place(address="10.0.0.1", port=8080)
THERE = Place(address="10.0.0.2", port=8080)
POD = (NAMESPACE, "a")


def target(state: State, place: Place = HERE, **more: float) -> Target:
    return Target(place=place, pod=POD, state=state, until=more.get("until", 0.0), streak=int(more.get("streak", 0)))


def registered_places(*pods: object, ready: dict[str, bool]) -> list[str]:
    found = registered(service(), "80", [endpoint_slice(ready)], {key(one): one for one in pods}, GATE)  # type: ignore[arg-type, misc]
    return [name for _, name in found.values()]


def test_ready_endpoints_are_registered() -> None:
    assert registered_places(pod("a"), pod("b"), ready={"a": True, "b": False}) == ["a"]


def test_a_pod_that_waits_for_the_gate_alone_is_registered() -> None:
    assert registered_places(pod("a", gate=GATE), ready={"a": False}) == ["a"]


def test_a_pod_whose_containers_are_not_ready_is_not_registered() -> None:
    assert registered_places(pod("a", gate=GATE, containers_ready=False), ready={"a": False}) == []


def test_a_pod_with_the_gate_of_another_binding_is_not_registered_before_it_is_ready() -> None:
    assert registered_places(pod("a", gate=f"{GATE}-other"), ready={"a": False}) == []


def test_a_terminating_pod_is_not_registered_even_while_its_endpoint_is_still_ready() -> None:
    assert registered_places(pod("a", terminating=True), ready={"a": True}) == []


def test_a_new_target_becomes_healthy_after_a_single_check() -> None:
    assert checked(target(State.INITIAL), passed=True, check=HealthCheck(healthy_threshold=5)).state is State.HEALTHY


def test_an_unhealthy_target_needs_the_threshold_in_a_row() -> None:
    check = HealthCheck(healthy_threshold=3)
    found = target(State.UNHEALTHY)
    for passed in (True, True, False, True, True):
        found = checked(found, passed=passed, check=check)
        assert found.state is State.UNHEALTHY
    assert checked(found, passed=True, check=check).state is State.HEALTHY


def test_a_new_or_healthy_target_becomes_unhealthy_at_the_threshold() -> None:
    check = HealthCheck(unhealthy_threshold=2)
    for state in (State.INITIAL, State.HEALTHY):
        once = checked(target(state), passed=False, check=check)
        assert once.state is state
        assert checked(once, passed=False, check=check).state is State.UNHEALTHY


def test_a_late_check_does_not_change_a_draining_target() -> None:
    assert checked(target(State.DRAINING), passed=True, check=HealthCheck()).state is State.DRAINING


def test_a_target_that_is_gone_drains_for_its_delay_and_is_let_go() -> None:
    before = {HERE: target(State.HEALTHY)}
    draining = registered_or_drained(before, {}, used=True, delay=30, now=100)
    assert draining[HERE].state is State.DRAINING
    assert registered_or_drained(draining, {}, used=True, delay=30, now=129.9) == draining
    assert registered_or_drained(draining, {}, used=True, delay=30, now=130) == {}


def test_a_place_that_comes_back_while_it_drains_begins_anew() -> None:
    before = {HERE: target(State.DRAINING, until=200)}
    assert registered_or_drained(before, {HERE: POD}, used=True, delay=30, now=100)[HERE].state is State.INITIAL


def test_another_pod_at_the_address_of_an_old_one_begins_anew() -> None:
    before = {HERE: target(State.HEALTHY)}
    after = registered_or_drained(before, {HERE: (NAMESPACE, "b")}, used=True, delay=30, now=100)
    assert after[HERE].state is State.INITIAL


def test_a_group_on_no_listener_stays_unused_until_it_is_on_one() -> None:
    unused = registered_or_drained({}, {HERE: POD}, used=False, delay=30, now=100)
    assert unused[HERE].state is State.UNUSED
    assert checked(unused[HERE], passed=True, check=HealthCheck()).state is State.UNUSED
    assert registered_or_drained(unused, {HERE: POD}, used=True, delay=30, now=100)[HERE].state is State.INITIAL


def test_only_healthy_targets_serve() -> None:
    targets = [target(State.HEALTHY), target(State.INITIAL, THERE)]
    assert serving(targets, 100) == {HERE}


def test_if_all_registered_targets_are_unhealthy_all_of_them_serve() -> None:
    targets = [target(State.UNHEALTHY), target(State.DRAINING, THERE)]
    assert serving(targets, 100) == {HERE}
    assert serving([target(State.UNHEALTHY), target(State.INITIAL, THERE)], 100) == frozenset()


def test_a_deregistered_target_gets_requests_until_the_last_node_of_the_load_balancer_has_heard_of_it() -> None:
    draining = registered_or_drained({HERE: target(State.HEALTHY)}, {}, used=True, delay=30, now=100)
    others = [*draining.values(), target(State.HEALTHY, THERE)]
    assert serving(others, 100) == {HERE, THERE}
    assert serving(others, 100 + LATE) == {THERE}
    assert serving([*draining.values()], 100) == {HERE}


def test_a_target_that_was_not_healthy_gets_no_late_requests() -> None:
    draining = registered_or_drained({HERE: target(State.UNHEALTHY)}, {}, used=True, delay=30, now=100)
    assert serving([*draining.values()], 100) == frozenset()


def test_late_requests_outlast_a_delay_that_is_shorter() -> None:
    draining = registered_or_drained({HERE: target(State.HEALTHY)}, {}, used=True, delay=0, now=100)
    assert registered_or_drained(draining, {}, used=True, delay=0, now=100 + LATE / 2) == draining
    assert registered_or_drained(draining, {}, used=True, delay=0, now=100 + LATE) == {}
