"""Taking a platform down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import pytest

from operations import stacks
from operations.__main__ import main
from operations.refusal import RefusedError
from operations.stacks import Stack
from operations.teardown import order, teardown


def stack(name: str, platform: str, *, environment: bool = True) -> Stack:
    return Stack(name=name, platform=platform, is_environment=environment, region="us-east-1")


SHARED = [
    stack("blue", "platform"),
    stack("develop", "platform"),
    stack("green", "platform"),
    stack("platform", "platform", environment=False),
]
WHOLE = [stack("blue", "green"), stack("green", "green")]


@final
@dataclass
class Recorded:
    """A state with some stacks, which says what was done to it; destroying one may be made to fail."""

    there: list[str]
    failing: str = ""
    namespace: str = ""
    stopped: str = ""
    """The stack whose destruction somebody stops half-way, which Pulumi takes for a success."""
    done: list[str] = field(default_factory=list[str])

    def exists(self, stack: str) -> bool:
        return stack in self.there

    def outputs(self, stack: str) -> Mapping[str, object]:  # noqa: ARG002
        return {"platform": {"kubeconfig": "{}"}, **({"namespace": self.namespace} if self.namespace else {})}

    def resources(self, stack: str) -> Sequence[Mapping[str, object]]:
        return [{"type": "kubernetes:networking.k8s.io/v1:Ingress"}] if stack == self.stopped else []

    def run(self, *arguments: str) -> None:
        name = arguments[arguments.index("--stack") + 1]
        if arguments[0] == "destroy" and name == self.failing:
            raise RefusedError(f"{name} failed")
        self.done.append(f"{arguments[0]} {name}")


@final
@dataclass
class Hanging:
    """A cluster with some objects left."""

    names_by_kind: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    def names(self, kubeconfig: str, kind: str) -> Sequence[str]:  # noqa: ARG002
        return self.names_by_kind.get(kind, [])


def test_environments_go_first_and_the_platform_last() -> None:
    assert order("platform", SHARED) == ["blue", "develop", "green", "platform"]
    assert order("green", WHOLE) == ["blue", "green"]


def test_the_declared_stacks_are_known_by_the_platform_they_run_on() -> None:
    assert order("platform", stacks.declared()) == ["blue", "develop", "green", "platform"]


def test_a_stack_without_a_platform_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(RefusedError, match="`pulumi destroy -s green`"):
        order("green", SHARED)
    with pytest.raises(RefusedError, match="blue, develop, green, platform"):
        order("platfrom", SHARED)


@pytest.mark.trap("T32")
def test_everything_goes_in_order_and_protection_is_lifted_last() -> None:
    pulumi = Recorded(there=["platform", "green", "blue", "develop"])
    teardown("platform", SHARED, pulumi, Hanging())
    assert pulumi.done == ["destroy blue", "destroy develop", "destroy green", "state platform", "destroy platform"]


@pytest.mark.trap("T32")
@pytest.mark.parametrize("kind", ["ingresses.networking.k8s.io", "targetgroupbindings.elbv2.k8s.aws"])
def test_the_platform_stays_while_something_hangs_on_its_controller(kind: str) -> None:
    pulumi = Recorded(there=["platform"])
    with pytest.raises(RefusedError, match="shop/basket"):
        teardown("platform", SHARED, pulumi, Hanging({kind: ["shop/basket"]}))
    assert pulumi.done == []


@pytest.mark.trap("T32")
def test_the_platform_stays_when_an_environment_cannot_be_destroyed() -> None:
    pulumi = Recorded(there=["platform", "green", "blue"], failing="green")
    with pytest.raises(RefusedError, match="green failed"):
        teardown("platform", SHARED, pulumi, Hanging())
    assert pulumi.done == ["destroy blue"]


@pytest.mark.trap("T32")
def test_the_platform_stays_when_the_destruction_of_an_environment_was_stopped_half_way() -> None:
    pulumi = Recorded(there=["platform", "green", "blue"], stopped="green")
    with pytest.raises(RefusedError, match="'green' was not destroyed to the end: 1 resources"):
        teardown("platform", SHARED, pulumi, Hanging())
    assert pulumi.done == ["destroy blue", "destroy green"]


def test_run_again_it_goes_on_where_it_was() -> None:
    pulumi = Recorded(there=["platform", "green"])
    teardown("platform", SHARED, pulumi, Hanging())
    assert pulumi.done == ["destroy green", "state platform", "destroy platform"]
    nothing = Recorded(there=[])
    teardown("platform", SHARED, nothing, Hanging())
    assert nothing.done == []


def test_the_owners_own_environment_goes_with_it_in_the_order_that_the_engine_knows() -> None:
    pulumi = Recorded(there=["green"], namespace="smallcase-green")
    teardown("green", WHOLE, pulumi, Hanging({"ingresses.networking.k8s.io": ["smallcase-green/smallcase"]}))
    assert pulumi.done == ["state green", "destroy green"]
    another = Recorded(there=["green"], namespace="smallcase-green")
    with pytest.raises(RefusedError, match="smallcase-greenish/x"):
        teardown("green", WHOLE, another, Hanging({"ingresses.networking.k8s.io": ["smallcase-greenish/x"]}))


def test_nothing_happens_unless_the_name_is_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["teardown", "platform", "--really", "green"]) == 1
    assert "Nothing is done" in capsys.readouterr().err
