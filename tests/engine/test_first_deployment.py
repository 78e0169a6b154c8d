"""The page that a person follows line by line, followed as far as its commands need no account."""

import json
import re
import shlex
from typing import Final, cast

from infra import settings
from tests.engine.world import World
from tests.stack_files import CHECKOUT, configuration

PAGE: Final = (CHECKOUT / "docs" / "first-deployment.md").read_text(encoding="utf-8")
GIVEN: Final = {
    '"$(curl -s https://checkip.amazonaws.com)/32"': "203.0.113.7/32",
    "OWNER/NAME": "example/smallcase",
    "OWNER": "example",
}
"""What the person fills in, or a program does that is not asked here."""


def commands(start: str) -> list[list[str]]:
    """Lines of the page's shell blocks that start so, as words, with comments gone."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(start)]
    assert lines, start
    for placeholder, value in GIVEN.items():
        lines = [line.replace(placeholder, value) for line in lines]
    return [shlex.split(line, comments=True) for line in lines]


def test_the_settings_that_the_page_sets_are_taken_by_the_program_and_by_the_engine(live: World) -> None:
    for command in commands("pulumi config set"):
        done = live.harness.pulumi(*command[1:])
        assert done.code == 0, done.output
    told = live.harness.pulumi("config", "--show-secrets", "--json", "--stack", "platform")
    given = {key: cast("str", setting["value"]) for key, setting in json.loads(told.stdout).items()}
    taken = settings.parse(configuration("platform", given))
    assert taken.github is not None
    assert taken.github.owner == "example"
    # The provider of the branch rules has no stand-in.
    assert live.harness.pulumi("config", "rm", "smallcase:githubRepository", "--stack", "platform").code == 0
    preview = live.preview("platform")
    assert preview.succeeded, preview.outcome.output


def test_the_number_of_resources_that_the_page_expects_is_about_what_there_is(live: World) -> None:
    [expected] = re.findall(r"a preview of about (\d+) resources", PAGE)
    assert abs(len(live.harness.state("platform")) - int(expected)) <= 10


def test_the_page_names_only_commands_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs").glob("*.md")] + [
        (CHECKOUT / "README.md").read_text(encoding="utf-8")
    ]
    named = {name for page in pages for name in re.findall(r"(?:^|`)make ([a-z0-9-]+)", page, re.MULTILINE)}
    assert len(named) > 5
    assert named <= targets
