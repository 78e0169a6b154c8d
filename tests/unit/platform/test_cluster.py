"""The EKS cluster: every argument that decides whether the first `up` works."""

import json
from datetime import date
from typing import cast

import pulumi
import pytest

from infra import fargate, versions
from infra.platform.cluster import DNS_SIZE, identified_as, pod_execution_trust
from tests.graph import EKS_CLUSTER, Node, environment, platform

ADMINISTRATORS = '["arn:aws:iam::123456789012:role/administrator"]'

STANDARD_SUPPORT_ENDS = {"1.35": date(2027, 3, 27), "1.34": date(2026, 12, 2)}
"""https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html"""


def cluster(**changes: str) -> Node:
    return platform(**changes).one(EKS_CLUSTER)


@pytest.mark.trap("T01")
def test_access_is_by_entries_since_edits_of_a_config_map_would_lose_the_fargate_role() -> None:
    assert cluster().at("authenticationMode") == "API"


@pytest.mark.trap("T02")
def test_there_is_no_ec2_node_nor_a_role_for_one() -> None:
    graph = platform()
    assert (cluster().at("skipDefaultNodeGroup"), cluster().at("createInstanceRole")) == (True, False)
    created = {resource.type for resource in graph.mocks.cloud}
    assert not {kind for kind in created if "nodeGroup" in kind or "launchTemplate" in kind or "autoscaling" in kind}
    trusted = [node.text("assumeRolePolicy") for node in graph.of("aws:iam/role:Role") if "Jenkins" not in node.urn]
    hosts = {"controller", "deploy", "open", "preview"}
    by_ec2 = {
        node.name for node in graph.of("aws:iam/role:Role") if "ec2.amazonaws.com" in node.text("assumeRolePolicy")
    }
    assert trusted
    assert by_ec2 == hosts


@pytest.mark.trap("T03")
def test_fargate_uses_the_clusters_own_security_group() -> None:
    assert cluster().at("skipDefaultSecurityGroups") is True
    assert cluster().at("clusterSecurityGroup") is None


@pytest.mark.trap("T04")
def test_the_cluster_has_an_identity_provider_for_service_accounts() -> None:
    assert cluster().at("createOidcProvider") is True


@pytest.mark.trap("T05")
def test_the_api_is_reached_from_the_allow_list_and_from_the_inside() -> None:
    node = cluster()
    assert (node.at("endpointPublicAccess"), node.at("endpointPrivateAccess")) == (True, True)
    assert node.at("publicAccessCidrs") == ["203.0.113.7/32"]


@pytest.mark.trap("T06")
def test_the_agents_reach_the_api_by_its_private_addresses() -> None:
    graph = platform()
    rules = [
        rule
        for rule in graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if rule.name.startswith("agents-")
    ]
    groups = {group.name: f"{group.urn}" for group in graph.of("aws:ec2/securityGroup:SecurityGroup")}
    assert {rule.name for rule in rules} == {"agents-preview", "agents-open", "agents-deploy"}
    for rule in rules:
        assert (rule.at("ipProtocol"), rule.at("fromPort"), rule.at("toPort")) == ("tcp", 443, 443)
        assert groups[rule.name.removeprefix("agents-")] in rule.dependencies
        # The cluster's own group, which EKS makes: it is none of ours.
        made = [resource.id for resource in graph.mocks.cloud.of("aws:ec2/securityGroup:SecurityGroup")]
        assert rule.at("securityGroupId") not in made
        assert rule.at("referencedSecurityGroupId") in made


@pytest.mark.trap("T07")
def test_the_version_is_pinned_where_standard_support_lasts_and_never_slides_into_the_extended_one() -> None:
    node = cluster()
    assert node.at("version") == versions.KUBERNETES
    assert STANDARD_SUPPORT_ENDS[versions.KUBERNETES] >= date(2027, 3, 27)
    assert node.at("upgradePolicy", "supportType") == "STANDARD"


@pytest.mark.trap("T08")
def test_add_ons_are_pinned_so_that_a_preview_does_not_change_by_itself() -> None:
    node = cluster()
    assert {
        "coredns": node.at("corednsAddonOptions", "version"),
        "kube-proxy": node.at("kubeProxyAddonOptions", "version"),
        "vpc-cni": node.at("vpcCniOptions", "addonVersion"),
    } == {"coredns": versions.COREDNS, "kube-proxy": versions.KUBE_PROXY, "vpc-cni": versions.VPC_CNI}
    assert versions.KUBE_PROXY.startswith(f"v{versions.KUBERNETES}.")


@pytest.mark.trap("T09")
def test_the_fargate_profile_selects_the_controllers_and_every_environment_in_private_subnets() -> None:
    graph = platform()
    selectors = cast("list[dict[str, str]]", cluster().at("fargate", "selectors"))
    assert [selector["namespace"] for selector in selectors] == ["kube-system", "smallcase-*"]
    assert len(selectors) <= 5
    private = [
        subnet.id
        for subnet in graph.mocks.cloud.of("aws:ec2/subnet:Subnet")
        if "kubernetes.io/role/internal-elb" in str(subnet.inputs)
    ]
    assert sorted(cast("list[str]", cluster().at("fargate", "subnetIds"))) == sorted(private)


@pytest.mark.trap("T09")
def test_the_role_that_runs_pods_has_no_path_and_serves_this_cluster_alone() -> None:
    role = platform().one("aws:iam/role:Role", "pod-execution")
    assert "path" not in role.inputs
    [statement] = json.loads(role.text("assumeRolePolicy"))["Statement"]
    assert statement["Principal"] == {"Service": "eks-fargate-pods.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:eks:us-east-1:123456789012:fargateprofile/smallcase-platform/*"}
    }
    assert pod_execution_trust("us-east-1", "123456789012", "smallcase-platform") == role.text("assumeRolePolicy")


@pytest.mark.trap("T09")
@pytest.mark.parametrize("stack", ["blue", "green", "develop"])
def test_every_namespace_with_pods_is_one_that_the_profile_selects(stack: str) -> None:
    namespaces = {node.text("metadata", "namespace") for node in environment(stack).of("kubernetes:apps/v1:Deployment")}
    assert all(fargate.selects(namespace) for namespace in namespaces)


@pytest.mark.trap("T10")
def test_the_clusters_dns_runs_on_fargate_and_fits_the_smallest_size() -> None:
    options = cluster().at("corednsAddonOptions", "configurationValues")
    size = {"cpu": "250m", "memory": "256Mi"}
    assert options == {"computeType": "Fargate", "resources": {"requests": size, "limits": size}}
    assert DNS_SIZE.requests == size


@pytest.mark.trap("T11")
def test_administrators_and_the_roles_of_the_pipeline_have_an_entry_and_neither_the_creator_nor_fargate_does() -> None:
    graph = platform(administrators=ADMINISTRATORS)
    groups = {node.name: node.at("kubernetesGroups") for node in graph.of("aws:eks/accessEntry:AccessEntry")}
    agents = {agent: [f"smallcase:{agent}"] for agent in ("preview", "open", "deploy")}
    assert groups == {"administrator-0": [], **agents}
    administrator = graph.one("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    assert administrator.at("principalArn") == "arn:aws:iam::123456789012:role/administrator"
    assert administrator.text("policyArn").endswith("/AmazonEKSClusterAdminPolicy")
    assert administrator.at("accessScope") == {"type": "cluster"}
    # What the component makes is protected with the cluster; an entry has to be removable.
    assert "accessEntries" not in graph.one(EKS_CLUSTER).inputs
    assert not any(node.protect for node in graph.of("aws:eks/accessEntry:AccessEntry"))


@pytest.mark.trap("T12")
@pytest.mark.parametrize("stack", ["platform", "green"])
def test_the_kubeconfig_is_handed_over_as_text_and_holds_no_credential(stack: str) -> None:
    graph = platform() if stack == "platform" else environment(stack)
    given = json.loads(graph.one("pulumi:providers:kubernetes").text("kubeconfig"))
    [user] = given["users"]
    assert set(user["user"]) == {"exec"}
    assert user["user"]["exec"]["command"] == "aws"
    assert user["user"]["exec"]["args"][:4] == ["--region", "us-east-1", "eks", "get-token"]


@pytest.mark.parametrize("stack", ["platform", "green"])
def test_every_provider_for_kubernetes_knows_its_cluster_by_the_name(stack: str) -> None:
    graph = platform() if stack == "platform" else environment(stack)
    assert graph.one("pulumi:providers:kubernetes").at("clusterIdentifier") == "smallcase-platform"


def test_so_does_the_one_that_the_component_has_of_its_own_and_nothing_else_of_it_is_touched() -> None:
    identify = identified_as("smallcase-platform")
    options = pulumi.ResourceOptions(protect=True)

    def child(of: str) -> pulumi.ResourceTransformArgs:
        return pulumi.ResourceTransformArgs(
            custom=True, type_=of, name="cluster-eks-k8s", props={"kubeconfig": "{}"}, opts=options
        )

    identified = identify(child("pulumi:providers:kubernetes"))
    assert isinstance(identified, pulumi.ResourceTransformResult)
    assert identified.props == {"kubeconfig": "{}", "clusterIdentifier": "smallcase-platform"}
    assert identified.opts is options
    assert identify(child("aws:eks/cluster:Cluster")) is None


def test_access_is_granted_to_a_cluster_that_answers_and_taken_away_before_it_goes() -> None:
    graph = platform(administrators=ADMINISTRATORS)
    made = graph.one(EKS_CLUSTER)
    granted = graph.of("aws:eks/accessEntry:AccessEntry", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    assert [str(node) for node in granted if not graph.depends(node, made)] == []


@pytest.mark.trap("T15")
def test_the_control_plane_logs_to_a_group_that_forgets() -> None:
    graph = platform()
    group = graph.one("aws:cloudwatch/logGroup:LogGroup", "control-plane")
    assert (group.at("name"), group.at("retentionInDays")) == ("/aws/eks/smallcase-platform/cluster", 30)
    assert graph.depends(graph.one(EKS_CLUSTER), group)
    assert set(cast("list[str]", cluster().at("enabledClusterLogTypes"))) == {
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    }


@pytest.mark.trap("T15")
def test_no_log_group_keeps_what_it_has_for_ever() -> None:
    kept = {str(node): node.at("retentionInDays") for node in platform().of("aws:cloudwatch/logGroup:LogGroup")}
    assert [name for name, days in kept.items() if not days] == []


@pytest.mark.trap("T16")
def test_secrets_are_encrypted_with_a_key_of_ours_that_rotates() -> None:
    graph = platform()
    key = graph.one("aws:kms/key:Key")
    assert key.at("enableKeyRotation") is True
    [made] = graph.mocks.cloud.of("aws:kms/key:Key")
    assert cluster().at("encryptionConfigKeyArn") == made.text("arn")


def test_the_fargate_profile_waits_for_the_rights_of_its_role() -> None:
    graph = platform()
    attachment = graph.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "pod-execution")
    assert attachment.text("policyArn").endswith("policy/AmazonEKSFargatePodExecutionRolePolicy")
    assert graph.depends(graph.one(EKS_CLUSTER), attachment)
