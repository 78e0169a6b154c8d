"""What a slip does not destroy."""

import pytest

from tests.engine.world import World


@pytest.mark.trap("T32")
def test_destroying_the_platform_is_refused_by_name_and_nothing_is_touched(live: World) -> None:
    """By the preview, which is why nobody skips it: without one, the engine deletes what is not protected first."""
    before = live.account()
    refused = live.harness.pulumi("destroy", "--stack", "platform", "--yes")
    assert refused.code != 0
    assert live.account() == before
    assert "kubernetes:helm.sh/v3:Release::controller" in refused.output
    assert "protected" in refused.output


def test_a_change_that_would_replace_what_is_protected_is_refused_before_it_is_made(live: World) -> None:
    with live.settings("platform", {"smallcase:network": "10.43.0.0/16"}):
        step = live.up("platform")
    assert not step.succeeded
    assert ("aws:ec2/vpc:Vpc", next(id_ for kind, id_ in step.before if kind == "aws:ec2/vpc:Vpc")) in step.after


def test_an_administrator_can_be_taken_off_the_list(live: World) -> None:
    with live.settings("platform", {"smallcase:administrators": ["arn:aws:iam::123456789012:role/somebody"]}):
        joined = live.up("platform")
    left = live.up("platform")
    assert joined.succeeded, joined.outcome.output
    assert left.succeeded, left.outcome.output
    assert left.after.keys() == joined.before.keys()
