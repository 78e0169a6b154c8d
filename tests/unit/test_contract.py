"""What is said where the platform's stack has no contract to offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pytest

from infra import contract
from infra.contract import PlatformMissing, StateUnreadable
from tests.graph import platform

PARTS: Final = (
    "kubeconfig",
    "cluster_name",
    "repositories",
    "ingress_class",
    "ingress_annotations",
    "domain",
    "zone_id",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the engine says when it is asked for a stack's outputs."""

    value: object


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "green")


def engine_answers(monkeypatch: pytest.MonkeyPatch, outputs: object) -> None:
    def answer(*_: object) -> Answer:
        return Answer(value={"outputs": outputs})

    monkeypatch.setattr("pulumi.runtime.invoke", answer)


def engine_fails(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def fail(*_: object) -> Answer:
        raise Exception(f"invoke of pulumi:pulumi:readStackOutputs returned an error: {message}")  # noqa: TRY002

    monkeypatch.setattr("pulumi.runtime.invoke", fail)


def offered() -> Mapping[str, object]:
    found = platform().outputs[contract.OUTPUT]
    assert isinstance(found, dict)
    return found


def test_an_unknown_stack_has_to_be_brought_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_fails(monkeypatch, 'unknown stack "organization/smallcase/platform"')
    with pytest.raises(PlatformMissing) as refused:
        contract.refer_to("platform")
    said = str(refused.value)
    assert "bring it up first with `pulumi up -s platform`" in said
    assert "`pulumi config set smallcase:platform self -s green`" in said


@pytest.mark.parametrize(
    "message",
    [
        "could not deserialize deployment: incorrect passphrase; please set PULUMI_CONFIG_PASSPHRASE",
        'failed to load checkpoint: blob (key "…") (code=Unknown): operation error S3: no such host',
        "AccessDeniedException: kms:Decrypt",
    ],
)
def test_a_state_that_cannot_be_read_is_no_missing_platform(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    """Whoever brought the platform up again then would have two, or none that works."""
    engine_fails(monkeypatch, message)
    with pytest.raises(StateUnreadable) as refused:
        contract.refer_to("platform")
    said = str(refused.value)
    assert message in said
    assert "`pulumi stack output -s platform`" in said
    assert "pulumi up" not in said


@pytest.mark.parametrize("outputs", [{}, {"url": "http://else"}, {contract.OUTPUT: None}])
def test_a_stack_that_owns_no_platform_is_named(monkeypatch: pytest.MonkeyPatch, outputs: object) -> None:
    engine_answers(monkeypatch, outputs)
    with pytest.raises(PlatformMissing, match=r"'platform'.*it exports no platform"):
        contract.refer_to("platform")


def test_the_contract_is_these_values_and_no_others() -> None:
    assert set(offered()) == set(PARTS)


@pytest.mark.parametrize("key", PARTS)
def test_a_platform_of_another_version_that_lacks_a_part_is_refused_by_that_part(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    engine_answers(monkeypatch, {contract.OUTPUT: {name: value for name, value in offered().items() if name != key}})
    with pytest.raises(PlatformMissing, match=f"it lacks {key}"):
        contract.refer_to("platform")
