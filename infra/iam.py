"""IAM documents as pure functions: what is allowed to whom, on what, and when."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

import pulumi

Statement: TypeAlias = Mapping[str, object]
Conditions: TypeAlias = Mapping[str, Mapping[str, object]]

PARTITION: Final = "aws"
"""Other partitions (China, GovCloud) name their endpoints differently; settings refuse their regions."""

OWNER: Final = "aws:ResourceAccount"
"""Whose resource a request is about. Most actions know it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourceaccount"""


def allow(*actions: str, on: object, when: Conditions | None = None) -> Statement:
    """A statement that allows actions on one ARN or a list of them; an ARN may be an Output, see `rendered`."""
    return _statement("Allow", actions, on, when)


def deny(*actions: str, on: object, when: Conditions | None = None) -> Statement:
    """A statement that forbids, whatever other statements allow."""
    return _statement("Deny", actions, on, when)


def document(*statements: Statement) -> dict[str, object]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def within(account: str, *statements: Statement) -> list[Statement]:
    """The same on resources of one account alone: the name of a bucket, say, may become another account's."""
    return [_within(account, statement) for statement in statements]


def not_beyond(account: str, *services: str) -> Statement:
    """A statement that forbids services' actions on resources of other accounts, and says nothing where a request does
    not tell whose the resource is."""
    return deny(
        *(f"{service}:*" for service in services),
        on="*",
        when={"StringNotEquals": {OWNER: account}, "Null": {OWNER: "false"}},
    )


def trust(service: str, when: Conditions | None = None, people: Sequence[str] = ()) -> str:
    """JSON of who may take a role: a service of AWS, and these roles and users, by ARN."""
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    conditional = {**statement, "Condition": when} if when else statement
    by_people = {**statement, "Principal": {"AWS": sorted(people)}}
    return json.dumps(document(conditional, *([by_people] if people else [])))


def rendered(*statements: Statement) -> pulumi.Output[str]:
    """JSON of a policy whose ARNs may be Outputs."""
    return pulumi.Output.json_dumps(document(*statements))


def arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN of a resource that is known by name."""
    return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"


def _within(account: str, statement: Statement) -> Statement:
    conditions = cast("Conditions", statement.get("Condition") or {})
    equal = {**conditions.get("StringEquals", {}), OWNER: account}
    return {**statement, "Condition": {**conditions, "StringEquals": equal}}


def _statement(effect: str, actions: Sequence[str], on: object, when: Conditions | None) -> Statement:
    statement: dict[str, object] = {"Effect": effect, "Action": sorted(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement
