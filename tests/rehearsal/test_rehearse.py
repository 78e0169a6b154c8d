"""The main job's order: what comes up, as whom, and that every page is looked at."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline.changes import Changes
from pipeline.deadline import Deadline
from pipeline.environments import Target
from pipeline.outcomes import Failed
from pipeline.pulumi import Pulumi
from pipeline.verify import Page, Seen
from rehearsal import cluster, rehearse
from rehearsal.cluster import Standing
from rehearsal.progress import Progress, RehearsalError
from tests.stack_files import CHECKOUT

BASE = "localhost:5077/base@sha256:" + "0" * 64


def seen(stack: str) -> Seen:
    page = Page(environment="staging", branch="b", version="0123456789ab", colour="#15803d", digest="sha256:0")
    return Seen(url=f"http://{stack}.elb.test", page=page, pods=frozenset({"one"}))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is done to each stack, in order, and with whose rights."""
    made: list[str] = []

    def note(what: str, target: Target) -> None:
        made.append(f"{what} {target.stack} as {target.pulumi.environment['AWS_PROFILE']}")

    def start(_: Progress) -> Standing:
        variables = {"AWS_PROFILE": "administrator"}
        overlay = cluster.overlay(tmp_path / "chart", BASE)
        return cast("Standing", SimpleNamespace(overlay=overlay, variables=variables))

    def stacks(_: Pulumi) -> list[str]:
        return ["platform", "develop", "green"]

    def create(target: Target) -> None:
        made.append(f"create {target.stack}")

    def bring_up(target: Target) -> None:
        note("up", target)

    def preview(target: Target, _: Deadline, plan: Path) -> Changes:
        note("preview", target)
        plan.touch()
        return Changes(changes=(), unchanged=7, images=())

    def deploy(target: Target, plan: Path, _: Deadline) -> None:
        assert plan.exists()
        note("deploy", target)

    def verify(target: Target, _: Deadline) -> Seen:
        note("verify", target)
        return seen(target.stack)

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (rehearse.project_directory().parent / "logs").mkdir(parents=True)
    monkeypatch.setattr(cluster, "start", start)
    monkeypatch.setattr(Pulumi, "stacks", stacks)
    for name, replacement in {
        "_bring_up": bring_up,
        "_create": create,
        "preview": preview,
        "deploy": deploy,
        "verify": verify,
    }.items():
        monkeypatch.setattr(rehearse, name, replacement)
    return made


def test_the_platform_comes_up_first_then_development_and_then_the_others_beside_one_another(
    calls: list[str],
) -> None:
    live = rehearse.up(Progress(io.StringIO()), CHECKOUT)
    steps = ("preview", "deploy", "verify")
    assert calls[:2] == ["create blue", "up platform as administrator"]
    assert calls[2:5] == [f"{what} develop as open" for what in steps]
    for stack in ("green", "blue"):
        assert [call for call in calls[5:] if stack in call] == [f"{what} {stack} as deploy" for what in steps]
    assert len(calls) == 11
    assert [one.seen.url for one in live] == [f"http://{stack}.elb.test" for stack in ("develop", "green", "blue")]


def test_a_page_that_is_not_right_fails_the_rehearsal_and_stops_it_there(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify(target: Target, _: Deadline) -> Seen:
        raise Failed(f"The page of {target.stack} is not what was deployed.", "Look at it.")

    monkeypatch.setattr(rehearse, "verify", verify)
    with pytest.raises(RehearsalError, match="The page of develop is not what was deployed") as failed:
        rehearse.up(Progress(io.StringIO()), CHECKOUT)
    assert "pulumi-develop.log" in failed.value.way_out
    assert not [call for call in calls if call.endswith("as deploy")]


@pytest.mark.usefixtures("calls")
def test_the_passphrase_of_the_state_is_random_kept_and_readable_by_its_owner_alone() -> None:
    rehearse.up(Progress(io.StringIO()), CHECKOUT)
    path = rehearse.project_directory().parent / "passphrase"
    first = path.read_text(encoding="utf-8")
    assert len(first) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    rehearse.up(Progress(io.StringIO()), CHECKOUT)
    assert path.read_text(encoding="utf-8") == first
