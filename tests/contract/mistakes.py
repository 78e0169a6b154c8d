"""Mistakes that people make, and which referee sees them."""

# A row of the table is read best on one line.
# ruff: noqa: E501

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast, final

from rehearsal.cloud.properties import Properties, Value
from tests.contract.aws_types import Asked

GONE: Final = "(gone)"
"""In place of a value: the input is not given."""


@final
@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong value.

    Parameters:
        what: what is wrong, in words.
        type: Pulumi's type.
        path: the input.
        value: what it says, or what it says in place of `replaced`.
        linter: the rule of cfn-lint that sees it, empty for none.
        model: what is said of it where it is held against botocore's model, empty for nothing.
    """

    what: str
    type: str
    path: Sequence[str | int]
    value: Value
    replaced: str
    linter: str
    model: str

    def made_in(self, resources: Iterable[Asked]) -> Asked:
        """The first of the resources in which it can be made, with the mistake."""
        *above, last = self.path
        for resource in (one for one in resources if one.type == self.type):
            inputs: Properties = copy.deepcopy(resource.inputs)
            place = _at(inputs, above)
            before = place.get(last) if isinstance(place, dict) and isinstance(last, str) else _at(inputs, self.path)
            if place is None or (self.replaced and self.replaced not in str(before)):
                continue
            value = str(before).replace(self.replaced, str(self.value)) if self.replaced else self.value
            if isinstance(place, list):
                place[cast("int", last)] = value
            elif self.value == GONE:
                del cast("Properties", place)[cast("str", last)]
            else:
                cast("Properties", place)[cast("str", last)] = value
            return replace(resource, inputs=inputs)
        raise AssertionError(f"{self.what}: no {self.type} has {self.path}")


def _at(value: Value, path: Iterable[str | int]) -> Value:
    for key in path:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
CERTIFICATE: Final = "aws:acm/certificate:Certificate"
CLUSTER: Final = "aws:eks/cluster:Cluster"
GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
INSTANCE: Final = "aws:ec2/instance:Instance"
LISTENER: Final = "aws:lb/listener:Listener"
LOG: Final = "aws:cloudwatch/logGroup:LogGroup"
PARAMETER: Final = "aws:ssm/parameter:Parameter"
POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
RECORD: Final = "aws:route53/record:Record"
REPOSITORY: Final = "aws:ecr/repository:Repository"
ROLE: Final = "aws:iam/role:Role"
SCHEDULE: Final = "aws:scheduler/schedule:Schedule"
SNAPSHOTS: Final = "aws:dlm/lifecyclePolicy:LifecyclePolicy"
SUBNET: Final = "aws:ec2/subnet:Subnet"
TARGETS: Final = "aws:lb/targetGroup:TargetGroup"
BALANCER: Final = "aws:lb/loadBalancer:LoadBalancer"

# fmt: off
_ROWS: Final[list[tuple[str, str, str, Value, str, str, str]]] = [
    # What is wrong; where; the value; the linter's rule; the model's words; what of a text is replaced.
    ("unknown IAM action", POLICY, "policy", "s3:GetObjekt", "W3037", "", "s3:GetObject"),
    ("unknown IAM service", POLICY, "policy", "ssmm:Update", "W3037", "", "ssm:Update"),
    ("unknown action in a trust policy", ROLE, "assumeRolePolicy", "sts:AssumeRol", "W3037", "", "sts:AssumeRole"),
    ("unknown effect", POLICY, "policy", "Permit", "E3510", "", "Allow"),
    ("unknown version of the language", POLICY, "policy", "2012-10-18", "E3510", "", "2012-10-17"),
    ("statement without resources", POLICY, "policy", "Resources", "E3510", "", "Resource"),
    ("unknown condition operator", POLICY, "policy", "StringEqual", "E3510", "", "StringEquals"),
    ("not an ARN", POLICY, "policy", "arm:aws:s3", "E3510", "", "arn:aws:s3"),
    ("principal in a policy of a role", POLICY, "policy", '"Principal": "*", "Effect"', "E3510", "", '"Effect"'),
    ("name too long", ROLE, "name", "x" * 65, "E3033", "is too long", ""),
    ("characters that IAM refuses", ROLE, "description", "an arrow →", "E3031", "is not [", ""),
    ("tag's characters", ROLE, "tags", {"Purpose": "this; that"}, "E3031", "is not [", ""),
    ("tag's reserved prefix", SUBNET, "tags", {"aws:purpose": "this"}, "E3024", "", ""),
    ("unknown instance type", INSTANCE, "instanceType", "t3.mediun", "E3628", "is not one of", ""),
    ("one of two words", INSTANCE, "metadataOptions.httpTokens", "require", "E3030", "is not one of", ""),
    ("number out of range", INSTANCE, "metadataOptions.httpPutResponseHopLimit", 65.0, "E3034", "", ""),
    ("name in place of an AMI's id", INSTANCE, "ami", "al2023", "E1152", "", ""),
    ("id of another kind", SUBNET, "vpcId", "subnet-fa13ab0781ab7f2b2", "E1151", "", ""),
    ("not a network", INGRESS, "cidrIpv4", "10.0.0.0/33", "E3002", "", ""),
    ("protocol that has no ports", INGRESS, "ipProtocol", "https", "W3687", "", ""),
    ("apostrophe in a description", GROUP, "description", "Jenkins' own", "E3031", "", ""),
    ("required argument", GROUP, "description", GONE, "E3003", "is a required property", ""),
    ("required argument of an attachment", "aws:ec2/volumeAttachment:VolumeAttachment", "deviceName", GONE, "", "is a required property", ""),
    ("unknown kind of volume", "aws:ebs/volume:Volume", "type", "gp4", "E3030", "is not one of", ""),
    ("unknown kind of endpoint", "aws:ec2/vpcEndpoint:VpcEndpoint", "vpcEndpointType", "Gatway", "E3030", "is not one of", ""),
    ("days that CloudWatch does not keep", LOG, "retentionInDays", 13.0, "E3030", "", ""),
    ("characters of a log group", LOG, "name", "/a b", "E3031", "is not [", ""),
    ("unknown comparison", ALARM, "comparisonOperator", "GreaterThan", "E3030", "is not one of", ""),
    ("unknown treatment", ALARM, "treatMissingData", "bad", "E3030", "", ""),
    ("unknown log type", CLUSTER, "enabledClusterLogTypes", ["apis"], "E3030", "is not one of", ""),
    ("name of a cluster", CLUSTER, "name", "-platform", "E3031", "is not ^[", ""),
    ("scope of an access policy", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "accessScope.type", "all", "", "is not one of", ""),
    ("mutability", REPOSITORY, "imageTagMutability", "IMMUTABLE_WITH_EXCEPTIONS", "E3030", "is not one of", ""),
    ("more than five filters", REPOSITORY, "imageTagMutabilityExclusionFilters", [{"filter": f"{one}*", "filterType": "WILDCARD"} for one in "abcdef"], "E3032", "is too long", ""),
    ("capital in a repository's name", REPOSITORY, "name", "SmallCase", "E3031", "is not [", ""),
    ("empty lifecycle policy", "aws:ecr/lifecyclePolicy:LifecyclePolicy", "policy", "{}", "", "is too short", ""),
    ("time of day", SNAPSHOTS, "policyDetails.schedules.0.createRule.times", "3:30", "E3031", "is not ^(", ""),
    ("name in place of a role's ARN", SNAPSHOTS, "executionRoleArn", "snapshots", "E3031", "is not arn:", ""),
    ("protocol of a listener", LISTENER, "protocol", "HTTPX", "E3030", "is not one of", ""),
    ("HTTPS without a certificate", LISTENER, "protocol", "HTTPS", "E3676", "", ""),
    ("port of a listener", LISTENER, "port", 0.0, "E3034", "is less than", ""),
    ("one subnet for a load balancer", BALANCER, "subnets", ["subnet-fa13ab0781ab7f2b2"], "E3680", "", ""),
    ("kind of target", TARGETS, "targetType", "pod", "E3030", "is not one of", ""),
    ("targets without a network", TARGETS, "vpcId", GONE, "E3681", "", ""),
    ("type of a record", RECORD, "type", "ALIAS", "", "is not one of", ""),
    ("characters of a record", RECORD, "records", ["two words"], "E3023", "", ""),
    ("validation of a certificate", CERTIFICATE, "validationMethod", "TXT", "", "is not one of", ""),
    ("domain without a dot", CERTIFICATE, "domainName", "example", "", "is not (", ""),
    ("seconds of a retry", SCHEDULE, "target.retryPolicy.maximumEventAgeInSeconds", 30.0, "E3034", "is less than", ""),
    ("type of a parameter", PARAMETER, "type", "Text", "E3030", "is not one of", ""),
    ("capital in a bucket's name", "aws:s3/bucket:Bucket", "bucket", "Smallcase", "E3031", "", ""),
    ("unknown action in a bucket's policy", "aws:s3/bucketPolicy:BucketPolicy", "policy", "s3:PutObjekt", "W3037", "", "s3:PutObject"),
    ("word of a lifecycle rule", "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "rules.0.status", "On", "", "is not one of", ""),
    # Seen by neither. Some are the business of other tests, the settings or the stand-in cloud; AWS says the others.
    ("resource of another service", POLICY, "policy", "arn:aws:sqs", "", "", "arn:aws:s3"),
    ("service that does not exist", ROLE, "assumeRolePolicy", "amazonaws.con", "", "", "amazonaws.com"),
    ("version of Kubernetes that EKS does not have", CLUSTER, "version", "1.19", "", "", ""),
    ("allow-list that is no network", CLUSTER, "vpcConfig.publicAccessCidrs", ["203.0.113.7/33"], "", "", ""),
    ("settings of an add-on", "aws:eks/addon:Addon", "configurationValues", {"computeTyp": "Fargate"}, "", "", ""),
    ("port above 65535", INGRESS, "toPort", 70000.0, "", "", ""),
    ("subnet too small for its network", SUBNET, "cidrBlock", "10.42.192.0/29", "", "", ""),
    ("name of a load balancer too long", BALANCER, "name", "x" * 33, "", "", ""),
    ("TLS policy that does not exist", LISTENER, "sslPolicy", "ELBSecurityPolicy-TLS14", "", "", ""),
    ("topic of an alarm by name", ALARM, "alarmActions", ["smallcase-alarms"], "", "", ""),
    ("protocol of a subscription", "aws:sns/topicSubscription:TopicSubscription", "protocol", "mail", "", "", ""),
    ("cron of five fields", SCHEDULE, "scheduleExpression", "cron(15 2 * * *)", "", "", ""),
    ("words in a lifecycle policy's text", "aws:ecr/lifecyclePolicy:LifecyclePolicy", "policy", "imageCountMore", "", "", "imageCountMoreThan"),
]
# fmt: on

MISTAKES: Final = [
    Mistake(
        what=what,
        type=type_,
        path=[int(key) if key.isdigit() else key for key in path.split(".")],
        value=value,
        linter=linter,
        model=model,
        replaced=replaced,
    )
    for what, type_, path, value, linter, model, replaced in _ROWS
]
