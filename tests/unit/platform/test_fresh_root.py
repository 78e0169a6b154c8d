"""The agent of pull requests starts each night as it was launched."""

import json
import re

from tests.graph import platform
from tests.policies import many, of_role

INSTANCE = "aws:ec2/instance:Instance"


def test_the_agent_of_pull_requests_gets_a_fresh_root_volume_every_night_and_the_old_one_is_deleted() -> None:
    graph = platform()
    schedule = graph.one("aws:scheduler/schedule:Schedule")
    assert re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", schedule.text("scheduleExpression"))
    assert schedule.text("target", "arn").endswith(":aws-sdk:ec2:createReplaceRootVolumeTask")
    [host] = [node for node in graph.mocks.cloud.of(INSTANCE) if node.name == "preview"]
    asked = json.loads(schedule.text("target", "input"))
    # Of no other image and no snapshot: as it was launched.
    assert asked == {"InstanceId": host.id, "DeleteReplacedRootVolume": True}


def test_who_asks_for_it_can_ask_for_nothing_else_and_of_no_other_host() -> None:
    graph = platform()
    [host] = [node for node in graph.mocks.cloud.of(INSTANCE) if node.name == "preview"]
    [statement] = of_role(graph, "preview-root")
    assert many(statement["Action"]) == ["ec2:CreateReplaceRootVolumeTask"]
    instances = [resource for resource in many(statement["Resource"]) if ":instance/" in resource]
    assert instances == [f"arn:aws:ec2:us-east-1:123456789012:instance/{host.id}"]


def test_no_host_has_the_right_to_it() -> None:
    graph = platform()
    for host in ("controller", "preview", "deploy"):
        actions = [action for statement in of_role(graph, host) for action in many(statement["Action"])]
        assert not [action for action in actions if action.startswith("ec2:")]
