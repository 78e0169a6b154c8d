"""Pod logs."""

import json

import pytest

from infra.platform.logging import LONGEST, configuration
from tests.graph import platform, whole
from tests.policies import actions


@pytest.mark.trap("T37")
def test_the_log_router_is_switched_on_by_a_namespace_and_a_config_map_of_the_names_it_looks_for() -> None:
    graph = platform()
    namespace = graph.one("kubernetes:core/v1:Namespace")
    router = graph.one("kubernetes:core/v1:ConfigMap")
    assert namespace.at("metadata", "name") == "aws-observability"
    assert namespace.at("metadata", "labels", "aws-observability") == "enabled"
    assert (router.at("metadata", "name"), router.at("metadata", "namespace")) == ("aws-logging", "aws-observability")


@pytest.mark.trap("T37")
def test_the_configuration_is_no_longer_than_fargate_takes_and_has_only_what_it_takes() -> None:
    data = configuration("a-stack-with-quite-a-long-name", "ap-southeast-1")
    assert len(json.dumps(data)) <= LONGEST
    assert data.keys() == {"flb_log_cw", "filters.conf", "output.conf", "parsers.conf"}
    sections = [line for text in data.values() for line in text.splitlines() if line.startswith("[")]
    assert set(sections) <= {"[FILTER]", "[OUTPUT]", "[PARSER]"}


@pytest.mark.trap("T37")
def test_the_role_that_runs_pods_may_write_their_logs_to_their_group_alone() -> None:
    graph = platform()
    right = graph.one("aws:iam/rolePolicy:RolePolicy", "pod-logs")
    assert right.at("role") == graph.one("aws:iam/role:Role", "pod-execution").at("name")
    assert actions(right.text("policy")) == {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "logs:PutRetentionPolicy",
    }
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/smallcase/platform/pods"
    assert json.loads(right.text("policy"))["Statement"][0]["Resource"] == [group, f"{group}:*"]


@pytest.mark.trap("T37")
def test_every_deployment_comes_after_the_log_router_or_it_would_log_nowhere() -> None:
    graph = whole()
    router = graph.one("kubernetes:core/v1:ConfigMap")
    assert all(graph.depends(node, router) for node in graph.of("kubernetes:apps/v1:Deployment"))
    assert graph.depends(graph.one("kubernetes:helm.sh/v3:Release"), router)
    # It starts with the first pod, and must be allowed to write by then.
    assert graph.depends(router, graph.one("aws:iam/rolePolicy:RolePolicy", "pod-logs"))
