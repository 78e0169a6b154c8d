"""The account by itself: what it makes up, what it remembers, and what it refuses."""

import json
from pathlib import Path

import pytest

from rehearsal.cloud.account import Cloud
from rehearsal.cloud.faults import Fault, FaultError, Faults
from rehearsal.cloud.functions import policy_document
from rehearsal.cloud.properties import UNKNOWN, Properties
from rehearsal.cloud.refusal import ApiError, CloudError
from rehearsal.cloud.resource import Resource

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
ROLE = "aws:iam/role:Role"
CLUSTER = "aws:eks/cluster:Cluster"
PROFILE = "aws:eks/fargateProfile:FargateProfile"
ENTRY = "aws:eks/accessEntry:AccessEntry"
REPOSITORY = "aws:ecr/repository:Repository"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
GROUP_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TRUST = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def refused(cloud: Cloud, type: str, inputs: Properties) -> str:
    with pytest.raises(ApiError) as error:
        cloud.create(type, "refused", inputs)
    return f"{error.value.code}: {error.value.message}"


def subnet(cloud: Cloud, vpc: Resource, zone: str, cidr: str) -> Resource:
    inputs: Properties = {"vpcId": vpc.id, "cidrBlock": cidr, "availabilityZone": f"us-east-1{zone}"}
    return cloud.create(SUBNET, f"subnet-{zone}", inputs)


def vpc_with_two_subnets(cloud: Cloud) -> tuple[Resource, list[Resource]]:
    vpc = cloud.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"})
    return vpc, [subnet(cloud, vpc, "a", "10.0.0.0/24"), subnet(cloud, vpc, "b", "10.0.1.0/24")]


def cluster(cloud: Cloud, subnets: list[Resource], mode: str = "API") -> Resource:
    access: Properties = {"authenticationMode": mode, "bootstrapClusterCreatorAdminPermissions": True}
    network: Properties = {"subnetIds": [subnet.id for subnet in subnets]}
    return cloud.create(CLUSTER, "cluster", {"name": "smallcase", "vpcConfig": network, "accessConfig": access})


def test_ids_look_like_awss_and_are_the_same_in_every_run(cloud: Cloud) -> None:
    first, second = (there.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"}) for there in (cloud, Cloud()))
    assert first == second
    assert first.id.startswith("vpc-")
    assert len(first.id) == len("vpc-") + 17
    assert first.outputs["arn"] == f"arn:aws:ec2:us-east-1:123456789012:vpc/{first.id}"


def test_a_second_resource_under_the_same_name_gets_another_id(cloud: Cloud) -> None:
    made = [cloud.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"}).id for _ in range(2)]
    assert len(set(made)) == 2


def test_an_account_on_the_same_file_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    file = tmp_path / "state" / "cloud.json"
    vpc, _ = vpc_with_two_subnets(Cloud(state=file))
    again = Cloud(state=file)
    assert again.find(VPC, vpc.id) == vpc
    assert len(again.of(SUBNET)) == 2
    assert file.stat().st_mode & 0o077 == 0


def test_a_type_that_is_not_in_the_table_echoes_with_an_id_and_an_arn(cloud: Cloud) -> None:
    made = cloud.create("aws:sqs/queue:Queue", "queue", {"fifoQueue": True})
    assert made.outputs["fifoQueue"] is True
    assert made.outputs["arn"] == f"arn:aws:sqs:us-east-1:123456789012:queue/{made.id}"


def test_a_physical_name_is_made_up_once_kept_and_short_enough(cloud: Cloud) -> None:
    made_up = cloud.check(ROLE, "deploy" * 20, {}, seed=b"1")
    assert len(str(made_up["name"])) <= 64
    assert cloud.check(ROLE, "deploy" * 20, {}, previous=made_up, seed=b"2")["name"] == made_up["name"]


def test_a_preview_knows_the_inputs_and_not_what_aws_makes_up(cloud: Cloud) -> None:
    outputs = cloud.preview(VPC, {"cidrBlock": "10.0.0.0/16"})
    assert outputs["cidrBlock"] == "10.0.0.0/16"
    assert outputs["arn"] == outputs["defaultSecurityGroupId"] == UNKNOWN


def test_an_unknown_input_differs_and_replaces_where_the_property_cannot_change(cloud: Cloud) -> None:
    difference = cloud.difference(SUBNET, {"vpcId": "vpc-1"}, {"vpcId": UNKNOWN}, {})
    assert difference.replaces == {"vpcId"}


@pytest.mark.parametrize(
    ("cidr", "error"),
    [
        ("10.1.0.0/24", "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."),
        ("10.0.1.0/25", "InvalidSubnet.Conflict: The CIDR '10.0.1.0/25' conflicts with another subnet"),
        ("10.0.2.0/29", "InvalidSubnet.Range: The CIDR '10.0.2.0/29' is invalid."),
        ("10.0.2.1/24", "InvalidSubnet.Range: The CIDR '10.0.2.1/24' is invalid."),
    ],
)
def test_a_subnet_that_does_not_fit_is_refused(cloud: Cloud, cidr: str, error: str) -> None:
    vpc, _ = vpc_with_two_subnets(cloud)
    assert refused(cloud, SUBNET, {"vpcId": vpc.id, "cidrBlock": cidr}) == error


def test_a_vpc_larger_than_a_16_is_refused(cloud: Cloud) -> None:
    assert refused(cloud, VPC, {"cidrBlock": "10.0.0.0/8"}) == "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid."


def test_a_reference_to_what_is_not_there_is_refused(cloud: Cloud) -> None:
    inputs: Properties = {"vpcId": "vpc-0123456789abcdef0", "cidrBlock": "10.0.0.0/24"}
    assert refused(cloud, SUBNET, inputs) == "InvalidVpcID.NotFound: The vpc ID 'vpc-0123456789abcdef0' does not exist"


def test_a_second_repository_of_the_same_name_is_refused(cloud: Cloud) -> None:
    cloud.create(REPOSITORY, "one", {"name": "smallcase"})
    assert refused(cloud, REPOSITORY, {"name": "smallcase"}).startswith("RepositoryAlreadyExistsException: ")


def test_a_repository_with_images_is_deleted_only_by_force(cloud: Cloud) -> None:
    repository = cloud.create(REPOSITORY, "one", {"name": "smallcase"})
    image: Properties = {"tags": [f"{repository.outputs['repositoryUrl']}:one"], "push": True}
    cloud.create("docker-build:index:Image", "image", image)
    with pytest.raises(ApiError, match="RepositoryNotEmptyException"):
        cloud.delete(REPOSITORY, repository.id)
    cloud.update(REPOSITORY, repository.id, {"name": "smallcase", "forceDelete": True})
    cloud.delete(REPOSITORY, repository.id)
    assert not cloud.of(REPOSITORY)


def test_an_image_is_promoted_only_if_the_repository_has_it_and_under_a_tag_that_is_free(cloud: Cloud) -> None:
    repository = cloud.create(REPOSITORY, "one", {"name": "smallcase", "imageTagMutability": "IMMUTABLE"})
    url = f"{repository.outputs['repositoryUrl']}"
    image: Properties = {"tags": [f"{url}:green-one"], "push": True}
    built = cloud.create("docker-build:index:Image", "image", image).text("ref")
    index = "docker-build:index:Index"
    missing = built.partition("@")[0] + "@sha256:" + "0" * 64
    assert refused(cloud, index, {"tag": f"{url}:blue-one", "sources": [missing]}).startswith("ImageNotFoundException")
    assert refused(cloud, index, {"tag": f"{url}:green-one", "sources": [built]}).startswith("ImageTagAlreadyExists")
    promoted = cloud.create(index, "promoted", {"tag": f"{url}:blue-one", "sources": [built]})
    assert promoted.text("ref").startswith(f"{url}:blue-one@sha256:")


@pytest.mark.parametrize("type_", [GROUP, GROUP_RULE])
def test_a_description_with_an_apostrophe_is_refused(cloud: Cloud, type_: str) -> None:
    vpc = cloud.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"})
    group = cloud.create(GROUP, "group", {"name": "group", "vpcId": vpc.id, "description": "People, and GitHub"})
    inputs: Properties = {"name": "other", "vpcId": vpc.id, "description": "GitHub's hooks"}
    if type_ == GROUP_RULE:
        inputs = {"securityGroupId": group.id, "description": "GitHub's hooks"}
    assert refused(cloud, type_, inputs).startswith("InvalidParameterValue: Invalid rule description.")


def test_a_load_balancer_that_is_protected_is_not_deleted(cloud: Cloud) -> None:
    balancer = "aws:lb/loadBalancer:LoadBalancer"
    made = cloud.create(balancer, "one", {"name": "one", "internal": True, "enableDeletionProtection": True})
    with pytest.raises(ApiError, match="deletion protection is enabled"):
        cloud.delete(balancer, made.id)
    cloud.update(balancer, made.id, {"name": "one", "internal": True})
    cloud.delete(balancer, made.id)


def test_a_load_balancer_for_the_internet_needs_a_gateway_to_it(cloud: Cloud) -> None:
    vpc, subnets = vpc_with_two_subnets(cloud)
    balancer = "aws:lb/loadBalancer:LoadBalancer"
    inputs: Properties = {"name": "door", "subnets": [subnet.id for subnet in subnets]}
    assert refused(cloud, balancer, inputs) == f"InvalidSubnet: VPC {vpc.id} has no internet gateway"
    cloud.create(balancer, "inside", {**inputs, "name": "inside", "internal": True})
    cloud.create("aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": vpc.id})
    cloud.create(balancer, "door", inputs)


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "192.168.1.7/32", "100.64.0.0/24"])
def test_a_cluster_that_is_public_for_addresses_that_nobody_comes_from_is_refused(cloud: Cloud, cidr: str) -> None:
    _, subnets = vpc_with_two_subnets(cloud)
    network: Properties = {"subnetIds": [subnet.id for subnet in subnets], "publicAccessCidrs": [cidr]}
    message = refused(cloud, CLUSTER, {"name": "one", "vpcConfig": network})
    assert message == f"InvalidParameterException: The following CIDRs are invalid in publicAccessCidrs: [{cidr}]"


def test_a_cluster_in_a_zone_that_eks_cannot_use_is_refused(cloud: Cloud) -> None:
    vpc = cloud.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"})
    subnets = [subnet(cloud, vpc, zone, f"10.0.{number}.0/24") for number, zone in enumerate("ad")]
    inputs: Properties = {"name": "one", "vpcConfig": {"subnetIds": [found.id for found in subnets]}}
    message = refused(cloud, CLUSTER, inputs)
    assert message.startswith("UnsupportedAvailabilityZoneException: Cannot create cluster 'one'")
    assert "us-east-1d" in message


@pytest.mark.parametrize(
    ("name", "reason"), [("r" * 65, "Member must have length less than or equal to 64"), ("a b", "Member must satisfy")]
)
def test_a_role_name_that_iam_does_not_take_is_refused(cloud: Cloud, name: str, reason: str) -> None:
    assert reason in refused(cloud, ROLE, {"name": name, "assumeRolePolicy": TRUST})


def test_a_policy_that_is_not_json_or_is_too_long_is_refused(cloud: Cloud) -> None:
    policy = "aws:iam/policy:Policy"
    assert refused(cloud, policy, {"name": "p", "policy": "{"}).startswith("MalformedPolicyDocument")
    long = json.dumps({"Statement": ["x" * 6200]})
    assert (
        refused(cloud, policy, {"name": "p", "policy": long})
        == "LimitExceeded: Cannot exceed quota for PolicySize: 6144"
    )


def test_a_cluster_in_one_zone_is_refused(cloud: Cloud) -> None:
    _, subnets = vpc_with_two_subnets(cloud)
    inputs: Properties = {"name": "smallcase", "vpcConfig": {"subnetIds": [subnets[0].id]}}
    assert "at least two different AZs" in refused(cloud, CLUSTER, inputs)


def test_a_fargate_profile_on_a_public_subnet_is_refused_and_on_a_private_one_taken(cloud: Cloud) -> None:
    vpc, subnets = vpc_with_two_subnets(cloud)
    cluster(cloud, subnets)
    gateway = cloud.create("aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": vpc.id})
    route: Properties = {"cidrBlock": "0.0.0.0/0", "gatewayId": gateway.id}
    table = cloud.create("aws:ec2/routeTable:RouteTable", "table", {"vpcId": vpc.id, "routes": [route]})
    association: Properties = {"subnetId": subnets[0].id, "routeTableId": table.id}
    cloud.create("aws:ec2/routeTableAssociation:RouteTableAssociation", "association", association)
    profile: Properties = {
        "clusterName": "smallcase",
        "fargateProfileName": "pods",
        "selectors": [{"namespace": "smallcase-*"}],
        "subnetIds": [subnet.id for subnet in subnets],
    }
    refusal = f"Subnet {subnets[0].id} provided in Fargate Profile is not a private subnet"
    assert refused(cloud, PROFILE, profile) == f"InvalidParameterException: {refusal}"
    cloud.create(PROFILE, "profile", {**profile, "subnetIds": [subnets[1].id]})
    many: Properties = {**profile, "fargateProfileName": "many", "selectors": [{"namespace": f"{n}"} for n in range(6)]}
    assert "selectors" in refused(cloud, PROFILE, many)


def test_an_access_entry_is_refused_for_the_creator_a_second_time_and_without_the_api_mode(cloud: Cloud) -> None:
    _, subnets = vpc_with_two_subnets(cloud)
    made = cluster(cloud, subnets)
    deploy: Properties = {"clusterName": made.id, "principalArn": "arn:aws:iam::123456789012:role/deploy"}
    cloud.create(ENTRY, "deploy", deploy)
    in_use = "ResourceInUseException: The specified access entry resource is already in use on this cluster."
    assert refused(cloud, ENTRY, deploy) == in_use
    creator = cloud.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["arn"]
    assert refused(cloud, ENTRY, {"clusterName": made.id, "principalArn": creator}) == in_use
    cloud.delete(ENTRY, f"{made.id}:{deploy['principalArn']}")
    cloud.delete(CLUSTER, made.id)
    cluster(cloud, subnets, mode="CONFIG_MAP")
    assert refused(cloud, ENTRY, deploy).startswith("InvalidRequestException: The cluster's authentication mode")


def test_user_data_over_16_kilobytes_is_refused(cloud: Cloud) -> None:
    assert refused(cloud, "aws:ec2/instance:Instance", {"userData": "x" * 16385}).endswith("limited to 16384 bytes")


def test_what_is_referred_to_stays_until_what_refers_to_it_has_gone(cloud: Cloud) -> None:
    vpc, subnets = vpc_with_two_subnets(cloud)
    group = cloud.create(GROUP, "group", {"name": "group", "vpcId": vpc.id})
    other = cloud.create(GROUP, "other", {"name": "other", "vpcId": vpc.id})
    rule = cloud.create(GROUP_RULE, "rule", {"securityGroupId": other.id, "referencedSecurityGroupId": group.id})
    made = cluster(cloud, subnets)
    for held in (vpc, subnets[0], group):
        with pytest.raises(ApiError, match="DependencyViolation"):
            cloud.delete(held.type, held.id)
    for free in (rule, other, group, made, *subnets, vpc):
        cloud.delete(free.type, free.id)
    assert not list(cloud)


def test_a_gateway_stays_while_the_vpc_has_public_addresses(cloud: Cloud) -> None:
    vpc, subnets = vpc_with_two_subnets(cloud)
    gateway = cloud.create("aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": vpc.id})
    cloud.create("aws:ec2/natGateway:NatGateway", "nat", {"subnetId": subnets[0].id})
    with pytest.raises(ApiError, match="mapped public address"):
        cloud.delete(gateway.type, gateway.id)


def test_a_role_with_a_policy_attached_stays(cloud: Cloud) -> None:
    role = cloud.create(ROLE, "deploy", {"name": "deploy", "assumeRolePolicy": TRUST})
    attached: Properties = {"role": "deploy", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    attachment = cloud.create("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "attachment", attached)
    with pytest.raises(ApiError, match="must detach all policies first"):
        cloud.delete(ROLE, role.id)
    cloud.delete(attachment.type, attachment.id)
    cloud.delete(ROLE, role.id)


def test_deleting_what_is_gone_already_is_no_error(cloud: Cloud) -> None:
    cloud.delete(VPC, "vpc-0123456789abcdef0")


def test_faults_are_read_from_their_file_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    cloud = Cloud(faults=Faults(file))
    cloud.create(VPC, "first", {"cidrBlock": "10.0.0.0/16"})
    file.write_text(json.dumps([{"type": VPC, "message": "the power went", "times": 1}]), encoding="utf-8")
    with pytest.raises(FaultError, match="the power went"):
        cloud.create(VPC, "second", {"cidrBlock": "10.0.0.0/16"})
    cloud.create(VPC, "second", {"cidrBlock": "10.0.0.0/16"})
    assert len(cloud.of(VPC)) == 2


def test_a_fault_skips_the_calls_it_is_told_to(cloud: Cloud) -> None:
    cloud.faults.order(Fault(type=VPC, operation="delete", message="not now", skip=1, times=2))
    made = [cloud.create(VPC, f"{n}", {"cidrBlock": "10.0.0.0/16"}) for n in range(2)]
    cloud.delete(VPC, made[0].id)
    for _ in range(2):
        with pytest.raises(FaultError, match="not now"):
            cloud.delete(VPC, made[1].id)
    cloud.delete(VPC, made[1].id)
    assert not cloud.of(VPC)


def test_a_policy_document_is_rendered_as_the_provider_renders_it() -> None:
    document = policy_document({
        "statements": [
            {
                "sid": "Push",
                "actions": ["ecr:A", "ecr:B"],
                "resources": ["*"],
                "principals": [{"type": "Service", "identifiers": ["ec2.amazonaws.com"]}],
                "conditions": [{"test": "StringEquals", "variable": "a:b", "values": ["c"]}],
            },
            {"effect": "Deny", "actions": ["s3:*"], "principals": [{"type": "*", "identifiers": ["*"]}]},
        ]
    })  # fmt: skip
    assert document == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Push",
                "Effect": "Allow",
                "Action": ["ecr:B", "ecr:A"],
                "Resource": "*",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Condition": {"StringEquals": {"a:b": "c"}},
            },
            {"Effect": "Deny", "Action": "s3:*", "Principal": "*"},
        ],
    }


def test_an_unknown_function_is_refused_with_those_that_are_known(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match=r"does not answer aws:x/y:z.*getCallerIdentity"):
        cloud.invoke("aws:x/y:z", {})


def test_a_cluster_that_is_not_there_cannot_be_looked_up(cloud: Cloud) -> None:
    with pytest.raises(ApiError, match="No cluster found for name: nowhere"):
        cloud.invoke("aws:eks/getCluster:getCluster", {"name": "nowhere"})
