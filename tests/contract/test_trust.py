"""What the page on trust domains says, held to the program."""

import re

import pytest

from infra.branches import AGENTS, BRANCHES, PREVIEW
from infra.platform.host import ROOT_VOLUME
from infra.platform.jenkins import INSTANCE_TYPE
from operations.cost import prices
from tests.matrix import PAGE, ROLES, table
from tests.stack_files import own_values

DEPLOYS = {stack: BRANCHES[str(own_values(stack)["smallcase:branch"])].domain for stack in ("develop", "green", "blue")}


def rows() -> list[tuple[str, str, list[str]]]:
    """Role, what it was asked about, and the answers."""
    cells = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table().splitlines()[2:]]
    return [(role, about.partition("`")[0], answers) for role, about, *answers in cells]


def test_the_page_shows_what_the_policies_answer() -> None:
    assert f"\n{table()}\n" in PAGE.read_text(encoding="utf-8"), "`make matrix` writes it anew"


@pytest.mark.trap("T44")
@pytest.mark.parametrize("role", ROLES)
def test_a_role_changes_all_of_its_own_domains_environments_and_nothing_of_anything_else(role: str) -> None:
    asked = {about: answers for who, about, answers in rows() if who == role}
    assert len(asked) == 5
    for about, answers in asked.items():
        changed = ["changes"] * 4 if DEPLOYS.get(about) == role else []
        assert [answer for answer in answers if answer == "changes"] == changed, about


def test_no_role_of_an_agent_that_deploys_reads_the_state_or_the_images_of_another_domain() -> None:
    for role, about, (state, images, _, _) in rows():
        if role in DEPLOYS.values() and about in DEPLOYS and DEPLOYS[about] != role:
            assert (state, images) == ("", "")


def test_nothing_of_another_platform_is_reached() -> None:
    foreign = [answers[:3] for _, about, answers in rows() if about.startswith("another platform's")]
    assert foreign == [["", "", ""]] * len(ROLES)


def test_the_page_says_what_an_agent_costs_and_which_branches_it_serves() -> None:
    listed, page = prices(), PAGE.read_text(encoding="utf-8")
    cost = listed.of(INSTANCE_TYPE) + ROOT_VOLUME * listed.of("gp3, per GB")
    agents = re.findall(r"^\| `(\w+)` \| (.*?) \| `smallcase-platform-(\w+)` \|.*\| ([\d.]+) \|$", page, re.MULTILINE)
    assert [domain for domain, _, _, _ in agents] == [PREVIEW, *AGENTS["separate"]]
    for domain, code, role, dollars in agents:
        assert (role, dollars) == (domain, f"{cost:.2f}")
        assert set(re.findall(r"`(\w+)`", code)) == {one.name for one in BRANCHES.values() if one.domain == domain}
    assert f"saves {cost:.2f} dollars" in page
