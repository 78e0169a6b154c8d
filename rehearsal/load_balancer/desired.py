"""What there should be, from what is in the cluster: pure functions, called again whenever anything changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from rehearsal import places
from rehearsal.load_balancer import ingress as ingresses
from rehearsal.load_balancer.ingress import Forward, Group, HealthCheck, InvalidIngressError, Model, TargetType
from rehearsal.load_balancer.objects import (
    Json,
    Key,
    Object,
    is_terminating,
    items,
    key,
    mapping,
    number,
    strings,
    text,
)
from rehearsal.load_balancer.targets import GATE, Place, registered
from rehearsal.load_balancer.watch import World

CONTROLLER: Final = "ingress.k8s.aws/alb"
INGRESS_FINALIZER: Final = "ingress.k8s.aws/resources"
BINDING_FINALIZER: Final = "elbv2.k8s.aws/resources"
OWNER_LABELS: Final = ("ingress.k8s.aws/stack-namespace", "ingress.k8s.aws/stack-name")


@final
@dataclass(frozen=True, kw_only=True)
class Membership:
    """A TargetGroupBinding: the pods that it puts into a target group."""

    binding: Key
    arn: str
    health_check: HealthCheck
    deregistration_delay: int
    reachable: bool
    """Whether the security groups let the load balancer through to the pods."""
    places: Mapping[Place, Key]

    @property
    def gate(self) -> str:
        """The readiness gate of the pods."""
        return GATE + self.binding[1]


@final
@dataclass(frozen=True, kw_only=True)
class Desired:
    """All that should be."""

    models: Mapping[Key, Model]
    refused: Mapping[Key, str]
    """Why an Ingress has no load balancer, or still the one it had."""
    memberships: Sequence[Membership]
    used: frozenset[str]
    """ARNs of the target groups that some listener forwards to."""


def desired(world: World, last: Mapping[Key, Model]) -> Desired:
    """Read the cluster; `last` are the models that were good before and stay where an Ingress has become invalid."""
    classes = {
        name: text(found, "spec", "parameters", "name")
        for (_, name), found in world.classes.items()
        if text(found, "spec", "controller") == CONTROLLER
    }
    models: dict[Key, Model] = {}
    refused: dict[Key, str] = {}
    for name, found in sorted(world.ingresses.items()):
        of_class, protected = text(found, "spec", "ingressClassName"), ingresses.is_protected(found)
        if of_class not in classes or (is_terminating(found) and not protected):
            continue
        try:
            models[name] = ingresses.parse(found, world.services, _parameters(world, classes[of_class]))
        except InvalidIngressError as error:
            refused[name] = str(error)
            if name in last:
                models[name] = last[name]
        if is_terminating(found):
            refused[name] = f"deletion_protection is enabled, cannot delete the ingress: {name[1]}"
    used = frozenset(
        share.arn
        for model in models.values()
        for action in (model.default, *(rule.action for rule in model.rules))
        if isinstance(action, Forward)
        for share in action.shares
    )
    slices: dict[Key, list[Json]] = {}
    for found in world.slices.values():
        service = strings(found, "metadata", "labels").get("kubernetes.io/service-name", "")
        slices.setdefault((key(found)[0], service), []).append(found)
    groups = {group.binding: group for model in models.values() for group in model.groups}
    memberships = [_own(world, slices, group) for group in groups.values()] + [
        _foreign(world, slices, found)
        for name, found in sorted(world.bindings.items())
        if name not in groups and not is_owned(found) and not is_terminating(found)
    ]
    return Desired(models=models, refused=refused, memberships=memberships, used=used)


def _parameters(world: World, name: str) -> Json:
    """What all Ingresses of a class have in common; nothing where the class names no parameters."""
    if not name:
        return None
    if ("", name) not in world.parameters:
        raise InvalidIngressError(f'invalid ingress class: ingressclassparams.elbv2.k8s.aws "{name}" not found')
    return mapping(world.parameters["", name], "spec")


def _own(world: World, slices: Mapping[Key, Sequence[Json]], group: Group) -> Membership:
    is_ip = group.target_type is TargetType.IP
    return Membership(
        binding=group.binding,
        arn=group.arn,
        health_check=group.health_check,
        deregistration_delay=group.deregistration_delay,
        reachable=True,
        places=_places(world, slices, group.binding, group.service, group.port) if is_ip else {},
    )


def _foreign(world: World, slices: Mapping[Key, Sequence[Json]], binding: Json) -> Membership:
    """A binding that somebody else made, for a target group whose settings are AWS's defaults here.

    The controller opens the pods' security group only for a binding that says so in `spec.networking`.
    """
    service = text(binding, "spec", "serviceRef", "name")
    port = text(binding, "spec", "serviceRef", "port") or str(number(binding, "spec", "serviceRef", "port") or "")
    is_ip = text(binding, "spec", "targetType") != "instance"
    return Membership(
        binding=key(binding),
        arn=text(binding, "spec", "targetGroupARN"),
        health_check=HealthCheck(interval=30, healthy_threshold=5),
        deregistration_delay=300,
        reachable=bool(items(binding, "spec", "networking", "ingress")),
        places=_places(world, slices, key(binding), service, port) if is_ip else {},
    )


def _places(
    world: World, slices: Mapping[Key, Sequence[Json]], binding: Key, service: str, port: str
) -> Mapping[Place, Key]:
    found = world.services.get((binding[0], service))
    return registered(found, port, slices.get((binding[0], service), ()), world.pods, GATE + binding[1])


def is_owned(binding: Json) -> bool:
    """Whether the controller made this binding for an Ingress."""
    return OWNER_LABELS[1] in strings(binding, "metadata", "labels")


def owner(binding: Json) -> Key:
    """The Ingress that the controller made a binding for."""
    labels = strings(binding, "metadata", "labels")
    return labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")


def binding_manifest(group: Group, model: Model) -> Object:
    """The TargetGroupBinding that the controller makes for a target group of an Ingress."""
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {
            "namespace": group.binding[0],
            "name": group.binding[1],
            "labels": dict(zip(OWNER_LABELS, model.ingress, strict=True)),
            "finalizers": [BINDING_FINALIZER],
        },
        "spec": {
            "serviceRef": {"name": group.service, "port": int(group.port) if group.port.isdecimal() else group.port},
            "targetGroupARN": group.arn,
            "targetType": group.target_type.value,
            "networking": {
                "ingress": [
                    {
                        "from": [{"securityGroup": {"groupID": f"sg-{places.ACCOUNT}"}}],
                        "ports": [{"protocol": "TCP"}],
                    }
                ]
            },
        },
    }
