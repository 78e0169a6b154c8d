"""What is up already is taken over by the program as it is now: nothing goes, and nothing is replaced.

The states are those of an earlier commit (`tests/engine/checkpoint.py`), so this notices a changed name, too, which is
another resource to the engine: it deletes the one and creates the other. What differs from commit to commit is updated
in place: the image with its tag, the pods that run it. Hosts may be replaced, since what they install is in their user
data.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.engine import checkpoint
from tests.engine.checkpoint import CHECKPOINTS
from tests.engine.world import DEPLOYMENT, IMAGE, INGRESS, REPOSITORY, World, empty_world, make_checkout

AGENT: Final = "open"
ADDED: Final[frozenset[str]] = frozenset(
    {
        # An agent of its own for branches that nobody reviews, with its role, its repository and its fence.
        *(f"smallcase:platform:{component}::{AGENT}" for component in ("Firewall", "Host", "HostAddress")),
        f"aws:cloudwatch/metricAlarm:MetricAlarm::{AGENT}",
        f"aws:ec2/instance:Instance::{AGENT}",
        f"aws:ec2/networkInterface:NetworkInterface::{AGENT}",
        f"aws:ec2/securityGroup:SecurityGroup::{AGENT}",
        f"aws:ecr/lifecyclePolicy:LifecyclePolicy::{AGENT}-lifecycle",
        f"aws:ecr/repository:Repository::{AGENT}-repository",
        f"aws:eks/accessEntry:AccessEntry::{AGENT}",
        f"aws:iam/instanceProfile:InstanceProfile::{AGENT}",
        f"aws:iam/role:Role::{AGENT}",
        *(f"aws:iam/rolePolicy:RolePolicy::{AGENT}{ending}" for ending in ("", "-keys", "-push", "-session")),
        f"aws:ssm/parameter:Parameter::{AGENT}",
        *(f"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule::{AGENT}-out-{port}" for port in (80, 443)),
        f"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule::controller-to-{AGENT}-22",
        f"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule::agents-{AGENT}",
        f"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule::controller-to-{AGENT}-22",
        *(
            f"kubernetes:admissionregistration.k8s.io/v1:{kind}::{AGENT}-within-environments"
            for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
        ),
        *(f"kubernetes:rbac.authorization.k8s.io/v1:{kind}::{AGENT}" for kind in ("ClusterRole", "ClusterRoleBinding")),
        # The agent of pull requests starts each night with a fresh copy of its image.
        *(
            f"{token}::preview-root"
            for token in (
                "aws:iam/role:Role",
                "aws:iam/rolePolicy:RolePolicy",
                "aws:scheduler/schedule:Schedule",
                "smallcase:platform:FreshRoot",
            )
        ),
        # Who is in none of these gets a 403 from Jenkins's load balancer.
        *(f"aws:lb/listenerRule:ListenerRule::{rule}" for rule in ("hooks-0", "people-0")),
        # Access logs of load balancers, where they are asked for.
        "smallcase:platform:AccessLogs::access-logs",
        "aws:s3/bucket:Bucket::access-logs",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration::access-logs",
        "aws:s3/bucketPolicy:BucketPolicy::access-logs",
    }
)
"""What came to the program since the checkpoints were written, as `TYPE::NAME`. Listed by hand: a resource that is new
by mistake would stand beside the one that it ought to be."""


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkpoint") / "smallcase")


@pytest.fixture
def empty(checkout: Path, pulumi_cli: Path, tmp_path: Path) -> Iterator[World]:
    """The program as it is now, and no stack."""
    with empty_world(tmp_path / "world", checkout, pulumi_cli) as world:
        yield world


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_nothing_that_is_up_is_deleted_or_replaced(empty: World, name: str) -> None:
    step = checkpoint.preview(empty, name)
    assert step.succeeded, step.outcome.output
    assert checkpoint.lost(step) == set()
    assert step.outcome.created() <= ADDED, "if these are new on purpose, list them in ADDED"


def test_another_commit_and_another_image_update_what_runs_in_place(empty: World) -> None:
    with empty.changed_page():
        step = checkpoint.preview(empty, "green")
    assert step.succeeded, step.outcome.output
    assert {IMAGE: "update", DEPLOYMENT: "update"}.items() <= step.outcome.changes().items()
    assert checkpoint.lost(step) == set()


RENAMED: Final[Mapping[str, tuple[str, dict[str, str], str]]] = {
    "develop": (
        "infra/environment/ingress.py",
        {'"ingress",\n            metadata': '"entrance",\n            metadata'},
        INGRESS,
    ),
    "platform": (
        "infra/platform/__init__.py",
        {"physical_name(PROJECT, stack,": 'physical_name("other", stack,'},
        REPOSITORY,
    ),
}
"""By checkpoint, what has another name to the engine, and to AWS."""


@pytest.mark.parametrize("name", RENAMED)
def test_a_changed_name_is_noticed(empty: World, name: str) -> None:
    file, changes, gone = RENAMED[name]
    with empty.edited(file, changes):
        step = checkpoint.preview(empty, name)
    assert gone in {one.partition("::")[0] for one in checkpoint.lost(step)}
