"""What the pipeline may do in AWS: each request is put to the policies of the role that would make it."""

from collections.abc import Mapping
from functools import cache

import pytest

from infra import state
from infra.settings import SettingsError
from tests.graph import WITH_DOMAIN, ZONE, Graph, environment, platform, program, whole
from tests.iam import ACCOUNT, permits
from tests.policies import documents, many, of_role, statements
from tests.stack_files import own_values

BUCKET = "arn:aws:s3:::smallcase-state-123456789012-us-east-1"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0"
STATE_KEY = {"kms:ResourceAliases": ["alias/smallcase-state"]}
ECR = "arn:aws:ecr:us-east-1:123456789012:repository"
HOSTED_ZONE = f"arn:aws:route53:::hostedzone/{ZONE}"
CHANGING = ("Put", "Create", "Delete", "Update", "Modify", "Attach", "Pass", "Run", "Terminate", "Change", "Initiate")
AGENTS = ("preview", "open", "deploy")
DEPLOYS = {"develop": "open", "green": "deploy", "blue": "deploy"}
"""By stack, the role that deploys it."""

CHECKPOINT = tuple(
    f"stacks/smallcase/{{}}.{ending}"
    for ending in ("json", "json.gz", "json.zst", "json.bak", "json.gz.bak", "pulumi-tags")
)
BESIDE = (
    "history/smallcase/{0}/{0}-1.history.json",
    "history/smallcase/{0}/{0}-1.checkpoint.json",
    "backups/smallcase/{0}/{0}.1.json",
)
LOCK = "locks/organization/smallcase/{0}/1.json"
WRITTEN = (*CHECKPOINT[:-1], *BESIDE, LOCK)


def keys(stack: str, *patterns: str) -> list[str]:
    """Objects of the state bucket that belong to a stack."""
    return [f"{BUCKET}/.pulumi/{pattern.format(stack)}" for pattern in patterns]


def naming(*names: str, type: str = "A") -> Mapping[str, list[str]]:
    """What a request to change records says."""
    change = "route53:ChangeResourceRecordSets"
    return {f"{change}NormalizedRecordNames": list(names), f"{change}RecordTypes": [type]}


def may_name(graph: Graph, role: str, *names: str, type: str = "A") -> bool:
    asked = naming(*names, type=type)
    return permits(of_role(graph, role), "route53:ChangeResourceRecordSets", HOSTED_ZONE, asked)


@cache
def two_platforms(stack: str) -> Graph:
    """One of two platforms in one account: `platform` with what is committed, `second` with `qa` and `trial`."""
    later = {
        "second": own_values("platform"),
        "qa": {"smallcase:platform": "second", "smallcase:branch": "staging"},
        "trial": {"smallcase:platform": "second", "smallcase:branch": "develop"},
    }
    return program("platform", changes=WITH_DOMAIN, named=stack, beside={**later, "platform": own_values("platform")})


@pytest.mark.trap("T44")
def test_each_agent_has_a_role_of_its_own_and_nobody_can_take_anothers() -> None:
    graph = platform()
    hosts = ("controller", *AGENTS)
    roles = {host: graph.one("aws:iam/instanceProfile:InstanceProfile", host).at("role") for host in hosts}
    assert roles == {host: graph.one("aws:iam/role:Role", host).at("name") for host in roles}
    assert len(set(roles.values())) == 4
    for host in roles:
        trust = graph.one("aws:iam/role:Role", host).text("assumeRolePolicy")
        assert [statement["Principal"] for statement in statements(trust)] == [{"Service": "ec2.amazonaws.com"}]
        assert not [text for statement in of_role(graph, host) for text in many(statement["Action"]) if "sts:" in text]


@pytest.mark.trap("T44")
def test_administrators_and_operators_take_the_role_that_deploys_an_environment_and_no_other() -> None:
    people = [f"arn:aws:iam::{ACCOUNT}:{who}" for who in ("role/administrators", "user/operator")]
    graph = program("platform", changes={"administrators": people[:1], "operators": people[1:]})
    for host in ("controller", *AGENTS):
        trust = statements(graph.one("aws:iam/role:Role", host).text("assumeRolePolicy"))
        taken = [statement["Principal"] for statement in trust]
        expected = [{"AWS": people}] if host in DEPLOYS.values() else []
        assert taken == [{"Service": "ec2.amazonaws.com"}, *expected]
        assert all(statement["Action"] == "sts:AssumeRole" for statement in trust)
    # Who operates is no administrator of the cluster.
    entries = [node.at("principalArn") for node in graph.of("aws:eks/accessEntry:AccessEntry")]
    assert people[0] in entries
    assert people[1] not in entries


@pytest.mark.trap("T44")
def test_no_role_may_hand_a_role_to_a_machine() -> None:
    assert not [str(node) for node, document in documents(platform()) if "iam:PassRole" in document]


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", ["open", "deploy"])
def test_a_role_that_deploys_changes_its_images_its_stacks_state_and_its_names_and_nothing_else(role: str) -> None:
    granted = of_role(platform(**WITH_DOMAIN), role)
    changes = {
        (action, resource)
        for statement in granted
        if statement["Effect"] == "Allow"
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
        if any(word in action for word in CHANGING) and ":Get" not in action
    }
    repository = f"{ECR}/smallcase-platform" + ("-open" if role == "open" else "")
    own = f"arn:aws:ssm:us-east-1:123456789012:parameter/smallcase-platform/jenkins/{role}/host-key"
    locks = "locks/organization/smallcase/{}/*"
    folders = ("stacks/smallcase/{}.json*", "backups/smallcase/{}/*", "history/smallcase/{}/*", locks)
    assert changes == {
        ("ecr:InitiateLayerUpload", repository),
        ("ecr:PutImage", repository),
        ("route53:ChangeResourceRecordSets", HOSTED_ZONE),
        ("ssm:PutParameter", own),
        ("ssm:UpdateInstanceInformation", "*"),
        ("ssmmessages:CreateControlChannel", "*"),
        ("ssmmessages:CreateDataChannel", "*"),
        *(
            (action, key)
            for stack, deploys in DEPLOYS.items()
            if deploys == role
            for action, changed in (("s3:PutObject", folders), ("s3:DeleteObject", (locks,)))
            for key in keys(stack, *changed)
        ),
    }
    assert permits(granted, "kms:GenerateDataKey", KEY, STATE_KEY)
    assert not permits(granted, "kms:GenerateDataKey", KEY, {"kms:ResourceAliases": ["alias/another"]})


@pytest.mark.trap("T45")
@pytest.mark.parametrize("stack", DEPLOYS)
@pytest.mark.parametrize("role", AGENTS)
def test_the_state_of_an_environment_is_written_by_its_own_domain_and_read_by_that_and_by_previews(
    role: str, stack: str
) -> None:
    granted = of_role(platform(), role)
    writes, reads = DEPLOYS[stack] == role, role in (DEPLOYS[stack], "preview")
    [lock] = keys(stack, LOCK)
    for key in keys(stack, *CHECKPOINT, *BESIDE, LOCK):
        assert permits(granted, "s3:PutObject", key) is (writes and key in keys(stack, *WRITTEN)), key
        assert permits(granted, "s3:DeleteObject", key) is (writes and key == lock), key
    for key in keys(stack, *CHECKPOINT):
        assert permits(granted, "s3:GetObject", key) is reads, key
    for key in keys(stack, *BESIDE, LOCK):
        assert permits(granted, "s3:GetObject", key) is (writes and key == lock), key


@pytest.mark.trap("T45")
@pytest.mark.parametrize("role", AGENTS)
@pytest.mark.parametrize("stack", ["platform", "green"])
def test_nobody_in_the_pipeline_writes_the_state_of_the_stack_that_jenkins_runs_on(stack: str, role: str) -> None:
    granted = of_role(platform() if stack == "platform" else whole(stack), role)
    for key in (*keys(stack, *CHECKPOINT, *BESIDE, LOCK), f"{BUCKET}/.pulumi/meta.yaml"):
        assert not permits(granted, "s3:PutObject", key)
        assert not permits(granted, "s3:DeleteObject", key)
    for key in (*keys(stack, *CHECKPOINT), f"{BUCKET}/.pulumi/meta.yaml"):
        assert permits(granted, "s3:GetObject", key)


@pytest.mark.trap("T45")
def test_a_platform_reaches_nothing_of_another_in_the_same_account() -> None:
    own = {"platform": ("develop", "green", "blue"), "second": ("qa", "trial")}
    for name, other in (("platform", "second"), ("second", "platform")):
        graph = two_platforms(name)
        everybodys = [key for stack in (other, *own[other]) for key in keys(stack, *CHECKPOINT, *BESIDE, LOCK)]
        for role in AGENTS:
            granted = of_role(graph, role)
            for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
                assert [key for key in everybodys if permits(granted, action, key)] == []
            for action in ("ecr:PutImage", "ecr:BatchGetImage"):
                assert not permits(granted, action, f"{ECR}/smallcase-{other}")
                assert not permits(granted, action, f"{ECR}/smallcase-{other}-open")
            assert not permits(
                granted, "eks:DescribeCluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/smallcase-{other}"
            )
            assert not any(may_name(graph, role, f"{stack}.example.org") for stack in own[other])
        assert permits(
            of_role(graph, "deploy"), "s3:PutObject", keys(own[name][-2 if name == "second" else -1], *BESIDE)[0]
        )


@pytest.mark.trap("T45")
def test_a_new_environment_has_its_rights_once_the_platform_has_gone_up_again() -> None:
    later = {"qa": {"smallcase:branch": "staging", "smallcase:namespace": "smallcase-later"}}
    before, after = of_role(platform(), "deploy"), of_role(program("platform", beside=later), "deploy")
    for key in keys("qa", *WRITTEN):
        assert (permits(before, "s3:PutObject", key), permits(after, "s3:PutObject", key)) == (False, True)


@pytest.mark.trap("T45")
def test_a_role_has_room_for_the_names_of_a_dozen_environments() -> None:
    many_more = {f"environment-{number}": {"smallcase:branch": "staging"} for number in range(10)}
    graph = program("platform", changes=WITH_DOMAIN, beside=many_more)
    name = graph.one("aws:iam/role:Role", "deploy").text("name")
    held = [node for node in graph.of("aws:iam/rolePolicy:RolePolicy") if node.at("role") == name]
    written = sum(len("".join(node.text("policy").split())) for node in held)
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert written <= 10_240


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


@pytest.mark.trap("T47")
@pytest.mark.parametrize("role", AGENTS)
def test_a_reference_to_the_platform_can_be_read_and_decrypted(role: str) -> None:
    granted = of_role(platform(), role)
    assert permits(granted, "s3:GetObject", f"{BUCKET}/.pulumi/stacks/smallcase/platform.json")
    assert permits(granted, "s3:ListBucket", BUCKET)
    assert permits(granted, "kms:Decrypt", KEY, STATE_KEY)
    assert not permits(granted, "kms:Decrypt", KEY)


@pytest.mark.parametrize("role", AGENTS)
def test_what_has_the_right_name_in_another_account_is_not_what_is_meant(role: str) -> None:
    """A bucket that was deleted can be somebody else's the next day."""
    granted = of_role(platform(**WITH_DOMAIN), role)
    elsewhere = {"aws:ResourceAccount": "999999999999"}
    owned = [statement for statement in granted if many(statement["Resource"]) != ["*"]]
    followed = [statement for statement in owned if many(statement["Action"]) == ["route53:GetChange"]]
    for statement in [statement for statement in owned if statement not in followed]:
        for action in many(statement["Action"]):
            for resource in many(statement["Resource"]):
                asked = {**STATE_KEY, **naming("develop.example.org" if role == "open" else "blue.example.org")}
                assert permits([statement], action, resource, asked)
                assert not permits([statement], action, resource, {**asked, **elsewhere})


@pytest.mark.parametrize("role", AGENTS)
def test_an_image_repository_is_pushed_to_by_its_own_domain_alone(role: str) -> None:
    granted = of_role(platform(), role)
    pushes = {
        name
        for name in ("smallcase-platform", "smallcase-platform-open")
        if permits(granted, "ecr:PutImage", f"{ECR}/{name}")
    }
    assert pushes == {"preview": set(), "open": {"smallcase-platform-open"}, "deploy": {"smallcase-platform"}}[role]


@pytest.mark.parametrize("role", AGENTS)
@pytest.mark.parametrize("stack", DEPLOYS)
def test_a_name_is_changed_by_the_domain_of_its_environment_alone_and_only_its_address(role: str, stack: str) -> None:
    graph = platform(**WITH_DOMAIN)
    name = f"{stack}.example.org"
    assert may_name(graph, role, name) is (DEPLOYS[stack] == role)
    for type in ("TXT", "CAA", "MX", "NS", "CNAME", "AAAA"):  # noqa: A001
        assert not may_name(graph, role, name, type=type)


@pytest.mark.parametrize("role", AGENTS)
def test_no_batch_of_changes_hides_one_that_is_not_allowed(role: str) -> None:
    graph = platform(**WITH_DOMAIN)
    own = next((f"{stack}.example.org" for stack, deploys in DEPLOYS.items() if deploys == role), "develop.example.org")
    for other in ("jenkins.example.org", "example.org", "_acme-challenge.example.org", "*.example.org"):
        assert not may_name(graph, role, other)
        assert not may_name(graph, role, own, other)
    assert not may_name(graph, role)


@pytest.mark.parametrize("host", ["example.org", "www.example.org"])
def test_an_environment_with_a_name_of_its_own_has_the_right_on_that(host: str) -> None:
    graph = program("platform", changes=WITH_DOMAIN, beside={"blue": {**own_values("blue"), "smallcase:host": host}})
    assert may_name(graph, "deploy", host)
    assert not may_name(graph, "deploy", "blue.example.org")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"smallcase:host": "blue.example.org"}, "blue and develop would share the host 'blue.example.org'"),
        ({"smallcase:host": "jenkins.example.org"}, "Jenkins and develop would share the host 'jenkins.example.org'"),
        ({"smallcase:namespace": "smallcase-blue"}, "blue and develop would share the namespace 'smallcase-blue'"),
        ({"smallcase:namespace": "smallcase-blue"}, "`pulumi config rm smallcase:namespace -s develop`"),
        ({"smallcase:host": "jenkins.example.org"}, "`pulumi config rm smallcase:host -s develop`"),
    ],
)
def test_what_is_another_environments_cannot_be_claimed_by_a_stack_file(settings: Mapping[str, str], says: str) -> None:
    claiming = {**own_values("develop"), **settings}
    with pytest.raises(SettingsError, match=says):
        program("platform", changes=WITH_DOMAIN, beside={"develop": claiming})


def test_rights_on_names_are_given_where_there_is_a_domain_only() -> None:
    for role in AGENTS:
        asked = [action for statement in of_role(platform(), role) for action in many(statement["Action"])]
        assert not [action for action in asked if action.startswith("route53")]


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


def test_what_each_role_deploys_is_an_output_that_people_and_verbs_read() -> None:
    assert platform().outputs["roles"] == {
        "open": {"arn": f"arn:aws:iam::{ACCOUNT}:role/smallcase-platform-open", "stacks": ["develop"]},
        "deploy": {"arn": f"arn:aws:iam::{ACCOUNT}:role/smallcase-platform-deploy", "stacks": ["blue", "green"]},
    }


def test_shared_agents_are_one_with_the_rights_of_both() -> None:
    graph = platform(**WITH_DOMAIN, agents="shared")
    assert not [node for node in graph.of("aws:iam/role:Role") if node.name == "open"]
    granted = of_role(graph, "deploy")
    for stack in DEPLOYS:
        assert all(permits(granted, "s3:PutObject", key) for key in keys(stack, *WRITTEN))
        assert may_name(graph, "deploy", f"{stack}.example.org")
    assert permits(granted, "ecr:PutImage", f"{ECR}/smallcase-platform")
    assert permits(granted, "ecr:PutImage", f"{ECR}/smallcase-platform-open")
