from pathlib import Path

from rehearsal.load_balancer.configuration import LEAST_SLOTS, Listener, Mode, Slot, commands, render, slots
from rehearsal.load_balancer.ingress import Action, Answer, Forward, Model, Rule, Share
from rehearsal.load_balancer.targets import Place

A, B, C = (Place(address=f"10.0.0.{last}", port=8080) for last in (1, 2, 3))


def rule(action: Action, host: str = "", path: str = "/", path_type: str = "Prefix") -> Rule:
    return Rule(host=host, path=path, path_type=path_type, action=action)


def rendered(*rules: Rule, default: Action = Answer(status=404)) -> str:  # noqa: B008 - frozen
    model = Model(
        ingress=("smallcase-blue", "smallcase"),
        internal=False,
        ports=(80,),
        rules=rules,
        default=default,
        groups=(),
        warnings=(),
    )
    return render([Listener(model=model, address="127.77.1.1")], {}, socket=Path("s"), bad_gateway=Path("502"))


def test_a_user_to_become_is_named_with_its_group() -> None:
    as_somebody = render([], {}, socket=Path("s"), bad_gateway=Path("502"), user=65530)
    assert as_somebody.startswith("global\n  uid 65530\n  gid 65530\n")
    assert "uid" not in rendered()


def test_nothing_is_tried_again_on_another_target() -> None:
    assert "  retries 0\n" in rendered()
    assert "redispatch" not in rendered()


def test_targets_stay_in_their_slots_and_leave_them_empty() -> None:
    first = slots((), {A: True, B: True})
    assert len(first) == LEAST_SLOTS
    second = slots(first, {B: True, C: False})
    assert [slot.place for slot in second if slot.mode is not Mode.EMPTY] == [B, C]
    assert second[1] == first[1]
    assert second[0].mode is Mode.EMPTY


def test_more_targets_than_slots_get_more_slots_and_few_do_not_take_them_away() -> None:
    many = {Place(address="10.0.0.1", port=port): True for port in range(1, 10)}
    grown = slots(slots((), {A: True}), many)
    assert len(grown) >= len(many) + 1
    assert len(slots(grown, {})) == len(grown)


def test_a_target_comes_drains_and_goes_by_commands() -> None:
    empty, ready, drain = (Slot(),), (Slot(place=A, mode=Mode.READY),), (Slot(place=A, mode=Mode.DRAIN),)
    gone = (Slot(place=A),)
    assert commands("g", empty, ready) == ["set server g/s1 addr 10.0.0.1 port 8080", "set server g/s1 state ready"]
    assert commands("g", ready, drain) == ["set server g/s1 state drain"]
    assert commands("g", drain, gone) == ["set server g/s1 state maint", "shutdown sessions server g/s1"]
    assert commands("g", gone, gone) == []
    assert commands("g", gone, ready) == ["set server g/s1 state ready"]


def test_rules_are_in_order_and_the_default_comes_last() -> None:
    text = rendered(
        rule(Answer(status=410), host="A.test", path="/x", path_type="Exact"), rule(Answer(status=411), path="/api")
    )
    uses = [line for line in text.splitlines() if "use_backend" in line]
    assert "-m str -- 'a.test' } { path -m str -- '/x' }" in uses[0]
    assert uses[1].endswith("{ path -m str -- '/api' } or { path -m beg -- '/api/' }")
    assert " if " not in uses[2]


def test_a_share_without_weight_gets_no_request() -> None:
    text = rendered(default=Forward(shares=(Share(arn="a", weight=0), Share(arn="b", weight=3))))
    assert sum("use_backend" in line for line in text.splitlines()) == 1
    assert "rand(" not in text.replace("[rand,", "")


def test_what_an_ingress_says_cannot_end_its_line_or_word() -> None:
    text = rendered(rule(Answer(status=410, body="it's\nglobal"), path="/a' b", path_type="Exact"))
    assert "\nglobal" not in text.removeprefix("global")
    assert "'/a'\\'' b'" in text
