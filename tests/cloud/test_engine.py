"""The real engine on the stand-in providers."""

import json
from pathlib import Path

import pytest

from rehearsal.cloud.faults import Fault
from tests.cloud import programs
from tests.cloud.conftest import Trial

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"


@pytest.fixture
def app(trial: Trial) -> Path:
    directory = trial.harness.project / "app"
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return directory


@pytest.mark.usefixtures("app")
def test_a_whole_program_lives_through_preview_up_no_change_update_refresh_and_destroy(trial: Trial) -> None:
    trial.harness.write(programs.everything())

    preview = trial.harness.pulumi("preview")
    assert preview.code == 0, preview.output
    assert not list(trial.cloud)

    up = trial.up()
    assert up.code == 0, up.output
    outputs = trial.harness.outputs("dev")
    kubeconfig = json.loads(str(outputs["kubeconfig"]))
    assert kubeconfig["clusters"][0]["cluster"]["server"] == outputs["endpoint"] == trial.cloud.settings.server
    assert kubeconfig["users"][0]["user"]["exec"]["args"][2:6] == ["eks", "get-token", "--cluster-name", "smallcase"]
    assert str(outputs["oidcProvider"]).endswith(f"oidc-provider/{outputs['issuer']}")
    assert str(outputs["image"]).startswith("123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase:one@sha256:")
    assert str(outputs["host"]).endswith(".elb.amazonaws.com")

    again = trial.up("--expect-no-changes")
    assert again.code == 0, again.output
    assert trial.harness.pulumi("preview", "--refresh", "--run-program", "--expect-no-changes").code == 0

    trial.harness.write(programs.everything(owner="somebody"))
    changed = trial.up()
    assert {name: step for name, step in changed.steps().items() if step != "same"} == {"vpc": "update"}, changed.output
    assert trial.cloud.of(VPC)[0].outputs["tagsAll"] == {"owner": "somebody"}

    destroyed = trial.destroy()
    assert destroyed.code == 0, destroyed.output
    assert not list(trial.cloud)
    order = destroyed.order("delete")
    for first, then in (
        ("kubernetes:networking.k8s.io/v1:Ingress", "kubernetes:helm.sh/v3:Release"),
        ("kubernetes:core/v1:Namespace", "aws:eks/cluster:Cluster"),
        ("aws:eks/fargateProfile:FargateProfile", "aws:eks/cluster:Cluster"),
        ("aws:eks/cluster:Cluster", SUBNET),
        (SUBNET, VPC),
    ):
        assert order.index(first) < order.index(then), order


def test_a_changed_build_context_updates_the_image_and_what_runs_it(trial: Trial, app: Path) -> None:
    trial.harness.write(programs.everything())
    assert trial.up().code == 0
    before = trial.harness.outputs("dev")["image"]
    (app / "page.html").write_text("changed", encoding="utf-8")
    refused = trial.up()
    assert refused.code != 0
    assert "The image tag 'one' already exists in the 'smallcase' repository" in refused.output
    changed = trial.harness.pulumi("config", "set", "tag", "two"), trial.up()
    assert changed[1].code == 0, changed[1].output
    steps = {name: step for name, step in changed[1].steps().items() if step != "same"}
    assert steps == {"image": "update", "deployment": "update"}
    assert trial.harness.outputs("dev")["image"] != before


def test_a_change_that_aws_cannot_make_in_place_replaces_the_resource_and_what_hangs_on_it(trial: Trial) -> None:
    trial.harness.write(programs.network())
    assert trial.up().code == 0
    old = trial.cloud.of(VPC)[0].id
    trial.harness.write(programs.network(cidr="10.0.0.0/17"))
    changed = trial.up()
    assert changed.code == 0, changed.output
    replaced = {*changed.order("replace"), *changed.order("create-replacement")}
    assert {VPC, SUBNET} <= replaced
    assert "aws:ecr/repository:Repository" not in replaced
    assert [vpc.outputs["cidrBlock"] for vpc in trial.cloud.of(VPC)] == ["10.0.0.0/17"]
    assert trial.cloud.of(VPC)[0].id != old


def test_a_refresh_notices_what_is_gone_and_what_was_changed_by_hand(trial: Trial) -> None:
    trial.harness.write(programs.network())
    assert trial.up().code == 0
    vpc = trial.cloud.of(VPC)[0]
    trial.cloud.update(VPC, vpc.id, {**vpc.inputs, "enableDnsHostnames": False})
    trial.cloud.delete("aws:ecr/repository:Repository", "smallcase")
    drift = trial.harness.pulumi("preview", "--refresh", "--run-program", "--expect-no-changes")
    assert drift.code != 0
    mended = trial.up("--refresh", "--run-program")
    assert mended.code == 0, mended.output
    assert trial.cloud.of(VPC)[0].outputs["enableDnsHostnames"] is True
    assert trial.cloud.find("aws:ecr/repository:Repository", "smallcase") is not None


def test_deleting_what_others_still_refer_to_is_a_dependency_violation(trial: Trial) -> None:
    trial.harness.write(programs.network())
    assert trial.up().code == 0
    other = trial.cloud.create(SUBNET, "by-hand", {"vpcId": trial.cloud.of(VPC)[0].id, "cidrBlock": "10.0.9.0/24"})
    refused = trial.destroy()
    assert refused.code != 0
    assert "DependencyViolation" in refused.output
    assert "has dependencies and cannot be deleted" in refused.output
    trial.cloud.delete(SUBNET, other.id)
    assert trial.destroy().code == 0
    assert not list(trial.cloud)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_that_failed_half_way_is_resumed_by_the_next_one(trial: Trial, when: str) -> None:
    trial.harness.write(programs.network())
    trial.cloud.faults.order(Fault(type=SUBNET, message="the power went", when=when, skip=1))  # pyright: ignore[reportArgumentType]
    failed = trial.up()
    assert failed.code != 0
    assert "the power went" in failed.output
    assert len(trial.cloud.of(SUBNET)) == (1 if when == "before" else 2)
    resumed = trial.up()
    assert resumed.code == 0, resumed.output
    assert len(trial.cloud.of(SUBNET)) == 2
    assert trial.up("--expect-no-changes").code == 0


def test_a_throttled_call_fails_with_awss_own_words(trial: Trial) -> None:
    trial.harness.write(programs.network())
    trial.cloud.faults.throttle(VPC, times=1)
    failed = trial.up()
    assert failed.code != 0
    assert "ThrottlingException: Rate exceeded" in failed.output
    assert trial.up().code == 0


def test_a_provider_that_does_not_allow_the_account_refuses_every_resource(trial: Trial) -> None:
    trial.harness.write(programs.network())
    trial.harness.pulumi("config", "set", "--path", "aws:allowedAccountIds[0]", "999999999999")
    refused = trial.harness.pulumi("preview")
    assert refused.code != 0
    assert "AWS account ID not allowed: 123456789012" in refused.output
    assert trial.up().code != 0
    assert not list(trial.cloud)


def test_two_provider_instances_keep_their_default_tags_apart(trial: Trial) -> None:
    trial.harness.write("""
import pulumi, pulumi_aws as aws
tagged = aws.Provider("tagged", region="us-east-1", default_tags={"tags": {"team": "delivery"}})
aws.sns.Topic("tagged", tags={"own": "1"}, opts=pulumi.ResourceOptions(provider=tagged))
aws.sns.Topic("plain", tags={"own": "1"})
""")
    up = trial.up()
    assert up.code == 0, up.output
    tags = {topic.name.rpartition("::")[2]: topic.outputs["tagsAll"] for topic in trial.cloud.of("aws:sns/topic:Topic")}
    assert tags == {"tagged": {"own": "1", "team": "delivery"}, "plain": {"own": "1"}}
    assert trial.up("--expect-no-changes").code == 0


def test_a_function_that_the_stand_in_does_not_know_is_refused_by_name(trial: Trial) -> None:
    trial.harness.write("import pulumi_aws as aws\naws.ec2.get_vpcs()\n")
    refused = trial.harness.pulumi("preview")
    assert refused.code != 0
    assert "the stand-in cloud does not answer aws:ec2/getVpcs:getVpcs" in refused.output
