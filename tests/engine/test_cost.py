"""What the stacks cost, from the real engine's state and from its previews."""

from tests.engine.terminal import Operator
from tests.engine.world import World


def table(operator: Operator, *arguments: str) -> dict[str, str]:
    """Each line of the table, by what it is about, to its numbers."""
    shown = operator.ran("operations", "cost", *arguments)
    assert shown.code == 0, shown.output
    rows = [line.rsplit(maxsplit=2) for line in shown.stdout.splitlines() if not line.startswith("Prices")]
    return {f"{row[0].strip()}": row[1] for row in rows if len(row) == 3}


def test_what_would_be_is_what_is_where_nothing_was_changed(operator: Operator) -> None:
    assert table(operator, "platform", "green") == table(operator, "--planned", "platform", "green")


def test_a_choice_has_a_number_before_it_is_made(operator: Operator, live: World) -> None:
    set_ = live.harness.pulumi(
        "config", "set", "smallcase:natGateways", "per-zone", "--stack", "platform", "--cwd", str(operator.checkout)
    )
    assert set_.code == 0, set_.output
    now, then = table(operator, "platform"), table(operator, "--planned", "platform")
    assert (now["NAT gateway"], then["NAT gateway"]) == ("1", "2")
    assert now["cluster"] == then["cluster"] == "1"
