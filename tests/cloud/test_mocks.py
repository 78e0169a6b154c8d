"""The same fakes under Pulumi's mocks."""

# `pulumi.runtime.test` has no types.
# pyright: reportUnknownMemberType=false

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pytest

from rehearsal.cloud.mocks import CloudMocks


@pytest.fixture
def mocks() -> CloudMocks:
    mocks = CloudMocks(stacks={"organization/smallcase/platform": {"clusterName": "smallcase"}})
    pulumi.runtime.set_mocks(mocks, project="smallcase", stack="test", preview=False)
    return mocks


def subnets() -> tuple[aws.ec2.Vpc, list[aws.ec2.Subnet]]:
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16")
    return vpc, [
        aws.ec2.Subnet(f"subnet-{zone}", vpc_id=vpc.id, cidr_block=cidr, availability_zone=f"us-east-1{zone}")
        for zone, cidr in (("a", "10.0.0.0/24"), ("b", "10.0.1.0/24"))
    ]


@pulumi.runtime.test
def test_a_component_has_the_outputs_that_it_has_in_the_rehearsal(mocks: CloudMocks) -> "pulumi.Output[None]":
    vpc, pair = subnets()
    cluster = eks.Cluster(
        "cluster",
        name="smallcase",
        vpc_id=vpc.id,
        private_subnet_ids=[subnet.id for subnet in pair],
        authentication_mode=eks.AuthenticationMode.API,
        create_oidc_provider=True,
        fargate=eks.FargateProfileArgs(selectors=[aws.eks.FargateProfileSelectorArgs(namespace="smallcase-*")]),
    )

    def check(values: list[str]) -> None:
        kubeconfig, issuer, provider, group, vpc_id = values
        assert '"get-token","--cluster-name","smallcase"' in kubeconfig
        assert provider == f"arn:aws:iam::123456789012:oidc-provider/{issuer}"
        assert group.startswith("sg-")
        assert mocks.cloud.of("aws:eks/cluster:Cluster")[0].outputs["vpcId"] == vpc_id
        assert [found.name for found in mocks.of("eks:index:Cluster")] == ["cluster"]

    return pulumi.Output.all(
        cluster.kubeconfig_json,
        cluster.oidc_issuer,
        cluster.oidc_provider_arn,
        cluster.cluster_security_group_id,
        vpc.id,
    ).apply(check)


@pulumi.runtime.test
def test_functions_answer_and_what_was_registered_can_be_looked_at(mocks: CloudMocks) -> "pulumi.Output[None]":
    topic = aws.sns.Topic("topic", tags={"a": "b"})
    identity = aws.get_caller_identity_output()

    def check(values: list[str]) -> None:
        account, arn = values
        assert account == "123456789012"
        assert arn.startswith("arn:aws:sns:us-east-1:123456789012:topic-")
        assert [found.inputs for found in mocks.of("aws:sns/topic:Topic")] == [{"tags": {"a": "b"}}]

    return pulumi.Output.all(identity.account_id, topic.arn).apply(check)


@pytest.mark.usefixtures("mocks")
@pulumi.runtime.test
def test_a_stack_reference_has_the_outputs_it_was_given() -> "pulumi.Output[None]":
    platform = pulumi.StackReference("organization/smallcase/platform")

    def check(name: object) -> None:
        assert name == "smallcase"

    return platform.require_output("clusterName").apply(check)
