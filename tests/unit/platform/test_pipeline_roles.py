"""What the pipeline may do in AWS."""

import json
from fnmatch import fnmatchcase

import pytest

from infra import iam, state
from infra.platform.pipeline_roles import deploy_rights, preview_rights
from tests.graph import WITH_DOMAIN, ZONE, environment, platform, whole
from tests.policies import Statement, actions, documents, many, of_role, statements

BUCKET = "arn:aws:s3:::smallcase-state-123456789012-us-east-1"
CHANGING = ("Put", "Create", "Delete", "Update", "Modify", "Attach", "Pass", "Run", "Terminate", "Change", "Initiate")


def permits(granted: list[Statement], action: str, resource: str) -> bool:
    """Whether statements allow an action on a resource, conditions left aside."""

    def matches(statement: Statement) -> bool:
        return any(fnmatchcase(action, pattern) for pattern in many(statement["Action"])) and any(
            fnmatchcase(resource, pattern) for pattern in many(statement["Resource"])
        )

    effects = {statement["Effect"] for statement in granted if matches(statement)}
    return effects == {"Allow"}


@pytest.mark.trap("T44")
def test_each_agent_has_a_role_of_its_own_and_nobody_can_take_anothers() -> None:
    graph = platform()
    roles = {
        host: graph.one("aws:iam/instanceProfile:InstanceProfile", host).at("role")
        for host in ("controller", "preview", "deploy")
    }
    assert roles == {host: graph.one("aws:iam/role:Role", host).at("name") for host in roles}
    assert len(set(roles.values())) == 3
    for host in roles:
        trust = graph.one("aws:iam/role:Role", host).text("assumeRolePolicy")
        assert [statement["Principal"] for statement in statements(trust)] == [{"Service": "ec2.amazonaws.com"}]
        assert not [text for statement in of_role(graph, host) for text in many(statement["Action"]) if "sts:" in text]


@pytest.mark.trap("T44")
def test_no_role_may_hand_a_role_to_a_machine() -> None:
    assert not [str(node) for node, document in documents(platform()) if "iam:PassRole" in document]


@pytest.mark.trap("T45")
def test_the_deploy_role_changes_its_image_repository_and_its_stacks_state_and_nothing_else() -> None:
    granted = of_role(platform(**WITH_DOMAIN), "deploy")
    changes = {
        (action, resource)
        for statement in granted
        if statement["Effect"] == "Allow"
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
        if any(word in action for word in CHANGING) and ":Get" not in action
    }
    repository = "arn:aws:ecr:us-east-1:123456789012:repository/smallcase-platform"
    key = "arn:aws:kms:us-east-1:123456789012:key/*"
    own = "arn:aws:ssm:us-east-1:123456789012:parameter/smallcase-platform/jenkins/deploy/host-key"
    channels = {(f"ssmmessages:Create{kind}Channel", "*") for kind in ("Control", "Data")}
    assert changes - channels == {
        ("ecr:InitiateLayerUpload", repository),
        ("ecr:PutImage", repository),
        ("s3:PutObject", f"{BUCKET}/.pulumi/*/smallcase/*"),
        ("s3:DeleteObject", f"{BUCKET}/.pulumi/*/smallcase/*"),
        ("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{ZONE}"),
        ("ssm:PutParameter", own),
        ("ssm:UpdateInstanceInformation", "*"),
    }
    assert permits(granted, "kms:GenerateDataKey", key)


@pytest.mark.trap("T45")
@pytest.mark.parametrize("stack", ["platform", "green"])
def test_the_deploy_role_cannot_write_the_state_of_the_stack_that_jenkins_runs_on(stack: str) -> None:
    granted = of_role(platform() if stack == "platform" else whole(stack), "deploy")
    for kind in (
        "stacks/smallcase/{}.json",
        "history/smallcase/{}/{}-1.history.json",
        "locks/organization/smallcase/{}/1.json",
    ):
        other, owner = (f"{BUCKET}/.pulumi/{kind.replace('{}', name)}" for name in ("develop", stack))
        assert permits(granted, "s3:PutObject", other)
        assert permits(granted, "s3:GetObject", owner)
        assert not permits(granted, "s3:PutObject", owner)
        assert not permits(granted, "s3:DeleteObject", owner)
    assert not permits(granted, "s3:PutObject", f"{BUCKET}/.pulumi/meta.yaml")


@pytest.mark.trap("T46")
def test_the_preview_role_changes_nothing() -> None:
    granted = of_role(platform(**WITH_DOMAIN), "preview")
    changing = {
        action
        for statement in granted
        for action in many(statement["Action"])
        if any(word in action for word in CHANGING)
    }
    assert changing == {
        "ssm:PutParameter",  # its host key
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
    }
    assert not permits(granted, "s3:PutObject", f"{BUCKET}/.pulumi/stacks/smallcase/develop.json")


@pytest.mark.trap("T47")
@pytest.mark.parametrize("role", ["deploy", "preview"])
def test_a_reference_to_the_platform_can_be_read_and_decrypted(role: str) -> None:
    granted = of_role(platform(), role)
    assert permits(granted, "s3:GetObject", f"{BUCKET}/.pulumi/stacks/smallcase/platform.json")
    assert permits(granted, "s3:ListBucket", BUCKET)
    [decrypt] = [statement for statement in granted if "kms:Decrypt" in many(statement["Action"])]
    assert decrypt["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/smallcase-state"}}


@pytest.mark.trap("T49")
def test_no_policy_has_a_wildcard_action_on_a_wildcard_resource() -> None:
    graph = platform(**WITH_DOMAIN)
    for node, document in documents(graph):
        for statement in statements(document):
            if statement["Effect"] == "Allow" and "Resource" in statement:
                wild = [action for action in many(statement["Action"]) if "*" in action]
                assert not (wild and "*" in many(statement["Resource"])), f"{node}: {wild}"


@pytest.mark.trap("T54")
def test_state_is_in_a_bucket_of_the_account_and_its_secrets_are_under_a_key() -> None:
    assert state.backend_url("123456789012", "eu-central-1") == (
        "s3://smallcase-state-123456789012-eu-central-1?region=eu-central-1&awssdk=v2"
    )
    assert state.secrets_provider("eu-central-1") == "awskms://alias/smallcase-state?region=eu-central-1"
    [reference] = environment("green").mocks.of("pulumi:pulumi:StackReference")
    assert reference.inputs["name"] == "organization/smallcase/platform"


def test_rights_on_names_are_given_where_there_is_a_domain_only() -> None:
    for rights in (deploy_rights("1", "r", "c", "platform", None), preview_rights("1", "r", "c", None)):
        assert not [action for action in actions(json.dumps(iam.document(*rights))) if action.startswith("route53")]
    assert "route53:ChangeResourceRecordSets" not in actions(
        json.dumps(iam.document(*preview_rights("1", "r", "c", ZONE)))
    )
