"""What people type wrong: one message with the way out, and nothing that runs is touched."""

import pytest

from tests.engine.harness import Outcome
from tests.engine.world import Step, World


def refusal(step: Step) -> str:
    """The one message of a command that was refused and that changed nothing."""
    assert step.outcome.code not in (0, None)
    assert step.after == step.before
    return message_of(step.outcome)


def message_of(outcome: Outcome) -> str:
    assert "Traceback" not in outcome.output
    (message,) = outcome.errors()
    return message


@pytest.mark.parametrize(
    ("stack", "key", "value", "expected"),
    [
        ("green", "smallcase:colr", "#ffffff", ["smallcase:colr", "`pulumi config rm smallcase:colr -s green`"]),
        ("green", "smallcase:branch", "stagin", ["'stagin'", "master, staging, develop", "-s green`"]),
        ("green", "smallcase:colour", "green", ["'green'", "#rrggbb", "-s green`"]),
        ("green", "smallcase:namespace", "shop", ["'shop'", "no Fargate profile selects", "smallcase-*"]),
        ("green", "smallcase:size", "1vCPU-9GB", ["'1vCPU-9GB'", "with 1 vCPU Fargate has 2, 3, 4"]),
        ("green", "smallcase:replicas", 0, ["'0'", "at least one pod", "`pulumi config set smallcase:replicas 2"]),
        ("green", "smallcase:replicas", "two", ["'smallcase:replicas'", "must be of type 'integer'"]),
        ("green", "smallcase:image", "smallcase:latest", ["'smallcase:latest'", "sha256:<64 hex digits>"]),
        (
            "green",
            "smallcase:platform",
            "elsewhere",
            ["unknown stack", "`pulumi up -s elsewhere`", "`pulumi config set smallcase:platform self -s green`"],
        ),
        (
            "green",
            "aws:allowedAccountIds",
            ["999999999999"],
            ["not allowed: 123456789012", "allowedAccountIds -s green`"],
        ),
        ("platform", "smallcase:network", "10.0.0.0/24", ["'10.0.0.0/24'", "too small", "/16 to /20"]),
        ("platform", "smallcase:zones", 4, ["'4'", "2 or 3"]),
        ("platform", "smallcase:apiAllowList", [], ["nobody could reach", "`pulumi config set --path"]),
        (
            "platform",
            "aws:allowedAccountIds",
            ["999999999999"],
            ["not allowed: 123456789012", "allowedAccountIds -s platform`"],
        ),
    ],
)
def test_a_bad_setting_is_refused_by_name_and_nothing_is_touched(
    live: World, stack: str, key: str, value: object, expected: list[str]
) -> None:
    with live.settings(stack, {key: value}):
        message = refusal(live.up(stack))
    assert [part for part in expected if part not in message] == []


def test_a_stack_that_nobody_declared_is_refused_with_what_there_is(live: World) -> None:
    live.create("feature")
    message = refusal(live.up("feature"))
    assert "owns nothing" in message
    assert "`pulumi config set smallcase:branch develop -s feature`" in message


def test_a_stack_that_does_not_exist_is_refused_by_name(live: World) -> None:
    assert "no stack named 'gren' found" in refusal(live.up("gren"))


def test_a_mended_setting_goes_on_as_if_nothing_had_been(live: World) -> None:
    with live.settings("green", {"smallcase:replicas": 0}):
        assert not live.up("green").succeeded
    mended = live.up("green", "--expect-no-changes")
    assert mended.succeeded, mended.outcome.output
