import json

import pytest

from rehearsal.load_balancer.ingress import (
    Answer,
    Forward,
    HealthCheck,
    InvalidIngressError,
    Model,
    Share,
    TargetType,
    parse,
)
from rehearsal.load_balancer.objects import Json, key
from tests.load_balancer.cluster import NAME, ingress, service


def model(found: Json, *services: Json) -> Model:
    return parse(found, {key(one): one for one in services or (service(),)})


def test_an_ingress_without_annotations_has_the_controllers_defaults() -> None:
    found = model(ingress())
    (group,) = found.groups
    assert found.internal
    assert found.ports == (80,)
    assert group.health_check == HealthCheck(
        path="/", interval=15, timeout=5, healthy_threshold=2, unhealthy_threshold=2, success_codes="200"
    )
    assert group.deregistration_delay == 300
    assert found.rules[0].action == Forward(shares=(Share(arn=group.arn, weight=1),))


def test_annotations_decide_health_check_delay_scheme_and_ports() -> None:
    found = model(
        ingress(
            {
                "scheme": "internet-facing",
                "healthcheck-path": "/readyz",
                "healthcheck-interval-seconds": "6",
                "healthcheck-timeout-seconds": "3",
                "healthy-threshold-count": "4",
                "unhealthy-threshold-count": "5",
                "success-codes": "200-204,301",
                "target-group-attributes": "stickiness.enabled=false, deregistration_delay.timeout_seconds=30",
                "listen-ports": '[{"HTTP": 80}, {"HTTP": 8080}]',
            }
        )
    )
    (group,) = found.groups
    assert not found.internal
    assert found.ports == (80, 8080)
    assert group.deregistration_delay == 30
    assert group.health_check == HealthCheck(
        path="/readyz", interval=6, timeout=3, healthy_threshold=4, unhealthy_threshold=5, success_codes="200-204,301"
    )


def test_an_annotation_of_the_service_goes_before_the_ingresss() -> None:
    own = service(annotations={"alb.ingress.kubernetes.io/healthcheck-path": "/own"})
    assert model(ingress({"healthcheck-path": "/outer"}), own).groups[0].health_check.path == "/own"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("healthcheck-interval-seconds", "4"),
        ("healthcheck-interval-seconds", "5s"),
        ("healthcheck-timeout-seconds", "15"),
        ("healthy-threshold-count", "1"),
        ("success-codes", "20x"),
        ("success-codes", "500"),
        ("healthcheck-path", "readyz"),
        ("healthcheck-path", "/a b"),
        ("target-group-attributes", "deregistration_delay.timeout_seconds=3601"),
        ("target-group-attributes", "deregistration_delay"),
        ("listen-ports", "80"),
        ("listen-ports", '[{"TCP": 80}]'),
        ("scheme", "public"),
        ("target-type", "pod"),
        ("group.name", "shared"),
    ],
)
def test_a_value_that_aws_or_the_controller_refuses_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidIngressError, match=f"alb.ingress.kubernetes.io/{name}"):
        model(ingress({name: value}))


def test_target_type_instance_is_the_default_and_refused_for_a_service_without_node_ports() -> None:
    with pytest.raises(InvalidIngressError, match="service type must be either 'NodePort' or 'LoadBalancer'"):
        model(ingress({"target-type": "instance"}))


def test_target_type_instance_warns_that_fargate_has_no_instances() -> None:
    found = model(ingress({"target-type": "instance"}), service(kind="NodePort"))
    assert found.groups[0].target_type is TargetType.INSTANCE
    assert "never gets a healthy target" in found.warnings[0]


def test_a_service_that_does_not_exist_is_answered_with_503_and_a_warning() -> None:
    found = parse(ingress(), {})
    assert found.rules[0].action == Answer(status=503, body="Backend service does not exist")
    assert "smallcase-blue/smallcase does not exist" in found.warnings[0]


def test_a_port_that_the_service_does_not_have_is_refused() -> None:
    backend: Json = {"service": {"name": "smallcase", "port": {"name": "https"}}}
    with pytest.raises(InvalidIngressError, match="unable to find port https on service smallcase-blue/smallcase"):
        model(ingress(defaultBackend=backend))


def test_rules_are_tried_exact_first_then_prefixes_from_the_longest() -> None:
    backend: Json = {"service": {"name": "smallcase", "port": {"number": 80}}}
    paths: Json = [
        {"path": path, "pathType": kind, "backend": backend}
        for path, kind in (("/", "Prefix"), ("/a*", "ImplementationSpecific"), ("/api", "Prefix"), ("/x", "Exact"))
    ]
    found = model(ingress(rules=[{"host": "a.test", "http": {"paths": paths}}]))
    assert [rule.path for rule in found.rules] == ["/x", "/api", "/", "/a*"]
    assert {rule.host for rule in found.rules} == {"a.test"}


def by_action(action: Json) -> Json:
    backend: Json = {"service": {"name": "traffic", "port": {"name": "use-annotation"}}}
    return ingress({"actions.traffic": json.dumps(action)}, rules=[], defaultBackend=backend)


def test_an_action_forwards_by_weight_to_services_and_target_groups() -> None:
    targets: Json = [
        {"serviceName": "smallcase", "servicePort": "80", "weight": 20},
        {"targetGroupARN": "arn:green", "weight": 80},
    ]
    found = model(by_action({"type": "forward", "forwardConfig": {"targetGroups": targets}}))
    assert found.default == Forward(
        shares=(Share(arn=found.groups[0].arn, weight=20), Share(arn="arn:green", weight=80))
    )


def test_an_action_may_be_a_fixed_response() -> None:
    config: Json = {"contentType": "text/plain", "statusCode": "410", "messageBody": "gone"}
    found = model(by_action({"type": "fixed-response", "fixedResponseConfig": config}))
    assert found.default == Answer(status=410, body="gone")


@pytest.mark.parametrize(
    "action",
    [
        {"type": "redirect"},
        {"type": "forward", "forwardConfig": {"targetGroups": []}},
        {"type": "forward", "forwardConfig": {"targetGroups": [{"weight": 1}]}},
        {"type": "forward", "forwardConfig": {"targetGroups": [{"targetGroupARN": "a", "weight": 1000}]}},
        {"type": "fixed-response", "fixedResponseConfig": {"statusCode": "302"}},
    ],
)
def test_an_action_that_aws_refuses_or_the_rehearsal_lacks_is_refused(action: Json) -> None:
    with pytest.raises(InvalidIngressError, match=r"actions\.traffic"):
        model(by_action(action))


def test_names_are_the_same_each_time_and_fit_into_dns() -> None:
    found = model(ingress({"scheme": "internet-facing"}))
    assert found.host_name == model(ingress({"scheme": "internet-facing"})).host_name
    assert found.host_name.startswith("k8s-smallcaseblue-smallcase-")
    assert all(len(label) <= 63 for label in found.host_name.split("."))
    assert found.groups[0].binding[0] == NAME[0]
    assert model(ingress()).host_name.startswith("internal-k8s-")


def test_success_codes_are_single_codes_and_ranges() -> None:
    check = HealthCheck(success_codes="200,204-206")
    assert [status for status in range(199, 208) if check.accepts(status)] == [200, 204, 205, 206]
