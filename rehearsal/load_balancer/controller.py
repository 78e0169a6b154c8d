"""The loop that brings load balancers, targets and readiness gates in line with the cluster."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, final
from urllib.parse import quote

from rehearsal import hosts_file, places
from rehearsal.load_balancer import addresses
from rehearsal.load_balancer.api import JSON, MERGE, STRATEGIC, Api, ApiError
from rehearsal.load_balancer.configuration import Listener
from rehearsal.load_balancer.desired import (
    BINDING_FINALIZER,
    INGRESS_FINALIZER,
    Desired,
    binding_manifest,
    desired,
    is_owned,
    owner,
)
from rehearsal.load_balancer.haproxy import Haproxy, HaproxyError
from rehearsal.load_balancer.health import Checks, monotonic
from rehearsal.load_balancer.ingress import Model
from rehearsal.load_balancer.objects import Json, Key, condition, is_terminating, items, key, text
from rehearsal.load_balancer.targets import (
    Place,
    State,
    Target,
    checked,
    has_gate,
    registered_or_drained,
    serving,
)
from rehearsal.load_balancer.watch import PATHS, Watches, World

_LOG: Final = logging.getLogger("controller")
_RETRY_SECONDS: Final = 0.5
_REPEAT_SECONDS: Final = 2.0
"""A write to the cluster is not done again before it can have come back through the watch."""

_REASONS: Final[Mapping[State, tuple[str, str]]] = {
    State.HEALTHY: ("Healthy", ""),
    State.INITIAL: ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    State.UNHEALTHY: ("Target.FailedHealthChecks", "Health checks failed"),
    State.UNUSED: ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"),
}


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the controller works with."""

    directory: Path
    hosts_file: Path


@final
class Controller:
    """One reconcile loop over everything: it computes what should be, whatever has happened, and makes it so."""

    def __init__(self, settings: Settings, api: Api, haproxy: Haproxy) -> None:
        self.changed: Final = threading.Event()
        self.watches: Final = Watches(api, self.changed)
        self._settings = settings
        self._api = api
        self._haproxy = haproxy
        self._checks = Checks(self.changed)
        self._stopping = False
        self._targets: dict[str, Mapping[Place, Target]] = {}
        self._models: Mapping[Key, Model] = {}
        self._addresses = addresses.read(settings.directory / "addresses.json")
        self._written: dict[tuple[str, ...], tuple[str, float]] = {}
        self._said: dict[Key, str] = {}
        self._listening: set[tuple[str, int]] = set()
        self._overview = ""

    def stop(self) -> None:
        """Let `run` return. May be called from a signal handler."""
        self._stopping = True
        self.changed.set()

    def run(self) -> None:
        """Work until stopped."""
        self.watches.start()
        wait = _RETRY_SECONDS
        while not self._stopping:
            self.changed.wait(wait)
            self.changed.clear()
            if self._stopping:
                break
            world = self.watches.world()
            if world is None:
                continue
            try:
                wait = self._reconcile(world)
            except (OSError, ApiError, HaproxyError, addresses.AddressesExhaustedError) as error:
                _LOG.warning("%s; trying again", error)
                wait = _RETRY_SECONDS
        self._checks.stop()
        self._haproxy.stop()

    def _reconcile(self, world: World) -> float:
        """Bring everything in line once; seconds until it should be done again even if nothing happens."""
        now = monotonic()
        goal = desired(world, self._models)
        self._models = goal.models
        next_time = self._update_targets(goal, now)
        owners = {"/".join(name): name for name in goal.models}
        assigned = addresses.assign(places.LOAD_BALANCERS, owners, self._addresses)
        if assigned != self._addresses:
            addresses.write(self._settings.directory / "addresses.json", assigned)
            self._addresses = assigned
        listeners = [
            Listener(model=goal.models[name], address=assigned[owner]) for owner, name in sorted(owners.items())
        ]
        self._forward(goal, listeners, now)
        hosts = {listener.model.host_name: listener.address for listener in listeners}
        hosts_file.write_names(self._settings.hosts_file, hosts_file.LOAD_BALANCERS, hosts)
        self._write_overview(goal, listeners)
        done = self._write_cluster(world, goal, listeners)
        return max(0.0, next_time - monotonic()) if done else min(_RETRY_SECONDS, max(0.0, next_time - monotonic()))

    def _update_targets(self, goal: Desired, now: float) -> float:
        results = self._checks.results()
        members = {membership.arn: membership for membership in goal.memberships}
        for arn in {*members, *self._targets}:
            membership = members.get(arn)
            before = self._targets.get(arn, {})
            if membership:
                after = dict(
                    registered_or_drained(
                        before,
                        membership.places,
                        used=arn in goal.used,
                        delay=membership.deregistration_delay,
                        now=now,
                    )
                )
                for result in results:
                    place = result.target[1]
                    if result.target[0] == arn and place in after:
                        after[place] = checked(after[place], passed=result.passed, check=membership.health_check)
                for place in {*before, *after}:
                    old, new = before.get(place), after.get(place)
                    if (old and old.state) != (new and new.state):
                        _LOG.info(
                            "target %s:%d of %s: %s",
                            place.address,
                            place.port,
                            membership.binding[1],
                            new.state if new else "gone",
                        )
                self._targets[arn] = after
            else:
                # A target group that is deleted drops its targets at once, without draining.
                del self._targets[arn]
        wanted = {
            (arn, target.place): members[arn].health_check if members[arn].reachable else None
            for arn, targets in self._targets.items()
            for target in targets.values()
            if target.state in {State.INITIAL, State.HEALTHY, State.UNHEALTHY}
        }
        drained = [
            target.left if target.left > now else target.until
            for targets in self._targets.values()
            for target in targets.values()
            if target.state is State.DRAINING
        ]
        return min(self._checks.run(wanted, now), *drained, now + 30)

    def _forward(self, goal: Desired, listeners: list[Listener], now: float) -> None:
        groups: dict[str, Mapping[Place, bool]] = {}
        for arn in goal.used:
            targets = self._targets.get(arn, {})
            chosen = serving(targets.values(), now)
            groups[arn] = {place: place in chosen for place in targets}
        if not listeners and not self._haproxy.is_running:
            return
        if self._haproxy.apply(listeners, groups):
            self._listening.clear()
        for listener in listeners:
            for port in listener.model.ports:
                if (listener.address, port) not in self._listening:
                    with socket.create_connection((listener.address, port), 2):
                        self._listening.add((listener.address, port))

    def _write_overview(self, goal: Desired, listeners: list[Listener]) -> None:
        bindings = {membership.arn: membership.binding for membership in goal.memberships}
        overview: Json = {
            "loadBalancers": [
                {
                    "ingress": "/".join(listener.model.ingress),
                    "address": listener.address,
                    "hostname": listener.model.host_name,
                    "ports": list(listener.model.ports),
                    "targetGroups": [group.arn for group in listener.model.groups],
                }
                for listener in listeners
            ],
            "targetGroups": [
                {
                    "arn": arn,
                    "binding": "/".join(bindings[arn]),
                    "targets": [
                        {
                            "pod": "/".join(target.pod),
                            "address": f"{place.address}:{place.port}",
                            "state": target.state.value,
                        }
                        for place, target in sorted(targets.items())
                    ],
                }
                for arn, targets in sorted(self._targets.items())
            ],
        }
        content = json.dumps(overview, indent=2) + "\n"
        if content == self._overview:
            return
        path = self._settings.directory / "targets.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
        self._overview = content

    # What follows writes to the cluster. Each step compares with what the watch has shown, so it can be repeated.

    def _write_cluster(self, world: World, goal: Desired, listeners: Iterable[Listener]) -> bool:
        """True if all is written; a write that fails leaves the others to be done."""
        steps = [
            *self._gate_steps(world, goal),
            *self._binding_steps(world, goal),
            *(partial(self._write_ingress, world, goal, listener) for listener in listeners),
        ]
        for name, found in world.ingresses.items():
            if name in goal.refused:
                steps.append(partial(self._say, found, "FailedBuildModel", goal.refused[name]))
            elif is_terminating(found):
                steps.append(partial(self._let_go, world, found))
        done = True
        for step in steps:
            try:
                step()
            except ApiError as error:
                done = False
                # What is gone or has changed meanwhile comes back through the watch.
                if error.status not in {404, 409}:
                    _LOG.warning("%s", error)
        return done

    def _gate_steps(self, world: World, goal: Desired) -> Iterable[Callable[[], None]]:
        for membership in goal.memberships:
            for target in self._targets.get(membership.arn, {}).values():
                pod = world.pods.get(target.pod)
                if target.state is State.DRAINING or is_terminating(pod) or not has_gate(pod, membership.gate):
                    continue
                status = "True" if target.state is State.HEALTHY else "False"
                reason, message = _REASONS[target.state]
                shown = condition(pod, membership.gate)
                if (text(shown, "status"), text(shown, "reason")) == (status, reason):
                    continue
                change: dict[str, Json] = {
                    "type": membership.gate,
                    "status": status,
                    "reason": reason,
                    "message": message,
                }
                if text(shown, "status") != status:
                    change["lastTransitionTime"] = _now()
                uid = text(pod, "metadata", "uid")
                yield partial(
                    self._write,
                    ("gate", uid, membership.gate),
                    f"{status} {reason}",
                    "PATCH",
                    _path("pods", target.pod, "status"),
                    {"metadata": {"uid": uid}, "status": {"conditions": [change]}},
                    content=STRATEGIC,
                )

    def _binding_steps(self, world: World, goal: Desired) -> Iterable[Callable[[], None]]:
        wanted = {group.binding: (group, model) for model in goal.models.values() for group in model.groups}
        for name, (group, model) in wanted.items():
            if name not in world.bindings:
                manifest = binding_manifest(group, model)
                yield partial(
                    self._write, ("binding", *name), "made", "POST", _path("bindings", (name[0], "")), manifest
                )
        for name, found in world.bindings.items():
            if is_terminating(found):
                yield partial(self._write_finalizer, "bindings", found, BINDING_FINALIZER, wanted=False)
            elif not is_owned(found):
                yield partial(self._write_finalizer, "bindings", found, BINDING_FINALIZER, wanted=True)
            elif name not in wanted:
                yield partial(self._write, ("binding", *name), "deleted", "DELETE", _path("bindings", name))

    def _write_ingress(self, world: World, goal: Desired, listener: Listener) -> None:
        model = listener.model
        found = world.ingresses[model.ingress]
        self._write_finalizer("ingresses", found, INGRESS_FINALIZER, wanted=True)
        if any(group.binding not in world.bindings for group in model.groups):
            # A pod that is made once the status is there must get its gates, so the bindings have to be known first.
            return
        host = model.host_name
        if [text(entry, "hostname") for entry in items(found, "status", "loadBalancer", "ingress")] != [host]:
            ports: Json = [{"port": port, "protocol": "TCP"} for port in model.ports]
            self._write(
                ("status", *model.ingress),
                host,
                "PATCH",
                _path("ingresses", model.ingress, "status"),
                {"status": {"loadBalancer": {"ingress": [{"hostname": host, "ports": ports}]}}},
                content=MERGE,
            )
            _LOG.info("%s is served at http://%s (%s)", "/".join(model.ingress), host, listener.address)
        if model.ingress in goal.refused:
            return
        if model.warnings:
            self._say(found, "FailedDeployModel", "; ".join(model.warnings))
        else:
            self._say(found, "SuccessfullyReconciled", "Successfully reconciled", kind="Normal")

    def _let_go(self, world: World, ingress: Json) -> None:
        """Remove the finalizer of a deleted Ingress once nothing of its load balancer is left."""
        if any(is_owned(found) and owner(found) == key(ingress) for found in world.bindings.values()):
            return
        self._said.pop(key(ingress), None)
        self._write_finalizer("ingresses", ingress, INGRESS_FINALIZER, wanted=False)

    def _write_finalizer(self, kind: str, found: Json, finalizer: str, *, wanted: bool) -> None:
        there = items(found, "metadata", "finalizers")
        if (finalizer in there) == wanted:
            return
        finalizers: list[Json] = [other for other in there if other != finalizer] + ([finalizer] if wanted else [])
        self._write(
            ("finalizers", kind, text(found, "metadata", "uid")),
            repr(finalizers),
            "PATCH",
            _path(kind, key(found)),
            # The version makes the server refuse the list if somebody else has changed it meanwhile.
            {"metadata": {"finalizers": finalizers, "resourceVersion": text(found, "metadata", "resourceVersion")}},
            content=MERGE,
        )

    def _say(self, ingress: Json, reason: str, message: str, *, kind: str = "Warning") -> None:
        """Put an Event beside an Ingress, once until there is another one to put."""
        name = key(ingress)
        uid = text(ingress, "metadata", "uid")
        said = f"{uid} {reason} {message}"
        if self._said.get(name) == said:
            return
        now = _now()
        self._api.request(
            "POST",
            f"/api/v1/namespaces/{quote(name[0])}/events",
            {
                "metadata": {"generateName": f"{name[1]}."},
                "involvedObject": {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "Ingress",
                    "namespace": name[0],
                    "name": name[1],
                    "uid": uid,
                },
                "reason": reason,
                "message": message[:1024],
                "type": kind,
                "source": {"component": "ingress"},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        self._said[name] = said
        if kind == "Warning":
            _LOG.warning("%s: %s", "/".join(name), message)

    def _write(
        self, what: tuple[str, ...], value: str, method: str, path: str, body: Json = None, *, content: str = JSON
    ) -> None:
        """A request, unless the very same was made a moment ago and may not have come back through the watch yet."""
        now = monotonic()
        self._written = {name: entry for name, entry in self._written.items() if now - entry[1] < _REPEAT_SECONDS}
        if self._written.get(what, ("", now))[0] != value:
            self._api.request(method, path, body, content=content)
            self._written[what] = (value, now)


def _path(kind: str, name: Key, subresource: str = "") -> str:
    """The path of an object in a namespace; without a name, of all of that kind."""
    prefix, _, plural = PATHS[kind].rpartition("/")
    parts = [prefix, "namespaces", quote(name[0]), plural, quote(name[1]), subresource]
    return "/".join(part for part in parts if part)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
