"""The platform with everything that is optional, through the real engine."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from rehearsal.cloud.faults import THROTTLING, Fault
from rehearsal.cloud.resource import Resource
from tests.engine.world import (
    ATTACHMENT,
    CLUSTER,
    DEPLOYMENT,
    IMAGE,
    INGRESS,
    INSTANCE,
    RELEASE,
    Account,
    World,
    empty_world,
    in_namespace,
    types_in,
)
from tests.stack_files import EVERYTHING

ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
CERTIFICATE: Final = "aws:acm/certificate:Certificate"
INTERFACE: Final = "aws:ec2/networkInterface:NetworkInterface"
LISTENER: Final = "aws:lb/listener:Listener"
NAT: Final = "aws:ec2/natGateway:NatGateway"
RECORD: Final = "aws:route53/record:Record"
RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
VALIDATION: Final = "aws:acm/certificateValidation:CertificateValidation"
VOLUME: Final = "aws:ebs/volume:Volume"

ZONE_MISSING: Final = "no matching Route 53 Hosted Zone found"


def kinds(account: Account) -> Counter[str]:
    """How many there are of each type."""
    return Counter(type for type, _ in account)  # noqa: A001


def of_kind(account: Account, kind: str) -> Account:
    """All of one type."""
    return {key: resource for key, resource in account.items() if key[0] == kind}


def named(account: Account, of: str, name: str) -> Resource:
    """The resource of a type that was asked for under a logical name."""
    (found,) = [
        resource for resource in account.values() if resource.type == of and resource.name.endswith(f"::{name}")
    ]
    return found


KEPT = Counter(
    f"aws:s3/{kind}"
    for kind in (
        "bucket:Bucket",
        "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "bucketPolicy:BucketPolicy",
    )
)
"""The access logs that were written stay when nobody writes more of them."""


@pytest.mark.timeout(200)
def test_everything_optional_comes_up_names_the_environments_and_goes_without_a_trace_but_its_logs(live: World) -> None:
    before = live.account()
    with live.settings("platform", EVERYTHING):
        up = live.up("platform")
        environment = live.up("green")
        url = live.harness.outputs("green")["url"]
        again = live.up("platform", "--refresh", "--run-program", "--expect-no-changes")
        gone = live.destroy("green")
    back = live.up("platform")
    for step in (up, environment, again, gone, back):
        assert step.succeeded, step.outcome.output
    assert {CERTIFICATE, VALIDATION, RECORD, LISTENER, ALARM} <= types_in(up.after)
    assert up.outcome.ends_before("create", VALIDATION, LISTENER)
    # What runs on a platform is not touched for the platform's options.
    for kind in (DEPLOYMENT, INGRESS):
        assert of_kind(up.after, kind) == of_kind(before, kind)
    assert url == "https://green.example.org"
    added = set(environment.after) - set(environment.before)
    assert types_in({key: environment.after[key] for key in added}) == {RECORD}
    assert not added & set(gone.after)
    green = in_namespace(before, "smallcase-green")
    assert kinds(back.after) - KEPT == kinds({key: one for key, one in before.items() if key not in green})
    assert kinds(back.after) >= KEPT


def test_another_number_of_zones_is_refused_by_the_preview(live: World) -> None:
    """The subnets of a Fargate profile cannot be changed, and what the cluster needs is protected."""
    with live.settings("platform", {"smallcase:zones": 3}):
        refused = live.preview("platform")
    assert not refused.succeeded
    assert refused.after == refused.before
    assert any("fargateProfile" in message and "protect" in message for message in refused.outcome.errors())


def test_a_domain_without_a_hosted_zone_is_refused_in_one_message_and_nothing_is_touched(live: World) -> None:
    live.cloud.faults.order(Fault(type="aws:route53/getZone:getZone", operation="invoke", message=ZONE_MISSING))
    with live.settings("platform", EVERYTHING):
        refused = live.up("platform")
    assert not refused.succeeded
    assert refused.after == refused.before
    (message,) = refused.outcome.errors()
    assert "Traceback" not in refused.outcome.output
    for part in ("'example.org'", ZONE_MISSING, "aws route53 create-hosted-zone", "`pulumi config rm smallcase:domain"):
        assert part in message


@pytest.mark.trap("T51", "T52")
def test_a_new_machine_image_replaces_the_hosts_and_what_they_keep_stays(live: World) -> None:
    with live.settings("platform", {"smallcase:hostImage": "ami-0fedcba9876543210"}):
        step = live.up("platform")
    # Two hosts on one interface would have been refused, so the old one went first.
    assert step.succeeded, step.outcome.output
    replaced = {INSTANCE: 4, ATTACHMENT: 1}
    assert Counter(step.outcome.order("create-replacement")) == replaced
    assert Counter(step.outcome.order("delete-replaced")) == replaced
    assert set(step.outcome.changes()) == set(replaced)
    for kind in (VOLUME, INTERFACE, "aws:ec2/eip:Eip"):
        assert of_kind(step.after, kind) == of_kind(step.before, kind)
    [attached] = of_kind(step.after, ATTACHMENT).values()
    assert attached.text("instanceId") == named(step.after, INSTANCE, "controller").id
    assert attached.text("volumeId") == named(step.before, VOLUME, "jenkins-home").id


def test_a_host_and_a_protected_volume_that_are_lost_come_back_with_the_next_up(live: World) -> None:
    before = live.account()
    lost = [
        *of_kind(before, ATTACHMENT).values(),
        named(before, INSTANCE, "controller"),
        *of_kind(before, VOLUME).values(),
    ]
    for resource in lost:
        live.cloud.delete(resource.type, resource.id)
    back = live.up("platform", "--refresh", "--run-program")
    assert back.succeeded, back.outcome.output
    assert kinds(back.after) == kinds(before)
    created = {resource.type for resource in lost}
    assert {kind for kind, done in back.outcome.changes().items() if done == "create"} == created


def test_a_host_is_replaced_by_its_urn_and_nothing_else_is(live: World) -> None:
    [urn] = [
        str(resource["urn"])
        for resource in live.harness.state("platform")
        if resource["type"] == INSTANCE and str(resource["urn"]).endswith("::preview")
    ]
    replaced = live.up("platform", "--replace", urn)
    assert replaced.succeeded, replaced.outcome.output
    assert replaced.outcome.order("create-replacement") == [INSTANCE]
    assert set(replaced.outcome.changes()) == {INSTANCE}


@pytest.fixture
def empty(pulumi_cli: Path, untouched: World, tmp_path: Path) -> Iterator[World]:
    """An account with nothing in it, and the stack `platform` without a resource."""
    with empty_world(tmp_path / "world", untouched.checkout, pulumi_cli) as world:
        world.create("platform")
        yield world


@pytest.mark.timeout(300)
def test_a_platform_that_fails_time_and_again_is_resumed_with_nothing_made_twice_and_nothing_lost(
    empty: World, untouched: World
) -> None:
    faults = (
        Fault(type=NAT, message=THROTTLING),
        Fault(type=CLUSTER, message=THROTTLING, when="after"),
        Fault(type=RELEASE, message=THROTTLING, when="after"),
    )
    for fault in faults:
        empty.cloud.faults.order(fault)
    steps = [empty.up("platform")]
    empty.create("green")
    too_early = empty.up("green")
    assert not too_early.succeeded
    [message] = too_early.outcome.errors()
    assert "it exports no platform" in message
    assert "`pulumi up -s platform`" in message
    while not steps[-1].succeeded and len(steps) <= len(faults):
        assert any("ThrottlingException" in message for message in steps[-1].outcome.errors())
        steps.append(empty.up("platform"))
    assert len(steps) > len(faults), "each of them has to stop one `up`"
    assert steps[-1].succeeded, steps[-1].outcome.output
    half_made = {fault.type for fault in faults if fault.when == "after"}
    for step in steps:
        assert {key for key in step.before if key[0] not in half_made} <= set(step.after)
    account = empty.account()
    green = in_namespace(untouched.account(), "smallcase-green")
    whole = {key: one for key, one in untouched.account().items() if key not in green and key[0] != IMAGE}
    assert kinds(account) == kinds(whole)
    known = {(str(resource["type"]), str(resource.get("id"))) for resource in empty.harness.state("platform")}
    assert set(account) - known == set()
    settled = empty.up("platform", "--expect-no-changes")
    assert settled.succeeded, settled.outcome.output


@pytest.mark.trap("T57")
def test_what_somebody_removed_or_changed_by_hand_is_found_by_a_preview_and_mended_by_up(live: World) -> None:
    rules = [resource for resource in live.cloud.of(RULE) if resource.inputs.get("fromPort") == 22]
    live.cloud.delete(RULE, rules[0].id)
    vpc = live.cloud.of("aws:ec2/vpc:Vpc")[0]
    live.cloud.update(vpc.type, vpc.id, {**vpc.inputs, "enableDnsHostnames": False})
    before = live.harness.state("platform")
    found = live.preview("platform", "--refresh", "--run-program", "--expect-no-changes")
    assert not found.succeeded
    assert {RULE, vpc.type} <= set(found.outcome.changes())
    assert live.harness.state("platform") == before, "looking changes nothing"
    mended = live.up("platform", "--refresh", "--run-program")
    assert mended.succeeded, mended.outcome.output
    assert mended.outcome.changes() == {RULE: "create", vpc.type: "update"}
    assert live.cloud.of(vpc.type)[0].inputs["enableDnsHostnames"] is True
