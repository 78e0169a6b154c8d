"""Taking a platform down: the order, and what keeps a platform up."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from infra.settings import Configuration
from pipeline.branches import Stack, stacks
from pipeline.outcomes import Refused, WrongUse
from pipeline.teardown import KINDS, hanging, order
from tests.pipeline.repository import Ran, Repository, RunVerb
from tests.stack_files import CHECKOUT


def on(**platforms: str) -> Mapping[str, Stack]:
    """Stacks, each with what it says of its platform."""
    return {
        name: Stack(given=Configuration(stack=name, values={"smallcase:platform": platform}))
        for name, platform in platforms.items()
    }


SHARED = on(platform="self", develop="platform", green="platform", blue="platform")
WHOLE = on(green="self", blue="green")

PULUMI = (
    f"#!{sys.executable}"
    """
# A state with some stacks, which notes what is done to it; destroying one may be made to fail, or to stop half-way.
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
state = json.loads((here / "state.json").read_text())
stack = sys.argv[sys.argv.index("--stack") + 1] if "--stack" in sys.argv else ""
if sys.argv[1:3] == ["stack", "ls"]:
    print(json.dumps([{"name": name} for name in state["stacks"]]))
elif sys.argv[1:3] == ["stack", "output"]:
    print(json.dumps(state["outputs"]))
elif sys.argv[1] == "destroy" and stack == state["failing"]:
    sys.exit("error: " + stack + " cannot be destroyed")
elif sys.argv[1:3] == ["stack", "export"]:
    ingress = "kubernetes:networking.k8s.io/v1:Ingress"
    urn = f"urn:pulumi:{stack}::smallcase::{ingress}::ingress"
    left = [{"urn": urn, "type": ingress}] if stack == state["stopped"] else []
    print(json.dumps({"deployment": {"resources": left}}))
else:
    with (here / "done").open("a") as done:
        who = ["as", os.environ["AWS_ACCESS_KEY_ID"]] if "AWS_SESSION_TOKEN" in os.environ else []
        print(sys.argv[1], stack, *who, file=done)
"""
)
AWS = """#!/bin/sh
# `aws sts assume-role --role-arn ARN …`: a role's credentials are its name.
[ "$1 $2 $3" = "sts assume-role --role-arn" ] || exit 252
[ ! -e "${0%/*}/denied" ] || { echo "AccessDenied: not authorized to perform: sts:AssumeRole" >&2; exit 254; }
printf '{"Credentials": {"AccessKeyId": "%s", "SecretAccessKey": "s", "SessionToken": "t"}}' "${4##*-}"
"""
ROLES: Mapping[str, Mapping[str, object]] = {
    "open": {"arn": "arn:aws:iam::123456789012:role/smallcase-platform-open", "stacks": ["develop"]},
    "deploy": {"arn": "arn:aws:iam::123456789012:role/smallcase-platform-deploy", "stacks": ["blue", "green"]},
}
KUBECTL = """#!/bin/sh
# `get KIND` and `get ingress/NAME`, from files beside it; `annotate`, which is noted.
while [ "$1" != get ] && [ "$1" != annotate ]; do shift; done
[ "$1" != annotate ] || { shift; echo "$@" >> "${0%/*}/done"; exit; }
case $2 in ingress/*) cat "${0%/*}/ingress.json" 2>/dev/null || [ ! -e "${0%/*}/down" ]; exit ;; esac
cat "${0%/*}/$2.json" 2>/dev/null && exit
[ ! -e "${0%/*}/down" ] || { echo "The connection to the server was refused" >&2; exit 1; }
echo "error: the server doesn't have a resource type \\"$2\\"" >&2
exit 1
"""

TearDown = Callable[..., tuple[Ran, list[str]]]


@pytest.fixture
def tear_down(repository: Repository, run_verb: RunVerb, tmp_path: Path) -> TearDown:
    """Runs the verb in a clone: `tear_down(stacks=…, left={KIND: …})` says how it ended and what was done."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("pulumi", PULUMI), ("kubectl", KUBECTL), ("aws", AWS)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    declared = {"Pulumi.yaml": "name: smallcase\nconfig:\n  smallcase:platform: {default: platform}\n"}
    repository.commit("the program", branch="develop", files=declared)
    clone = repository.check_out("develop")

    def run(
        platform: str = "platform",
        *,
        stacks: Sequence[str],
        failing: str = "",
        stopped: str = "",
        namespace: str = "",
        cluster: bool = True,
        left: Mapping[str, Sequence[str]] | None = None,
        roles: Mapping[str, Mapping[str, object]] | None = None,
    ) -> tuple[Ran, list[str]]:
        contract = {"platform": {"kubeconfig": "{}"}} if cluster else {}
        state = {
            "stacks": stacks,
            "failing": failing,
            "stopped": stopped,
            "outputs": {**contract, "namespace": namespace, **({"roles": roles} if roles else {})},
        }
        (programs / "state.json").write_text(json.dumps(state), encoding="utf-8")
        for kind, names in (left or {}).items():
            objects = [{"metadata": dict(zip(("namespace", "name"), name.split("/"), strict=True))} for name in names]
            (programs / f"{kind}.json").write_text(json.dumps({"items": objects}), encoding="utf-8")
        done = programs / "done"
        done.write_text("", encoding="utf-8")
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        ran = run_verb(clone, "teardown", platform, "--really", platform, PATH=path)
        return ran, done.read_text(encoding="utf-8").splitlines()

    return run


def test_environments_go_first_and_the_platform_last() -> None:
    assert order("platform", SHARED) == ["blue", "develop", "green", "platform"]
    assert order("green", WHOLE) == ["blue", "green"]


def test_the_declared_stacks_are_known_by_the_platform_they_run_on() -> None:
    assert order("platform", stacks(CHECKOUT)) == ["blue", "develop", "green", "platform"]


def test_a_stack_without_a_platform_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(Refused, match="`pulumi destroy -s green`"):
        order("green", SHARED)


def test_a_stack_that_nobody_declared_is_wrong_use_and_names_those_there_are() -> None:
    with pytest.raises(WrongUse, match="blue, develop, green, platform"):
        order("platfrom", SHARED)


def test_only_the_owners_own_environment_may_still_hang_on_its_controller() -> None:
    found = ["ingresses smallcase-green/smallcase", "ingresses smallcase-greenish/x"]
    assert hanging(found, "smallcase-green") == ["ingresses smallcase-greenish/x"]
    assert hanging(found, "") == found


@pytest.mark.trap("T32")
def test_everything_goes_in_order_and_protection_is_lifted_last(tear_down: TearDown) -> None:
    ran, done = tear_down(stacks=["platform", "green", "blue", "develop"])
    assert ran.code == 0, ran.stderr
    assert done == [
        f"{step} {stack}" for stack in ("blue", "develop", "green", "platform") for step in ("state", "destroy")
    ]


@pytest.mark.trap("T44")
def test_an_environment_is_destroyed_with_the_rights_of_the_role_that_deploys_it_and_the_platform_with_ones_own(
    tear_down: TearDown,
) -> None:
    """What a checkpoint starts has the rights of whoever reads it."""
    ran, done = tear_down(stacks=["platform", "green", "blue", "develop"], roles=ROLES)
    assert ran.code == 0, ran.stderr
    assert done == [
        *("state blue as deploy", "destroy blue as deploy"),
        *("state develop as open", "destroy develop as open"),
        *("state green as deploy", "destroy green as deploy"),
        *("state platform", "destroy platform"),
    ]


def test_whoever_may_not_take_the_role_is_told_who_may_and_nothing_is_destroyed(
    tear_down: TearDown, tmp_path: Path
) -> None:
    (tmp_path / "programs" / "denied").touch()
    ran, done = tear_down(stacks=["platform", "green"], roles=ROLES)
    assert ran.code == 1
    assert "take the role arn:aws:iam::123456789012:role/smallcase-platform-deploy: AccessDenied" in ran.stderr
    assert "`smallcase:operators`" in ran.stderr
    assert done == []


ATTRIBUTES = "alb.ingress.kubernetes.io/load-balancer-attributes"


@pytest.mark.parametrize(("said", "lifted"), [("true", True), ("false", False), ("", False)])
def test_the_protection_of_a_load_balancer_is_lifted_before_it_is_deleted(
    tear_down: TearDown, tmp_path: Path, said: str, lifted: bool
) -> None:
    """The controller would keep it, and the Ingress hang on its finalizer."""
    annotations = {ATTRIBUTES: f"deletion_protection.enabled={said}"} if said else {}
    found = {"kind": "Ingress", "metadata": {"name": "smallcase", "annotations": annotations}}
    (tmp_path / "programs" / "ingress.json").write_text(json.dumps({"items": [found]}), encoding="utf-8")
    ran, done = tear_down(stacks=["platform", "blue"], namespace="smallcase-blue", failing="platform")
    assert ran.code == 1
    release = f"--overwrite ingress/smallcase {ATTRIBUTES}=deletion_protection.enabled=false"
    assert done == [
        *([release] if lifted else []),
        *("state blue", "destroy blue"),
        *([release] if lifted else []),
        "state platform",
    ]


def test_an_environment_stays_while_the_cluster_does_not_let_go_of_its_load_balancer(
    tear_down: TearDown, tmp_path: Path
) -> None:
    (tmp_path / "programs" / "down").touch()
    ran, done = tear_down(stacks=["platform", "blue"], namespace="smallcase-blue")
    assert ran.code == 3
    assert "blue stays: the cluster does not let go of its load balancer" in ran.stderr
    assert done == []


@pytest.mark.trap("T32")
@pytest.mark.parametrize("kind", KINDS)
def test_the_platform_stays_while_something_hangs_on_its_controller(tear_down: TearDown, kind: str) -> None:
    ran, done = tear_down(stacks=["platform"], left={kind: ["shop/basket"]})
    assert ran.code == 3
    assert "shop/basket still hang on its ingress controller" in ran.stderr
    assert done == []


@pytest.mark.trap("T32")
def test_the_platform_stays_when_an_environment_cannot_be_destroyed(tear_down: TearDown) -> None:
    ran, done = tear_down(stacks=["platform", "green", "blue"], failing="green")
    assert ran.code == 1
    assert "green cannot be destroyed" in ran.stderr
    assert done == ["state blue", "destroy blue", "state green"]


@pytest.mark.trap("T32")
def test_the_platform_stays_when_the_destruction_of_an_environment_was_stopped_half_way(tear_down: TearDown) -> None:
    ran, done = tear_down(stacks=["platform", "green", "blue"], stopped="green")
    assert ran.code == 1
    assert "green was not destroyed to the end: 1 resources are left." in ran.stderr
    assert done == ["state blue", "destroy blue", "state green", "destroy green"]


def test_run_again_it_goes_on_where_it_was(tear_down: TearDown) -> None:
    _, done = tear_down(stacks=["platform", "green"])
    assert done == ["state green", "destroy green", "state platform", "destroy platform"]
    ran, done = tear_down(stacks=[])
    assert (ran.code, done) == (0, [])
    assert "There is no stack 'platform' to destroy." in ran.stdout


def test_a_platform_that_never_had_a_cluster_goes_without_asking_it(tear_down: TearDown) -> None:
    ran, done = tear_down(stacks=["platform"], cluster=False, left={KINDS[0]: ["shop/basket"]})
    assert ran.code == 0, ran.stderr
    assert done == ["state platform", "destroy platform"]


def test_a_cluster_that_does_not_answer_keeps_its_platform(tear_down: TearDown, tmp_path: Path) -> None:
    (tmp_path / "programs" / "down").touch()
    ran, done = tear_down(stacks=["platform"])
    assert ran.code == 3
    assert "does not say whether it is empty (The connection to the server was refused)" in ran.stderr
    assert done == []


def test_nothing_happens_unless_the_name_is_said_twice(repository: Repository, run_verb: RunVerb) -> None:
    ran = run_verb(repository.server, "teardown", "platform", "--really", "green")
    assert ran.code == 3
    assert "Nothing is done" in ran.stderr
