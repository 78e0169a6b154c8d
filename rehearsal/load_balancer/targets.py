"""Targets of a target group: which pods they are, in which state each is, and what changes it.

Pure functions; the states are those of
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, final

from rehearsal.load_balancer.ingress import HealthCheck, service_port
from rehearsal.load_balancer.objects import Json, Key, at, condition, is_terminating, items, number, text

GATE: Final = "target-health.elbv2.k8s.aws/"
LATE: Final = 2.0
"""Seconds for which a deregistered target still gets new requests. All of a load balancer's nodes have to hear of it;
AWS names no figure, its users measured seconds
(https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1064). A pod that stops at once loses them."""


class State(StrEnum):
    """A target's health as AWS names it."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNUSED = "unused"
    DRAINING = "draining"


@final
@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """What AWS knows a target of type `ip` by."""

    address: str
    port: int


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A registered target. Times are seconds of a monotonic clock."""

    place: Place
    pod: Key
    state: State
    streak: int = 0
    """Checks in a row that spoke against the present state."""
    left: float = 0.0
    """When a draining target gets its last new request."""
    until: float = 0.0
    """When a draining target is let go."""


def registered(
    service: Json, port: str, slices: Iterable[Json], pods: Mapping[Key, Json], gate: str
) -> Mapping[Place, Key]:
    """The pods that the controller registers for a Service port.

    Those whose endpoint is ready, and those that wait for the gate alone: their containers are ready, they have this
    gate and do not terminate. (`ResolvePodEndpoints` in the controller's pkg/backend.)
    """
    found: dict[Place, Key] = {}
    wanted = service_port(service, port)
    if wanted is None:
        return found
    for endpoint_slice in slices:
        for slice_port in items(endpoint_slice, "ports"):
            number_ = number(slice_port, "port")
            if number_ is None or text(slice_port, "name") != text(wanted, "name"):
                continue
            for endpoint in items(endpoint_slice, "endpoints"):
                addresses = items(endpoint, "addresses")
                pod_key = (text(service, "metadata", "namespace"), text(endpoint, "targetRef", "name"))
                pod = pods.get(pod_key)
                if not addresses or pod is None or text(endpoint, "targetRef", "kind") != "Pod":
                    continue
                if is_terminating(pod) or at(endpoint, "conditions", "terminating") is True:
                    continue
                ready = at(endpoint, "conditions", "ready") is True
                if ready or (has_gate(pod, gate) and text(condition(pod, "ContainersReady"), "status") == "True"):
                    found[Place(address=str(addresses[0]), port=number_)] = pod_key
    return found


def has_gate(pod: Json, gate: str) -> bool:
    """Whether the pod waits for this condition before it counts as ready."""
    return any(text(candidate, "conditionType") == gate for candidate in items(pod, "spec", "readinessGates"))


def registered_or_drained(
    before: Mapping[Place, Target], wanted: Mapping[Place, Key], *, used: bool, delay: float, now: float
) -> Mapping[Place, Target]:
    """The targets after registering what is wanted and deregistering the rest.

    A group that no listener forwards to is not used: its targets are not checked and nothing drains.
    """
    after: dict[Place, Target] = {}
    for place, pod in wanted.items():
        target = before.get(place)
        if not used:
            after[place] = Target(place=place, pod=pod, state=State.UNUSED)
        elif target is None or target.pod != pod or target.state in {State.DRAINING, State.UNUSED}:
            after[place] = Target(place=place, pod=pod, state=State.INITIAL)
        else:
            after[place] = target
    for place, target in before.items():
        if place in after or not used:
            continue
        is_draining = target.state is State.DRAINING
        late = now + LATE if target.state is State.HEALTHY else now
        draining = (
            target if is_draining else replace(target, state=State.DRAINING, left=late, until=max(late, now + delay))
        )
        if draining.until > now:
            after[place] = draining
    return after


def checked(target: Target, *, passed: bool, check: HealthCheck) -> Target:
    """The target after a health check. A new one must pass a single check; the thresholds rule afterwards."""
    if target.state not in {State.INITIAL, State.HEALTHY, State.UNHEALTHY}:
        return target
    next_state = State.HEALTHY if passed else State.UNHEALTHY
    if target.state is next_state:
        return replace(target, streak=0)
    if passed:
        threshold = 1 if target.state is State.INITIAL else check.healthy_threshold
    else:
        threshold = check.unhealthy_threshold
    streak = target.streak + 1
    if streak >= threshold:
        return replace(target, state=next_state, streak=0)
    return replace(target, streak=streak)


def serving(targets: Collection[Target], now: float) -> frozenset[Place]:
    """The targets that get requests: the healthy ones, or, if all that are registered are unhealthy, all of them.

    Those that were deregistered a moment ago get some as well.
    """
    late = frozenset(target.place for target in targets if target.state is State.DRAINING and target.left > now)
    healthy = frozenset(target.place for target in targets if target.state is State.HEALTHY)
    if healthy:
        return healthy | late
    live = [target for target in targets if target.state is not State.DRAINING]
    if all(target.state is State.UNHEALTHY for target in live):
        return frozenset(target.place for target in live) | late
    return late
