"""What people type wrong: one message with the way out, and nothing that runs is touched."""

import pytest

from pipeline.stack_files import read, settings_in, stack_file, write
from rehearsal.places import ACCOUNT
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
        ("green", "smallcase:branch", "stagin", ["'stagin'", "develop, staging, master", "-s green`"]),
        ("green", "smallcase:colour", "green", ["'green'", "#rrggbb", "-s green`"]),
        ("green", "smallcase:namespace", "shop", ["'shop'", "no Fargate profile selects", "smallcase-*"]),
        ("green", "smallcase:size", "1vCPU-9GB", ["'1vCPU-9GB'", "with 1 vCPU Fargate has 2, 3, 4"]),
        ("green", "smallcase:replicas", 0, ["'0'", "at least one pod", "`pulumi config set smallcase:replicas 2"]),
        ("green", "smallcase:replicas", "two", ["'smallcase:replicas'", "must be of type 'integer'"]),
        ("green", "smallcase:config:colr", "#ffffff", ["smallcase:colr", "`pulumi config rm smallcase:colr -s green`"]),
        ("green", "aws:profile", "company", ["aws:profile would change nothing", "AWS_PROFILE"]),
        (
            "green",
            "aws:assumeRoles",
            [{"roleArn": "arn:aws:iam::123456789012:role/x"}],
            ["aws:assumeRoles", "AWS_PROFILE"],
        ),
        ("green", "kubernetes:context", "mine", ["kubernetes:context would change nothing"]),
        ("green", "smallcase:image", "smallcase:latest", ["'smallcase:latest'", "sha256:<64 hex digits>"]),
        (
            "green",
            "smallcase:image",
            f"registry.example.org/smallcase-platform:green-0123456789ab@sha256:{'0' * 64}",
            ["own trust domain's", "registry.example.org", "`pulumi config set smallcase:image build -s green`"],
        ),
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
            ["not allowed: 123456789012", "aws:allowedAccountIds allows 999999999999 only", "AWS_PROFILE"],
        ),
        ("platform", "smallcase:network", "10.0.0.0/24", ["'10.0.0.0/24'", "too small", "/16 to /20"]),
        ("platform", "smallcase:agents", "one", ["'one'", "`separate` or `shared`"]),
        ("platform", "smallcase:zones", 4, ["'4'", "2 or 3"]),
        ("platform", "smallcase:apiAllowList", [], ["nobody could reach", "&& pulumi config set --secret --path"]),
        (
            "platform",
            "aws:allowedAccountIds",
            ["999999999999"],
            ["not allowed: 123456789012", "aws:allowedAccountIds allows 999999999999 only", "AWS_PROFILE"],
        ),
    ],
)
def test_a_bad_setting_is_refused_by_name_and_nothing_is_touched(
    live: World, stack: str, key: str, value: object, expected: list[str]
) -> None:
    with live.settings(stack, {key: value}):
        message = refusal(live.up(stack))
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize("stack", ["platform", "green"])
def test_an_account_that_is_forbidden_is_not_touched(live: World, stack: str) -> None:
    path = live.harness.project / stack_file(stack)
    settings = settings_in(path)
    del settings["aws:allowedAccountIds"]
    write(path, {**read(path), "config": {**settings, "aws:forbiddenAccountIds": [ACCOUNT]}})
    message = refusal(live.up(stack))
    assert f"not allowed: {ACCOUNT}" in message
    assert f"aws:forbiddenAccountIds forbids {ACCOUNT}" in message


def test_a_secret_is_refused_by_name_and_stays_one(live: World) -> None:
    live.configure("green", "--secret", "smallcase:host", "secret.example.org")
    step = live.up("green")
    assert "smallcase:host is encrypted" in refusal(step)
    assert "secret.example.org" not in step.outcome.output


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
