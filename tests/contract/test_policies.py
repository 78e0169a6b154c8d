"""Every IAM document, read by a linter that knows AWS's own list of actions, resources and conditions."""

import re
from collections.abc import Iterable
from typing import Protocol, cast

import pytest

from infra.platform.ingress_controller import policy_document
from tests.graph import WITH_DOMAIN, platform, whole
from tests.policies import documents


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
    assert {issue for issue, _ in findings(policy_document())} == {"RESOURCE_STAR"}


@pytest.mark.filterwarnings("ignore")
def test_the_linter_bites() -> None:
    bad = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObjekt", "Resource": "*"}]}'
    assert re.search("UNKNOWN_ACTION", str(findings(bad)))
