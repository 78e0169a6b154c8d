"""IAM documents, read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from tests.graph import Graph, Node

Statement = Mapping[str, object]

HOLDERS = {
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/policy:Policy": "policy",
    "aws:iam/role:Role": "assumeRolePolicy",
}


def documents(graph: Graph) -> Iterator[tuple[Node, str]]:
    """Every IAM document of a stack, with the resource that holds it."""
    for node in graph:
        if node.type in HOLDERS:
            yield node, node.text(HOLDERS[node.type])


def statements(document: str) -> list[Statement]:
    """Statements of a document."""
    return cast("list[Statement]", json.loads(document)["Statement"])


def many(value: object) -> list[str]:
    """One or a list, as a list."""
    return [value] if isinstance(value, str) else [str(item) for item in cast("Sequence[object]", value or [])]


def actions(document: str, effect: str = "Allow") -> set[str]:
    """Actions of all statements with an effect."""
    return {
        action
        for statement in statements(document)
        if statement["Effect"] == effect
        for action in many(statement["Action"])
    }


def of_role(graph: Graph, role: str) -> list[Statement]:
    """All statements of the policies that a role, known by its logical name, holds itself."""
    name = graph.one("aws:iam/role:Role", role).text("name")
    return [
        statement
        for node in graph.of("aws:iam/rolePolicy:RolePolicy")
        if node.at("role") == name
        for statement in statements(node.text("policy"))
    ]
