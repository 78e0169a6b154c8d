"""What IAM answers: a request against the statements of identity policies, conditions included.

As https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html has it, for the operators
that this program uses; another one is an error, and never a yes.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, cast

from tests.policies import Statement, many

Context = Mapping[str, str | Sequence[str]]

ACCOUNT: Final = "123456789012"


def permits(granted: Sequence[Statement], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether statements allow an action on a resource.

    Parameters:
        context: what the request says besides, by condition key. Unless said otherwise, the resource is the account's.
    """
    asked = {"aws:ResourceAccount": ACCOUNT, **(context or {})}
    effects = {statement["Effect"] for statement in granted if _applies(statement, action, resource, asked)}
    return effects == {"Allow"}


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    assert statement.keys() <= {"Effect", "Action", "Resource", "Condition", "Sid"}, statement
    conditions = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition") or {})
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in many(statement["Action"]))
        and any(_like(pattern, resource) for pattern in many(statement["Resource"]))
        and all(
            _holds(operator, many(allowed), context.get(key))
            for operator, keys in conditions.items()
            for key, allowed in keys.items()
        )
    )


def _holds(operator: str, allowed: Sequence[str], value: str | Sequence[str] | None) -> bool:
    values = [] if value is None else many(value)
    match operator:
        case "Null":
            return (not values) == (allowed == ["true"])
        case "StringEquals":
            return len(values) == 1 and values[0] in allowed
        case "StringNotEquals":
            return not set(values) & set(allowed)
        case "ForAllValues:StringEquals":
            return all(one in allowed for one in values)
        case "ForAnyValue:StringEquals":
            return any(one in allowed for one in values)
        case _:
            raise NotImplementedError(operator)


def _like(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """`*` is any text, slashes included, and `?` any character; nothing else means more than itself."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)
