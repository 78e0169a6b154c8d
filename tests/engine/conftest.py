from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine import stories
from tests.engine.stories import Life
from tests.engine.terminal import Operator, operator_of
from tests.engine.world import World, copy_of, empty_world, make_checkout


@pytest.fixture(scope="session")
def tell(pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[World], Life]], Life]:
    """Lives a story in an account of its own."""

    def live(story: Callable[[World], Life]) -> Life:
        directory = tmp_path_factory.mktemp("story")
        with empty_world(directory / "world", make_checkout(directory / "smallcase"), pulumi_cli) as world:
            return story(world)

    return live


@pytest.fixture(scope="session")
def both_layers_in_one(tell: Callable[[Callable[[World], Life]], Life]) -> Life:
    return tell(stories.both_layers_in_one)


@pytest.fixture(scope="session")
def a_stack_each(tell: Callable[[Callable[[World], Life]], Life]) -> Life:
    return tell(stories.a_stack_each)


@pytest.fixture(scope="session")
def untouched(pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The platform and one environment, up. Tests take copies of it."""
    directory = tmp_path_factory.mktemp("untouched")
    with empty_world(directory / "world", make_checkout(directory / "smallcase"), pulumi_cli) as world:
        for stack in ("platform", "green"):
            world.create(stack)
            up = world.up(stack)
            assert up.succeeded, up.outcome.output
        yield world


@pytest.fixture
def live(untouched: World, pulumi_cli: Path, tmp_path: Path) -> Iterator[World]:
    """The platform and one environment, up, to do anything with."""
    with copy_of(untouched, tmp_path / "world", pulumi_cli) as world:
        yield world


@pytest.fixture
def operator(live: World, tmp_path: Path) -> Operator:
    """A person with a checkout of the platform and the environment."""
    return operator_of(live, tmp_path)
