"""What an Ingress of class `alb` asks for: annotations and rules, read as the AWS Load Balancer Controller reads them.

Annotations and their defaults:
https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from rehearsal.load_balancer import naming
from rehearsal.load_balancer.objects import Json, Key, Object, items, key, mapping, number, strings, text

PREFIX: Final = "alb.ingress.kubernetes.io/"
ATTRIBUTES: Final = "load-balancer-attributes"
DROPS: Final = "routing.http.drop_invalid_header_fields.enabled"
PROTECTION: Final = "deletion_protection.enabled"
MANAGED: Final = "use-annotation"
"""A backend's port of this name means: the action of this name stands in an annotation."""


class InvalidIngressError(Exception):
    """The controller or AWS would refuse this Ingress; the message is the Event that says so."""


class TargetType(StrEnum):
    """What a target group's targets are."""

    IP = "ip"
    INSTANCE = "instance"


@final
@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How the targets of a group are checked. Defaults are those of the controller; times in seconds."""

    path: str = "/"
    port: int | None = None
    """None for the port that the traffic goes to."""
    interval: int = 15
    timeout: int = 5
    healthy_threshold: int = 2
    unhealthy_threshold: int = 2
    success_codes: str = "200"

    def accepts(self, status: int) -> bool:
        """Whether an answer of this status is a success: `200`, `200,202` or `200-299`."""
        for part in self.success_codes.split(","):
            low, _, high = part.strip().partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@final
@dataclass(frozen=True, kw_only=True)
class Group:
    """A target group of the Ingress's own: a Service port behind it, and how its targets are checked and let go."""

    binding: Key
    """Namespace and name of the TargetGroupBinding."""
    service: str
    port: str
    """The Service port, by number or name."""
    target_type: TargetType
    health_check: HealthCheck
    deregistration_delay: int

    @property
    def arn(self) -> str:
        """The target group's ARN."""
        return naming.target_group_arn(self.binding[1])


@final
@dataclass(frozen=True, kw_only=True)
class Share:
    """A target group's part of the requests that an action forwards."""

    arn: str
    weight: int


@final
@dataclass(frozen=True, kw_only=True)
class Forward:
    """Send the request to one of the groups, by weight."""

    shares: tuple[Share, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Answer:
    """A fixed response of the load balancer itself."""

    status: int
    content_type: str = "text/plain"
    body: str = ""


Action = Forward | Answer
NOT_FOUND: Final = Answer(status=404)


@final
@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which requests an action is for. Empty host: any. Path: as the Ingress has it."""

    host: str
    path: str
    path_type: str
    action: Action


@final
@dataclass(frozen=True, kw_only=True)
class Model:
    """The load balancer that one Ingress asks for."""

    ingress: Key
    internal: bool
    ports: tuple[int, ...]
    rules: tuple[Rule, ...]
    """In the order in which they are tried."""
    default: Action
    groups: tuple[Group, ...]
    drops_invalid_headers: bool = False
    """Whether a request goes on without its headers of another name than letters, digits and dashes."""
    protected: bool = False
    """Whether its deletion is refused."""
    warnings: tuple[str, ...]
    """What will not work as somebody may expect, although the controller takes it."""

    @property
    def host_name(self) -> str:
        """The DNS name of the load balancer."""
        return naming.host_name(self.ingress, internal=self.internal)


def parse(ingress: Json, services: Mapping[Key, Json], parameters: Json = None) -> Model:
    """Read an Ingress.

    Parameters:
        services: those that exist.
        parameters: the `spec` of its class's, which go before what it says itself.

    Raises:
        InvalidIngressError: the controller or AWS would refuse it.
    """
    return _Parser(ingress, services, parameters).model()


def is_protected(ingress: Json) -> bool:
    """Whether the controller refuses to delete the load balancer of an Ingress, which has to say so itself."""
    said = strings(ingress, "metadata", "annotations").get(f"{PREFIX}{ATTRIBUTES}", "")
    return _pairs(said).get(PROTECTION) == "true"


class _Parser:
    def __init__(self, ingress: Json, services: Mapping[Key, Json], parameters: Json) -> None:
        self._ingress = ingress
        self._key = key(ingress)
        self._services = services
        self._annotations = {
            name.removeprefix(PREFIX): value
            for name, value in strings(ingress, "metadata", "annotations").items()
            if name.startswith(PREFIX)
        }
        attributes = {
            **_pairs(self._annotations.get(ATTRIBUTES, "")),
            **{text(one, "key"): text(one, "value") for one in items(parameters, "loadBalancerAttributes")},
        }
        self._drops = attributes.get(DROPS) == "true"
        of_class = {"scheme": text(parameters, "scheme"), "target-type": text(parameters, "targetType")}
        self._of_class = {name: value for name, value in of_class.items() if value}
        self._annotations |= self._of_class
        self._groups: dict[Key, Group] = {}
        self._warnings: list[str] = []

    def model(self) -> Model:
        if "group.name" in self._annotations:
            raise InvalidIngressError(
                f"{PREFIX}group.name: the rehearsal gives each Ingress a load balancer of its own and knows no groups."
            )
        scheme = self._choice("scheme", ("internal", "internet-facing"), default="internal")
        ports = self._ports()
        rules: list[Rule] = []
        for rule in items(self._ingress, "spec", "rules"):
            paths = [
                Rule(
                    host=text(rule, "host"),
                    path=text(path, "path") or "/",
                    path_type=text(path, "pathType") or "ImplementationSpecific",
                    action=self._action(mapping(path, "backend")),
                )
                for path in items(rule, "http", "paths")
            ]
            rules += sorted(paths, key=_precedence)
        backend = mapping(self._ingress, "spec", "defaultBackend")
        return Model(
            ingress=self._key,
            internal=scheme == "internal",
            ports=ports,
            default=self._action(backend) if backend else NOT_FOUND,
            rules=tuple(rules),
            groups=tuple(self._groups.values()),
            drops_invalid_headers=self._drops,
            protected=is_protected(self._ingress),
            warnings=tuple(self._warnings),
        )

    def _refusal(self, name: str, value: str, expected: str) -> InvalidIngressError:
        return InvalidIngressError(f"{PREFIX}{name}: {value!r} is not {expected}")

    def _choice(self, name: str, allowed: Sequence[str], *, default: str) -> str:
        value = self._annotations.get(name, default)
        if value not in allowed:
            raise self._refusal(name, value, " or ".join(allowed))
        return value

    def _whole(self, name: str, *, default: int, least: int, most: int) -> int:
        value = self._annotations.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise self._refusal(name, value, f"a whole number from {least} to {most}")
        return int(value)

    def _ports(self) -> tuple[int, ...]:
        value = self._annotations.get("listen-ports", '[{"HTTP": 80}]')
        expected = 'a list like [{"HTTP": 80}]'
        try:
            listeners: Json = json.loads(value)
        except ValueError:
            raise self._refusal("listen-ports", value, expected) from None
        ports: list[int] = []
        for listener in items(listeners):
            for protocol in mapping(listener):
                port = number(listener, protocol)
                if port is None or not 0 < port < 65536 or protocol not in {"HTTP", "HTTPS"}:
                    raise self._refusal("listen-ports", value, expected)
                if protocol == "HTTP":
                    ports.append(port)
                else:
                    self._warnings.append(f"port {port}: the rehearsal has no certificates and serves HTTP only")
        if not ports:
            raise self._refusal(
                "listen-ports", value, f"{expected} with an HTTP port, which is all the rehearsal serves"
            )
        return tuple(dict.fromkeys(ports))

    def _action(self, backend: Object) -> Action:
        if not text(backend, "service", "name"):
            raise InvalidIngressError(
                "a backend is not a Service, and the load balancer can send requests to nothing else"
            )
        name = text(backend, "service", "name")
        port = number(backend, "service", "port", "number")
        port_name = text(backend, "service", "port", "name")
        if port_name != MANAGED:
            return self._to_service(name, port_name or str(port or ""))
        annotation = f"actions.{name}"
        value = self._annotations.get(annotation)
        if value is None:
            # The controller tolerates it by default: tolerateNonExistentBackendAction.
            return Answer(status=503, body="Backend action does not exist")
        try:
            action: Json = json.loads(value)
        except ValueError as error:
            raise InvalidIngressError(f"{PREFIX}{annotation}: {error}") from None
        kind = text(action, "type")
        if kind == "fixed-response":
            return self._fixed(annotation, mapping(action, "fixedResponseConfig"))
        if kind == "forward":
            return self._forward(annotation, action)
        raise self._refusal(annotation, kind, "a type that the rehearsal knows: forward or fixed-response")

    def _fixed(self, annotation: str, config: Object) -> Answer:
        status = text(config, "statusCode")
        if not re.fullmatch(r"[245][0-9]{2}", status):
            raise self._refusal(annotation, status, "a status code of 2xx, 4xx or 5xx, as a string")
        return Answer(
            status=int(status),
            content_type=text(config, "contentType") or "text/plain",
            body=text(config, "messageBody"),
        )

    def _forward(self, annotation: str, action: Json) -> Action:
        single = text(action, "targetGroupARN")
        if single:
            return Forward(shares=(Share(arn=single, weight=1),))
        shares: list[Share] = []
        tuples = items(action, "forwardConfig", "targetGroups")
        for target in tuples:
            weight = number(target, "weight")
            weight = (1 if len(tuples) == 1 else 0) if weight is None else weight
            if not 0 <= weight <= 999:
                raise self._refusal(annotation, str(weight), "a weight from 0 to 999")
            arn, service = text(target, "targetGroupARN"), text(target, "serviceName")
            if bool(arn) == bool(service):
                raise InvalidIngressError(
                    f"{PREFIX}{annotation}: precisely one of targetGroupARN and serviceName is needed"
                )
            if service:
                port = text(target, "servicePort") or str(number(target, "servicePort") or "")
                to_service = self._to_service(service, port)
                if isinstance(to_service, Answer):
                    return to_service
                arn = to_service.shares[0].arn
            shares.append(Share(arn=arn, weight=weight))
        if not 1 <= len(shares) <= 5:
            raise InvalidIngressError(f"{PREFIX}{annotation}: {len(shares)} target groups, but AWS takes from 1 to 5")
        return Forward(shares=tuple(shares))

    def _to_service(self, name: str, port: str) -> Action:
        service = self._services.get((self._key[0], name))
        if service is None:
            # The controller tolerates it by default: tolerateNonExistentBackendService.
            self._warnings.append(f"Service {self._key[0]}/{name} does not exist")
            return Answer(status=503, body="Backend service does not exist")
        if service_port(service, port) is None:
            raise InvalidIngressError(f"unable to find port {port} on service {self._key[0]}/{name}")
        # The controller takes these annotations from the Service first.
        own = {
            annotation.removeprefix(PREFIX): value
            for annotation, value in strings(service, "metadata", "annotations").items()
            if annotation.startswith(PREFIX)
        }
        outer, self._annotations = self._annotations, self._annotations | own | self._of_class
        try:
            group = self._group(name, port)
        finally:
            self._annotations = outer
        if group.target_type is TargetType.INSTANCE:
            if text(service, "spec", "type") not in {"NodePort", "LoadBalancer"}:
                raise InvalidIngressError(
                    f"service type must be either 'NodePort' or 'LoadBalancer': {self._key[0]}/{name} "
                    f"(target-type is instance; on Fargate there are no instances, set {PREFIX}target-type: ip)"
                )
            self._warnings.append(
                f"target-type instance: Fargate pods run on no instance, so {name} never gets a healthy target; "
                f"set {PREFIX}target-type: ip"
            )
        self._groups[group.binding] = group
        return Forward(shares=(Share(arn=group.arn, weight=1),))

    def _group(self, service: str, port: str) -> Group:
        interval = self._whole("healthcheck-interval-seconds", default=15, least=5, most=300)
        timeout = self._whole("healthcheck-timeout-seconds", default=5, least=2, most=120)
        if timeout >= interval:
            raise InvalidIngressError(
                f"{PREFIX}healthcheck-timeout-seconds: {timeout} must be smaller than the interval, {interval}"
            )
        codes = self._annotations.get("success-codes", "200")
        if not re.fullmatch(r"[2-4][0-9]{2}(-[2-4][0-9]{2})?(,[2-4][0-9]{2}(-[2-4][0-9]{2})?)*", codes):
            raise self._refusal("success-codes", codes, "status codes from 200 to 499, like 200, 200,202 or 200-299")
        path = self._annotations.get("healthcheck-path", "/")
        if not re.fullmatch(r"/[!-~]{0,1023}", path):
            raise self._refusal("healthcheck-path", path, "a path of printable characters that begins with /")
        if self._annotations.get("healthcheck-port", "traffic-port") == "traffic-port":
            check_port = None
        else:
            check_port = self._whole("healthcheck-port", default=0, least=1, most=65535)
        return Group(
            binding=(self._key[0], naming.binding_name(self._key, service, port)),
            service=service,
            port=port,
            target_type=TargetType(self._choice("target-type", list(TargetType), default=TargetType.INSTANCE)),
            health_check=HealthCheck(
                path=path,
                port=check_port,
                interval=interval,
                timeout=timeout,
                healthy_threshold=self._whole("healthy-threshold-count", default=2, least=2, most=10),
                unhealthy_threshold=self._whole("unhealthy-threshold-count", default=2, least=2, most=10),
                success_codes=codes,
            ),
            deregistration_delay=self._deregistration_delay(),
        )

    def _deregistration_delay(self) -> int:
        name = "target-group-attributes"
        for attribute in filter(None, self._annotations.get(name, "").split(",")):
            key_, separator, value = (part.strip() for part in attribute.partition("="))
            if not separator:
                raise self._refusal(name, attribute, "of the form key=value")
            if key_ == "deregistration_delay.timeout_seconds":
                if not re.fullmatch(r"[0-9]{1,4}", value) or int(value) > 3600:
                    raise self._refusal(name, attribute, "a delay from 0 to 3600 seconds")
                return int(value)
        return 300


def _pairs(value: str) -> dict[str, str]:
    """The attributes in an annotation, `key=value` each."""
    pairs = (pair.partition("=") for pair in value.split(","))
    return {name.strip(): said.strip() for name, _, said in pairs}


def _precedence(rule: Rule) -> tuple[int, int]:
    """Exact paths first, then prefixes from the longest to the shortest, then patterns in their order."""
    order = {"Exact": 0, "Prefix": 1}.get(rule.path_type, 2)
    return order, -len(rule.path) if order == 1 else 0


def service_port(service: Json, port: str) -> Object | None:
    """A Service's port by number or name."""
    for candidate in items(service, "spec", "ports"):
        if port and port in {text(candidate, "name"), str(number(candidate, "port"))}:
            return mapping(candidate)
    return None
