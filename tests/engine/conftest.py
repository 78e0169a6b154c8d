from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.engine import stories
from tests.engine.stories import Life
from tests.engine.terminal import Operator, operator_of
from tests.engine.world import World, copy_of, empty_world, make_checkout

STORIES: Final[Mapping[str, Callable[[World], Life]]] = {
    story.__name__: story for story in (stories.both_layers_in_one, stories.a_stack_each)
}


@pytest.fixture(scope="session", autouse=True)
def told(
    request: pytest.FixtureRequest, pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Life]]]:
    """The stories that tests ask for, lived in the background while other tests run."""
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}

    def tell(name: str, directory: Path) -> Life:
        with empty_world(directory / "world", make_checkout(directory / "smallcase"), pulumi_cli) as world:
            return STORIES[name](world)

    with ThreadPoolExecutor(max_workers=1) as background:
        yield {name: background.submit(tell, name, tmp_path_factory.mktemp(name)) for name in STORIES if name in asked}


@pytest.fixture(scope="session")
def both_layers_in_one(told: Mapping[str, Future[Life]]) -> Life:
    return told["both_layers_in_one"].result()


@pytest.fixture(scope="session")
def a_stack_each(told: Mapping[str, Future[Life]]) -> Life:
    return told["a_stack_each"].result()


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
