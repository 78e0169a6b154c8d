"""What a platform has only where it is configured: names, certificate, alarms; and the account it is bound to."""

import json
from typing import cast

import pytest

from infra.host_names import belongs_to, host_in
from rehearsal.cloud.properties import Properties
from tests.graph import WITH_DOMAIN, ZONE, Graph, platform, program

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
RECORD = "aws:route53/record:Record"
SHARED = "alb.ingress.kubernetes.io/"


def test_without_configuration_there_is_no_name_certificate_or_alarm() -> None:
    assert not platform().any(RECORD, ALARM, "aws:acm/certificate:Certificate", "aws:lb/loadBalancer:LoadBalancer")


def test_one_certificate_covers_the_domain_and_the_names_below_it() -> None:
    graph = platform(**WITH_DOMAIN)
    certificate = graph.one("aws:acm/certificate:Certificate")
    assert certificate.at("domainName") == "example.org"
    assert certificate.at("subjectAlternativeNames") == ["*.example.org"]
    assert certificate.at("validationMethod") == "DNS"
    # Whoever uses the certificate waits until it is valid.
    valid = graph.one("aws:acm/certificateValidation:CertificateValidation")
    assert graph.depends(graph.one("aws:lb/listener:Listener", "https"), valid)


RELEASE = "kubernetes:helm.sh/v3:Release"


def parameters(graph: Graph) -> dict[str, object]:
    return cast("dict[str, object]", graph.one(RELEASE).at("values", "ingressClassParams", "spec"))


@pytest.mark.parametrize("shared", [{}, WITH_DOMAIN])
def test_all_load_balancers_are_public_ask_pods_and_drop_headers_that_another_server_may_read_otherwise(
    shared: dict[str, str],
) -> None:
    graph = platform(**shared)
    assert graph.one(RELEASE).at("values", "ingressClassParams", "create") is True
    found = parameters(graph)
    assert (found["scheme"], found["targetType"]) == ("internet-facing", "ip")
    assert {"key": "routing.http.drop_invalid_header_fields.enabled", "value": "true"} in cast(
        "list[object]", found["loadBalancerAttributes"]
    )


def test_without_a_domain_there_is_no_certificate_and_an_ingress_says_nothing_of_ports() -> None:
    assert not {"certificateArn", "sslPolicy", "sslRedirectPort"} & parameters(platform()).keys()
    assert cast("Properties", platform().outputs["platform"])["ingress_annotations"] == {}


def test_with_a_domain_all_load_balancers_have_its_certificate_one_tls_policy_and_the_way_to_https() -> None:
    graph = platform(**WITH_DOMAIN)
    found = parameters(graph)
    [certificate] = cast("list[str]", found["certificateArn"])
    assert certificate.startswith("arn:aws:acm:")
    assert found["sslRedirectPort"] == "443"
    jenkins = graph.one("aws:lb/listener:Listener", "https")
    assert found["sslPolicy"] == jenkins.at("sslPolicy") == "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
    # The parameters of a class know no ports (v3.5.0).
    [(name, ports)] = cast(
        "dict[str, str]", cast("Properties", graph.outputs["platform"])["ingress_annotations"]
    ).items()
    assert (name, json.loads(ports)) == (f"{SHARED}listen-ports", [{"HTTP": 80}, {"HTTPS": 443}])


def test_an_ingress_cannot_join_the_load_balancer_of_another() -> None:
    assert platform().one(RELEASE).at("values", "disableIngressGroupNameAnnotation") is True


def test_an_environment_gets_a_name_below_the_domain_unless_it_has_one() -> None:
    contract = cast("Properties", platform(**WITH_DOMAIN).outputs["platform"])
    graph = program("green", contract)
    record = graph.one(RECORD)
    [ingress] = graph.of("kubernetes:networking.k8s.io/v1:Ingress")
    assert (record.at("zoneId"), record.at("name"), record.at("type")) == (ZONE, "green.example.org", "A")
    assert record.text("aliases", 0, "name").endswith(".elb.amazonaws.com")
    assert ingress.at("spec", "rules", 0, "host") == "green.example.org"
    assert graph.outputs["url"] == "https://green.example.org"
    named = program("blue", contract, changes={"host": "example.org"})
    assert named.outputs["url"] == "https://example.org"
    assert named.one(RECORD).at("name") == "example.org"


def test_a_name_of_another_domain_gets_no_record_here() -> None:
    contract = cast("Properties", platform(**WITH_DOMAIN).outputs["platform"])
    assert not program("blue", contract, changes={"host": "shop.example.net"}).any(RECORD)


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        ("example.org", "example.org", True),
        ("www.example.org", "example.org", True),
        ("a.b.example.org", "example.org", False),
        ("badexample.org", "example.org", False),
        ("example.org", "", False),
    ],
)
def test_a_certificate_reaches_one_label_below_the_domain(host: str, domain: str, expected: bool) -> None:
    assert belongs_to(host, domain) is expected


def test_without_a_domain_an_environment_answers_to_the_load_balancers_own_name() -> None:
    assert host_in("", "green", None) is None
    assert host_in("", "green", "shop.example.net") == "shop.example.net"


def test_alarms_watch_every_load_balancer_of_the_region_and_each_host() -> None:
    graph = platform(**WITH_DOMAIN)
    alarms = {node.name: node for node in graph.of(ALARM)}
    assert alarms.keys() == {
        "unhealthy-targets",
        "errors-of-the-application",
        "errors-of-load-balancers",
        "controller",
        "preview",
        "open",
        "deploy",
    }
    topic = graph.mocks.cloud.of("aws:sns/topic:Topic")[0].text("arn")
    assert all(node.at("alarmActions") == [topic] == node.at("okActions") for node in alarms.values())
    assert graph.one("aws:sns/topicSubscription:TopicSubscription").at("endpoint") == "operations@example.org"


@pytest.mark.parametrize(
    ("alarm", "missing"),
    [
        # No load balancer, or none that failed, reports nothing.
        ("unhealthy-targets", "notBreaching"),
        ("errors-of-the-application", "notBreaching"),
        ("errors-of-load-balancers", "notBreaching"),
        # A host that reports nothing is down.
        ("controller", "breaching"),
        ("preview", "breaching"),
        ("deploy", "breaching"),
    ],
)
def test_silence_is_good_news_of_a_load_balancer_and_bad_news_of_a_host(alarm: str, missing: str) -> None:
    assert platform(**WITH_DOMAIN).one(ALARM, alarm).at("treatMissingData") == missing


@pytest.mark.trap("T48")
def test_another_account_than_the_configured_one_is_refused_by_the_provider() -> None:
    assert "allowedAccountIds" not in platform().one("pulumi:providers:aws").inputs
    bound = program("platform", accounts=["123456789012"])
    assert json.loads(bound.one("pulumi:providers:aws").text("allowedAccountIds")) == ["123456789012"]


BUCKET = "aws:s3/bucket:Bucket"


def test_without_the_setting_nothing_is_logged_and_what_was_before_ends() -> None:
    graph = platform(**{**WITH_DOMAIN, "accessLogs": "false"})
    assert not graph.any(BUCKET)
    assert {"key": "access_logs.s3.enabled", "value": "false"} in cast(
        "list[object]", parameters(graph)["loadBalancerAttributes"]
    )
    assert graph.one("aws:lb/loadBalancer:LoadBalancer").at("accessLogs") is None


def test_every_load_balancer_logs_to_one_bucket_that_elastic_load_balancing_writes_to_for_this_account_alone() -> None:
    graph = platform(**WITH_DOMAIN)
    bucket = graph.one(BUCKET)
    [made] = graph.mocks.cloud.of(BUCKET)
    name = made.text("bucket")
    assert name.startswith("smallcase-platform-access-logs-")
    attributes = cast("list[dict[str, str]]", parameters(graph)["loadBalancerAttributes"])
    assert {one["key"]: one["value"] for one in attributes}.items() >= {
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": name,
    }.items()
    balancer = graph.one("aws:lb/loadBalancer:LoadBalancer")
    assert balancer.at("accessLogs") == {"bucket": name, "enabled": True}
    policy = graph.one("aws:s3/bucketPolicy:BucketPolicy")
    assert json.loads(policy.text("policy"))["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{name}/AWSLogs/123456789012/*",
        }
    ]
    # It is written to for a test as soon as a load balancer is told.
    assert graph.depends(balancer, policy)
    assert graph.depends(graph.one(RELEASE), policy)
    assert bucket.retain_on_delete


def test_access_logs_expire() -> None:
    [rule] = cast(
        "list[dict[str, object]]",
        platform(**WITH_DOMAIN).one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").at("rules"),
    )
    assert (rule["status"], rule["expiration"]) == ("Enabled", {"days": 90})
