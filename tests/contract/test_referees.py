"""What the program asks of AWS, held against what AWS publishes: CloudFormation's linter and the API's own models."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import pytest

from rehearsal.cloud.properties import Properties
from tests.contract import api_calls, cloudformation
from tests.contract.aws_types import KINDS, Asked, asked
from tests.contract.mistakes import MISTAKES, Mistake
from tests.contract.shapes import UnmappedError
from tests.graph import WITH_DOMAIN, platform, whole
from tests.stack_files import CHECKOUT

ADVICE = "W3010"
"""To ask for the zones rather than to name them. This program asks, and a graph has the answer."""
TWICE = {"E3019", "E3060"}
"""Two resources of one name, subnets that overlap: as when a resource is in a template with each of its mistakes."""

PLANTED = pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what.replace(" ", "-"))


@pytest.fixture(scope="module")
def everything() -> list[Asked]:
    return asked(
        whole(
            **WITH_DOMAIN,
            administrators='["arn:aws:iam::123456789012:role/operations"]',
            natGateways="per-zone",
            registryEndpoints=True,
            zones=3,
        )
    )


@pytest.fixture(scope="module")
def linted(everything: list[Asked]) -> Mapping[str, list[str]]:
    """What the linter says of each mistake, all of them in one template."""
    planted = {mistake.what: mistake.made_in(everything) for mistake in MISTAKES}
    template = cloudformation.template(replace(one, name=what) for what, one in planted.items())
    said = cloudformation.faults(template)
    return {what: [line for line in said if f" {one.type} {what} " in line] for what, one in planted.items()}


def rules(faults: list[str]) -> set[str]:
    return {fault.partition(" ")[0] for fault in faults} - {ADVICE}


def test_cloudformations_linter_accepts_every_resource(
    everything: list[Asked], record_property: Callable[[str, object], None]
) -> None:
    for resources in (asked(platform()), everything):
        template = cloudformation.template(resources)
        faults = cloudformation.faults(template)
        assert rules(faults) == set(), faults
    found = [cast("Properties", resource)["Type"] for resource in template["Resources"].values()]
    record_property("referee", f"cfn-lint: {len(found)} resources of {len(set(found))} types")


def test_the_linter_sees_names_that_are_taken_and_networks_that_overlap(everything: list[Asked]) -> None:
    twice = [one for one in everything if one.type in ("aws:cloudwatch/logGroup:LogGroup", "aws:ec2/subnet:Subnet")]
    assert rules(cloudformation.faults(cloudformation.template([*twice, *twice]))) == TWICE


@PLANTED
def test_the_linter_sees_of_a_mistake_what_the_table_says(linted: Mapping[str, list[str]], mistake: Mistake) -> None:
    found = rules(linted[mistake.what]) - TWICE
    assert (mistake.linter in found) if mistake.linter else (found == set()), linted[mistake.what]


def test_every_call_is_one_that_the_apis_own_model_allows(
    everything: list[Asked], record_property: Callable[[str, object], None]
) -> None:
    calls = [call for one in (*everything, *asked(platform())) for call in api_calls.described_as_calls(one)]
    assert [fault for call in calls for fault in api_calls.faults(call)] == []
    operations = {call.what for call in calls}
    record_property("referee", f"botocore's models: {len(calls)} calls of {len(operations)} operations")


@PLANTED
def test_the_model_says_of_a_mistake_what_the_table_says(everything: list[Asked], mistake: Mistake) -> None:
    faults = [
        fault for call in api_calls.described_as_calls(mistake.made_in(everything)) for fault in api_calls.faults(call)
    ]
    assert any(mistake.model in fault for fault in faults) if mistake.model else faults == [], faults


def test_a_type_that_no_table_knows_is_refused_by_both(everything: list[Asked]) -> None:
    for type_ in ("aws:ec2/gate:Gate", "aws:gate/vpc:Vpc"):
        new = replace(everything[0], type=type_)
        with pytest.raises(cloudformation.NoTypeError, match=f"{type_}: CloudFormation has no AWS::"):
            cloudformation.template([new])
        with pytest.raises(api_calls.NoCallError, match=f"{type_}: there is no call"):
            list(api_calls.described_as_calls(new))


def test_an_input_that_has_no_counterpart_is_refused_by_both(everything: list[Asked]) -> None:
    [vpc] = [one for one in everything if one.type == "aws:ec2/vpc:Vpc"]
    new = replace(vpc, inputs={**vpc.inputs, "colour": "blue"})
    with pytest.raises(UnmappedError, match="colour"):
        cloudformation.template([new])
    with pytest.raises(UnmappedError, match="colour"):
        list(api_calls.described_as_calls(new))


def test_every_exception_in_the_table_is_one_that_the_program_needs(everything: list[Asked]) -> None:
    assert KINDS.keys() <= {one.type for one in everything}
    for type_, kind in KINDS.items():
        inputs = {key for one in everything if one.type == type_ for key in one.inputs}
        assert {name for name in kind.own if "." not in name} <= inputs, type_
        if not isinstance(kind.calls, str):
            calls = {call for one in everything if one.type == type_ for call in api_calls.calls(one)}
            assert kind.adds.keys() <= {*calls, cloudformation.WHAT}


def test_the_page_says_how_many_mistakes_each_of_them_sees() -> None:
    page = " ".join((CHECKOUT / "docs" / "referees.md").read_text(encoding="utf-8").split())
    linter, model = sum(bool(one.linter) for one in MISTAKES), sum(bool(one.model) for one in MISTAKES)
    neither = sum(not one.linter and not one.model for one in MISTAKES)
    said = f"has {len(MISTAKES)} mistakes and which referee sees each: cfn-lint {linter} of them, the models {model}, "
    assert f"{said}neither {neither}." in page
