"""The provider functions that the stand-in answers (`aws.get_caller_identity` and its like)."""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001
# The protocol gives every method its request and context, the table gives every function the account.
# ruff: noqa: ARG001

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.cloud.properties import Properties, Value, objects_at, text_at, texts_at
from rehearsal.cloud.refusal import ApiError, CloudError
from rehearsal.places import ZONES

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud


def _one_or_all(values: list[str]) -> Value:
    """The provider writes a single value bare and sorts several backwards, which the real one does too."""
    return values[0] if len(values) == 1 else [*sorted(values, reverse=True)]


def _principals(entries: list[Properties]) -> Value:
    if any(text_at(entry, "type") == "*" for entry in entries):
        return "*"
    return {text_at(entry, "type"): _one_or_all(texts_at(entry, "identifiers")) for entry in entries}


def _conditions(entries: list[Properties]) -> Properties:
    conditions: dict[str, Properties] = {}
    for entry in entries:
        values = texts_at(entry, "values")
        value: Value = values[0] if len(values) == 1 else [*values]
        conditions.setdefault(text_at(entry, "test"), {})[text_at(entry, "variable")] = value
    return {**conditions}


def policy_document(arguments: Properties) -> Properties:
    """The IAM document that the statements describe, in the order in which IAM's documentation writes its keys."""
    statements: list[Value] = []
    for entry in objects_at(arguments, "statements"):
        statement: Properties = {}
        if entry.get("sid"):
            statement["Sid"] = entry["sid"]
        statement["Effect"] = entry.get("effect") or "Allow"
        for key, of in (("Action", "actions"), ("NotAction", "notActions"), ("Resource", "resources"),
                        ("NotResource", "notResources")):  # fmt: skip
            if entry.get(of):
                statement[key] = _one_or_all(texts_at(entry, of))
        for key, of in (("Principal", "principals"), ("NotPrincipal", "notPrincipals")):
            if entry.get(of):
                statement[key] = _principals(objects_at(entry, of))
        if entry.get("conditions"):
            statement["Condition"] = _conditions(objects_at(entry, "conditions"))
        statements.append(statement)
    document: Properties = {"Version": arguments.get("version") or "2012-10-17"}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    return {**document, "Statement": statements}


def _policy_document(cloud: "Cloud", arguments: Properties) -> Properties:
    document = policy_document(arguments)
    for key in ("sourcePolicyDocuments", "overridePolicyDocuments"):
        for source in texts_at(arguments, key):
            merged = json.loads(source).get("Statement", [])
            document["Statement"] = [*merged, *objects_at(document, "Statement")]
    text = json.dumps(document, indent=2)
    return {
        "id": str(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)),
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "version": document["Version"],
    }


def _caller_identity(cloud: "Cloud", arguments: Properties) -> Properties:
    account = cloud.settings.account
    return {"id": account, "accountId": account, "arn": cloud.settings.caller_arn, "userId": "AIDAREHEARSAL"}


def _region(cloud: "Cloud", arguments: Properties) -> Properties:
    region = text_at(arguments, "region") or cloud.settings.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {"id": region, "name": region, "region": region, "description": "Rehearsal", "endpoint": endpoint}


def _partition(cloud: "Cloud", arguments: Properties) -> Properties:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _availability_zones(cloud: "Cloud", arguments: Properties) -> Properties:
    region = cloud.settings.region
    excluded = texts_at(arguments, "excludeZoneIds")
    zones = {letter: zone for letter, zone in ZONES.items() if zone not in excluded}
    return {
        "id": region,
        "region": region,
        "names": [f"{region}{letter}" for letter in zones],
        "zoneIds": list(zones.values()),
        "groupNames": [f"{region}-zg-1"],
        "state": "available",
    }


def _cluster(cloud: "Cloud", arguments: Properties) -> Properties:
    name = text_at(arguments, "name")
    found = cloud.find("aws:eks/cluster:Cluster", name)
    if found is None:
        raise ApiError(
            "EKS", "DescribeCluster", "ResourceNotFoundException", f"No cluster found for name: {name}.", 404
        )
    return {
        **found.outputs,
        "id": name,
        "certificateAuthorities": [found.outputs["certificateAuthority"]],
        "accessConfigs": [found.outputs["accessConfig"]],
        "kubernetesNetworkConfigs": [found.outputs["kubernetesNetworkConfig"]],
    }


def _repository(cloud: "Cloud", arguments: Properties) -> Properties:
    name = text_at(arguments, "name")
    found = cloud.find("aws:ecr/repository:Repository", name)
    if found is None:
        message = f"The repository with name '{name}' does not exist in the registry with id '{cloud.settings.account}'"
        raise ApiError("ECR", "DescribeRepositories", "RepositoryNotFoundException", message)
    return {**found.outputs, "id": name}


def _parameter(cloud: "Cloud", arguments: Properties) -> Properties:
    name = text_at(arguments, "name")
    found = cloud.find("aws:ssm/parameter:Parameter", name)
    if found is not None:
        return {**found.outputs, "id": name}
    # Public parameters of AWS, such as that of the newest AMI, which is all that the stand-in knows of them.
    if not name.startswith("/aws/service/"):
        raise ApiError("SSM", "GetParameter", "ParameterNotFound", "")
    value = _image_id(name)
    arn = f"arn:aws:ssm:{cloud.settings.region}::parameter{name}"
    return {
        "id": name,
        "name": name,
        "arn": arn,
        "type": "String",
        "version": 1,
        "value": value,
        "insecureValue": value,
    }


def _image_id(name: str) -> str:
    return f"ami-{hashlib.sha256(name.encode()).hexdigest()[:17]}"


def _image(cloud: "Cloud", arguments: Properties) -> Properties:
    id = _image_id(json.dumps(arguments, sort_keys=True))
    return {
        "id": id,
        "imageId": id,
        "arn": f"arn:aws:ec2:{cloud.settings.region}::image/{id}",
        "architecture": "x86_64",
    }


def _addon_version(cloud: "Cloud", arguments: Properties) -> Properties:
    kubernetes = text_at(arguments, "kubernetesVersion")
    return {**arguments, "id": arguments.get("addonName"), "version": f"v{kubernetes}.0-eksbuild.1"}


def _zone(cloud: "Cloud", arguments: Properties) -> Properties:
    """A hosted zone that the account has had since its domain was registered."""
    name = text_at(arguments, "name")
    id = f"Z{hashlib.sha256(name.encode()).hexdigest()[:20].upper()}"
    return {"id": id, "zoneId": id, "arn": f"arn:aws:route53:::hostedzone/{id}", "privateZone": False}


def _load_balancer_zone(cloud: "Cloud", arguments: Properties) -> Properties:
    # Of us-east-1: https://docs.aws.amazon.com/general/latest/gr/elb.html
    return {"id": "Z35SXDOTRQ7X7K"}


FUNCTIONS: Final[Mapping[str, Callable[["Cloud", Properties], Properties]]] = {
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ecr/getRepository:getRepository": _repository,
    "aws:eks/getAddonVersion:getAddonVersion": _addon_version,
    "aws:eks/getCluster:getCluster": _cluster,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:lb/getHostedZoneId:getHostedZoneId": _load_balancer_zone,
    "aws:route53/getZone:getZone": _zone,
    "aws:ssm/getParameter:getParameter": _parameter,
}


def invoke(cloud: "Cloud", token: str, arguments: Properties) -> Properties:
    """The function's result, its arguments echoed. Raises `CloudError` for a function that is not in the table."""
    function = FUNCTIONS.get(token)
    if function is None:
        raise CloudError(
            f"the stand-in cloud does not answer {token}: write it into rehearsal/cloud/functions.py, which has "
            + ", ".join(known.rpartition(":")[2] for known in sorted(FUNCTIONS))
        )
    return {**arguments, **function(cloud, arguments)}
