"""The agent of pull requests is another user in each build: its connection is closed after one."""

from collections.abc import Mapping

import pytest

from tests.jenkins.builds import one_build
from tests.stack_files import CHECKOUT

SCRIPT = (CHECKOUT / "jenkins" / "one-build.groovy").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def happened() -> Mapping[str, Mapping[str, list[str]]]:
    return one_build(SCRIPT)


@pytest.mark.parametrize("build", ["a build that ends well", "a build that is aborted"])
def test_no_build_follows_another_on_one_connection(
    happened: Mapping[str, Mapping[str, list[str]]], build: str
) -> None:
    assert happened[build]["preview"] == ["takes no builds", "builds", "is let go", "takes builds", "is connected"]


def test_a_connection_that_cannot_be_closed_gets_no_further_build(
    happened: Mapping[str, Mapping[str, list[str]]],
) -> None:
    assert happened["a build whose connection stays"]["preview"] == ["takes no builds", "builds", "is let go"]


def test_the_other_agents_stay_connected(happened: Mapping[str, Mapping[str, list[str]]]) -> None:
    assert all(agents["deploy"] == ["builds"] for agents in happened.values())
