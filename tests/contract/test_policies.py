"""Every IAM document, read by a linter that knows AWS's own list of actions, resources and conditions."""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

import pytest

from infra import iam
from infra.platform.host import SESSION
from infra.platform.ingress_controller import SERVICES, policy_document
from tests.graph import WITH_DOMAIN, platform, whole
from tests.iam import ACCOUNT
from tests.policies import documents, many, statements


class Finding(Protocol):
    issue: str
    detail: object


EXPLAINED = {
    "Unknown condition kms:ResourceAliases": "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html",
    "Unknown condition elasticloadbalancing:CreateAction": "in the controller's own document",
    "Unknown action elasticloadbalancing:ModifyIpPools": "newer than the linter's list",
}
"""What the linter does not know, and where it is said."""


def findings(document: str) -> list[tuple[str, str]]:
    """What the linter says that is not explained above."""
    # It brings no types, and warns of what it imports.
    from parliament import analyze_policy_string  # pyright: ignore  # noqa: PGH003

    found = cast("Iterable[Finding]", analyze_policy_string(document).findings)
    return [
        (finding.issue, str(finding.detail))
        for finding in found
        if not any(str(finding.detail).startswith(known) for known in EXPLAINED)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.trap("T49")
@pytest.mark.parametrize("stack", ["platform", "green"])
def test_our_own_policies_are_beyond_the_linters_reproach(stack: str) -> None:
    graph = platform(**WITH_DOMAIN, registryEndpoints=True) if stack == "platform" else whole(stack)
    ours = [(node, text) for node, text in documents(graph) if node.type == "aws:iam/rolePolicy:RolePolicy"]
    assert len(ours) > 10
    assert {str(node): found for node, text in ours if (found := findings(text))} == {}


@pytest.mark.filterwarnings("ignore")
def test_the_controllers_policy_is_at_fault_only_where_its_authors_left_resources_open() -> None:
    assert {issue for issue, _ in findings(policy_document(ACCOUNT))} == {"RESOURCE_STAR"}


NOBODYS = {
    "ecr:GetAuthorizationToken": "a password for the registry of whoever asks",
    "inspector2:ListFindings": "the findings of whoever asks",
    "logs:DescribeLogGroups": "the groups of whoever asks",
    "route53:GetChange": "a change is known by a number, and says whether it is done",
    "secretsmanager:ListSecrets": "the names of whoever asks",
    **dict.fromkeys(SESSION, "what a host says of itself, and its own sessions"),
}
"""Actions that are about no resource, and what they are about."""


@pytest.mark.parametrize("stack", ["platform", "green"])
def test_every_right_is_on_resources_of_this_account_alone(stack: str) -> None:
    """By the ARN, or where that names no account or any, by the condition."""
    graph = platform(**WITH_DOMAIN, registryEndpoints=True) if stack == "platform" else whole(stack)
    for node, text in documents(graph):
        held = statements(text)
        if node.type == "aws:iam/role:Role":
            continue
        if node.type == "aws:iam/policy:Policy":
            assert held[-1] == iam.not_beyond(ACCOUNT, *SERVICES)
            continue
        for statement in held:
            condition = cast("Mapping[str, Mapping[str, str]]", statement.get("Condition") or {})
            limited = condition.get("StringEquals", {}).get("aws:ResourceAccount") == ACCOUNT
            named = all(f":{ACCOUNT}:" in resource for resource in many(statement["Resource"]))
            assert limited or named or set(many(statement["Action"])) <= NOBODYS.keys(), (str(node), statement)


@pytest.mark.filterwarnings("ignore")
def test_the_linter_bites() -> None:
    bad = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObjekt", "Resource": "*"}]}'
    assert re.search("UNKNOWN_ACTION", str(findings(bad)))
