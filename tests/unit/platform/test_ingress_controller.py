"""The ingress controller and its rights."""

import json
import re

import pytest

from infra.platform.ingress_controller import policy_document
from tests.graph import EKS_CLUSTER, Node, environment, platform, whole
from tests.iam import ACCOUNT, permits
from tests.policies import actions, statements
from tests.stack_files import declared

RELEASE = "kubernetes:helm.sh/v3:Release"


def release() -> Node:
    return platform().one(RELEASE)


@pytest.mark.trap("T17")
def test_only_the_controllers_own_service_account_can_take_its_role() -> None:
    graph = platform()
    role = graph.one("aws:iam/role:Role", "role")
    [statement] = json.loads(role.text("assumeRolePolicy"))["Statement"]
    [provider] = graph.mocks.cloud.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    issuer = provider.text("url").removeprefix("https://")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": provider.text("arn")}
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:sub": "system:serviceaccount:kube-system:aws-load-balancer-controller",
            f"{issuer}:aud": "sts.amazonaws.com",
        }
    }
    account = release().at("values", "serviceAccount")
    [made] = [resource for resource in graph.mocks.cloud.of("aws:iam/role:Role") if resource.id == role.text("name")]
    assert account == {
        "create": True,
        "name": "aws-load-balancer-controller",
        "annotations": {"eks.amazonaws.com/role-arn": made.text("arn")},
    }


@pytest.mark.trap("T18")
def test_region_and_vpc_are_given_since_fargate_has_no_instance_metadata_to_ask() -> None:
    values = release().at("values")
    [vpc] = platform().mocks.cloud.of("aws:ec2/vpc:Vpc")
    assert isinstance(values, dict)
    assert (values["region"], values["vpcId"], values["clusterName"]) == ("us-east-1", vpc.id, "smallcase-platform")
    assert "vpcid" not in values


@pytest.mark.trap("T19")
def test_services_do_not_depend_on_the_controller_being_up() -> None:
    assert release().at("values", "enableServiceMutatorWebhook") is False


@pytest.mark.trap("T20")
def test_two_controllers_share_the_work_and_keep_their_certificate() -> None:
    assert release().at("values", "replicaCount") == 2
    assert release().at("values", "podDisruptionBudget") == {"maxUnavailable": 1}
    assert release().at("values", "keepTLSSecret") is True


@pytest.mark.trap("T21")
def test_a_pod_of_ours_is_never_made_without_its_readiness_gate_and_other_pods_are_not_held_up() -> None:
    assert release().at("values", "podMutatorWebhookConfig") == {"failurePolicy": "Fail"}
    selector = release().at("values", "objectSelector", "matchLabels")
    pod = environment("green").one("kubernetes:apps/v1:Deployment").at("spec", "template", "metadata", "labels")
    assert isinstance(selector, dict)
    assert isinstance(pod, dict)
    assert selector
    assert selector.items() <= pod.items()


@pytest.mark.trap("T22")
def test_the_chart_is_a_release_pinned_and_from_its_publisher() -> None:
    assert declared()["smallcase:ingressControllerChart"]["default"] == {
        "chart": "aws-load-balancer-controller",
        "repository": "https://aws.github.io/eks-charts",
    }
    assert release().at("version") == "3.5.0"
    # Helm would ask it anew, and take what it has then.
    assert "repositoryOpts" not in release().inputs
    assert not platform().any("kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Chart")


@pytest.mark.trap("T23")
def test_the_controller_starts_with_its_rights_its_identity_and_a_cluster_that_runs_pods() -> None:
    graph = platform()
    # The cluster's component stands for its Fargate profile and its identity provider.
    assert graph.depends(release(), graph.one(EKS_CLUSTER))
    assert graph.depends(release(), graph.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "policy"))
    assert graph.depends(release(), graph.one("aws:ec2/route:Route", "private-0-internet"))


@pytest.mark.trap("T24")
def test_the_controllers_rights_are_those_of_its_version_and_fit_into_one_policy() -> None:
    newer = {
        "ec2:DescribeIpamPools",
        "ec2:DescribeRouteTables",
        "ec2:GetSecurityGroupsForVpc",
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:ModifyCapacityReservation",
        "elasticloadbalancing:ModifyIpPools",
        "elasticloadbalancing:ModifyListenerAttributes",
        "elasticloadbalancing:SetRulePriorities",
    }
    policy = platform().one("aws:iam/policy:Policy").text("policy")
    assert newer <= actions(policy)
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(policy_document(ACCOUNT)) <= 6144
    assert policy == policy_document(ACCOUNT)


def test_the_controller_changes_nothing_of_another_account() -> None:
    granted = statements(policy_document(ACCOUNT))
    changes = ("elasticloadbalancing:ModifyListener", "arn:aws:elasticloadbalancing:us-east-1:999999999999:listener/x")
    assert permits(granted, *changes, {"aws:ResourceAccount": ACCOUNT})
    assert not permits(granted, *changes, {"aws:ResourceAccount": "999999999999"})
    # What a request says nothing of is not refused for it.
    assert permits(granted, "ec2:DescribeSubnets", "*", {"aws:ResourceAccount": ()})


def test_the_controllers_image_is_pinned_by_digest() -> None:
    image = release().at("values", "image")
    assert isinstance(image, dict)
    assert image["repository"] == "public.ecr.aws/eks/aws-load-balancer-controller"
    assert re.fullmatch(r"v3\.\d+\.\d+@sha256:[0-9a-f]{64}", str(image["tag"]))


def test_the_load_balancers_it_makes_carry_the_tags_of_the_stack() -> None:
    assert release().at("values", "defaultTags") == {"Project": "smallcase", "Stack": "platform"}


@pytest.mark.trap("T33")
def test_the_controllers_own_pods_ask_for_what_they_may_use() -> None:
    resources = release().at("values", "resources")
    assert isinstance(resources, dict)
    assert resources["requests"] == resources["limits"] == {"cpu": "250m", "memory": "768Mi"}


@pytest.mark.trap("T32")
def test_an_ingress_goes_while_the_controller_still_runs_and_the_network_still_routes() -> None:
    graph = whole()
    network = [node for node in graph if "platform:Network$" in node.urn]
    controller = graph.one(RELEASE)
    for ingress in graph.of("kubernetes:networking.k8s.io/v1:Ingress"):
        assert graph.depends(ingress, controller)
        assert [str(node) for node in network if not graph.depends(ingress, node)] == []


@pytest.mark.trap("T32")
def test_cluster_network_and_controller_are_not_destroyed_by_a_slip() -> None:
    graph = platform()
    protected = {node.type for node in graph if node.protect}
    assert {EKS_CLUSTER, "aws:ec2/vpc:Vpc", RELEASE} <= protected


def test_a_chart_from_a_folder_has_no_repository() -> None:
    graph = platform(ingressControllerChart='{"chart": "/somewhere/chart"}')
    assert graph.one(RELEASE).at("chart") == "/somewhere/chart"
