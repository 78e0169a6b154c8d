"""What may change while it runs: nothing that hangs on it is replaced, not even in a preview.

A preview that says so is refused, since much of it is protected, and whoever skips it to get through is told nothing of
what would go.
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast, final

import pytest

from infra import versions
from rehearsal.cloud import kubernetes_objects, rules
from rehearsal.cloud.properties import UNKNOWN, Properties, Value, strings_in
from tests.engine.world import ATTACHMENT, CLUSTER, INSTANCE, NAMESPACE, RELEASE, Step, World, empty_world
from tests.stack_files import EVERYTHING

ADD_ON: Final = "aws:eks/addon:Addon"
CONTROLLER: Final = frozenset({f"{INSTANCE}::controller", f"{ATTACHMENT}::jenkins-home"})
GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
ROUTE: Final = "aws:ec2/route:Route"
SUBNET: Final = "aws:ec2/subnet:Subnet"


@final
@dataclass(frozen=True, kw_only=True)
class Change:
    """What a person sets, or a commit changes."""

    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    edits: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """By file of the checkout, what it says and what it would say."""
    updates: str
    """A type of which something is changed by it."""
    replaces: frozenset[str] = frozenset()


LABELS: Final = Change(
    edits={"infra/labels.py": {'MANAGED: Final = {"': 'MANAGED: Final = {"another": "label", "'}}, updates=NAMESPACE
)
CHANGES: Final[Mapping[str, Change]] = {
    "who may reach the API": Change(
        settings={"smallcase:apiAllowList": ["203.0.113.7/32", "198.51.100.0/24"]}, updates=CLUSTER
    ),
    "the other settings of the cluster": Change(
        edits={
            "infra/platform/cluster.py": {
                '("api", "audit", ': '("audit", ',
                '"STANDARD"': '"EXTENDED"',
                "endpoint_private_access=True": "endpoint_private_access=False",
                'PodSize.parse("0.25vCPU-0.5GB")': 'PodSize.parse("0.25vCPU-1GB")',
            }
        },
        updates=CLUSTER,
    ),
    "versions": Change(
        edits={
            "infra/versions.py": {
                f'"{versions.KUBERNETES}"': '"1.36"',
                versions.COREDNS: "v1.15.0-eksbuild.1",
                versions.KUBE_PROXY: "v1.36.0-eksbuild.1",
                versions.VPC_CNI: "v1.24.0-eksbuild.1",
                f'"{versions.INGRESS_CONTROLLER_CHART}"': '"3.6.0"',
            }
        },
        updates=ADD_ON,
    ),
    "the tags of everything": Change(
        edits={"infra/account.py": {'"Project": PROJECT': '"Owner": PROJECT'}}, updates=SUBNET
    ),
    "how long logs are kept": Change(
        edits={
            "infra/platform/cluster.py": {"LOG_RETENTION: Final = 30": "LOG_RETENTION: Final = 60"},
            "infra/platform/logging.py": {"RETENTION: Final = 30": "RETENTION: Final = 60"},
            "infra/platform/network.py": {"LOG_RETENTION: Final = 14": "LOG_RETENTION: Final = 60"},
        },
        updates=GROUP,
    ),
    "the labels of everything in the cluster": LABELS,
    # The controller boots anew where it is given another address.
    "everything optional": Change(settings=EVERYTHING, updates=ROUTE, replaces=CONTROLLER),
}

MADE_BY_AWS: Final = re.compile(r"(Id|Ids|Arn|Fqdns)$")
"""Inputs that are known once AWS has made something, and stay what they are for as long as that is there."""
ALSO_MADE_BY_AWS: Final = {
    "Cluster.encryptionConfig",  # the key's ARN
    "FlowLog.logDestination",  # the group's ARN
    "Instance.primaryNetworkInterface",
    "Instance.userDataBase64",  # the volume's id and the hosts' addresses
    "OpenIdConnectProvider.url",
    "Record.name",  # what ACM wants to read there, to issue the certificate
    "Record.type",
    "TopicSubscription.topic",  # the topic's ARN
}


def assert_in_place(world: World, stack: str, change: Change) -> None:
    with ExitStack() as stacked:
        stacked.enter_context(world.settings(stack, change.settings))
        for file, says in change.edits.items():
            stacked.enter_context(world.edited(file, says))
        step = world.preview(stack)
    assert step.succeeded, step.outcome.output
    assert step.outcome.changes().get(change.updates) == "update"
    assert step.outcome.lost() == change.replaces


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_the_platform_replaces_nothing_that_hangs_on_it(live: World, what: str) -> None:
    assert_in_place(live, "platform", CHANGES[what])


def test_a_change_of_everything_in_an_environment_replaces_nothing(live: World) -> None:
    assert_in_place(live, "green", LABELS)


def unknown_for_good(step: Step) -> set[str]:
    """Inputs that cannot be changed in place and that a preview does not know, as `Type.input`."""
    found: set[str] = set()
    for event in step.outcome.events:
        told = cast("Mapping[str, Mapping[str, object]]", event.get("resourcePreEvent") or {})
        if not told or told["metadata"]["op"] != "create":
            continue
        of = cast("str", told["metadata"]["type"])
        inputs = cast("Mapping[str, Properties]", told["metadata"]["new"])["inputs"]
        fixed = kubernetes_objects.replaces(of) if of.startswith("kubernetes:") else rules.replaces(of, inputs)
        found |= {f"{of.rpartition(':')[2]}.{path}" for path in fixed if not is_known(at(inputs, path))}
    return found


def at(inputs: Properties, path: str) -> Value:
    value: Value = inputs
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def is_known(value: Value) -> bool:
    return not any(text == UNKNOWN or text.startswith("output<") for text in strings_in(value))


def test_what_we_name_ourselves_is_known_before_anything_is_there(
    untouched: World, pulumi_cli: Path, tmp_path: Path
) -> None:
    """What is not known in a preview and cannot be changed in place is replaced, as far as the preview can tell. So
    nothing but what AWS itself makes up may be so: a name that waits for the thing it names would be, at each change
    of that."""
    with empty_world(tmp_path / "world", untouched.checkout, pulumi_cli) as world:
        world.create("platform")
        both = {**EVERYTHING, "smallcase:branch": "staging", "smallcase:colour": "#1f9d55"}
        with world.settings("platform", both):
            step = world.preview("platform")
    assert step.succeeded, step.outcome.output
    assert {RELEASE, "kubernetes:apps/v1:Deployment"} <= set(step.outcome.changes())
    unknown = unknown_for_good(step)
    assert "Subnet.vpcId" in unknown
    assert {one for one in unknown if not MADE_BY_AWS.search(one)} == ALSO_MADE_BY_AWS
