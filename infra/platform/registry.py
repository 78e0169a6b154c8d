"""The ECR repositories that the environments push to and pull from, one for each trust domain that builds.

ECR has no condition on tags, and the same commit gives the same digest: in one repository, whoever may push for one
environment could put an image in the place of another's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam, tenants
from infra.branches import DEPLOY, OPEN
from infra.tenants import Tenant

KEPT: Final = {OPEN: 30, DEPLOY: 20}
"""How many images of an environment are kept, newest first. ECR cannot know which one is deployed."""

PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
FINDINGS: Final = "ecr:DescribeImageScanFindings"
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html"""
PUSH: Final = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"""


@final
@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """Repositories for one platform."""

    name: str
    account_id: str
    tenants: Sequence[Tenant]
    """The environments whose images they hold."""


@final
class Registry(pulumi.ComponentResource):
    """A repository of the one application for each trust domain; what has a tag keeps it."""

    repository_urls: Mapping[str, pulumi.Output[str]]
    """By trust domain."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Registry", name, {}, opts)
        self._account_id = args.account_id
        resources = {domain: self._repository(domain, args) for domain in KEPT}
        self._arns = {domain: resource.arn for domain, resource in resources.items()}
        self.repository_urls = {domain: resource.repository_url for domain, resource in resources.items()}
        self.register_outputs({"repository_urls": self.repository_urls})

    def _repository(self, domain: str, args: RegistryArgs) -> aws.ecr.Repository:
        # The reviewed domain's is the first that there was, and images cannot be moved.
        prefix, suffix = ("", "") if domain == DEPLOY else (f"{domain}-", f"-{domain}")
        resource = aws.ecr.Repository(
            f"{prefix}repository",
            name=f"{args.name}{suffix}",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            force_delete=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        aws.ecr.LifecyclePolicy(
            f"{prefix}lifecycle",
            repository=resource.name,
            policy=json.dumps(
                lifecycle_policy([tenant.stack for tenant in tenants.of(args.tenants, domain)], KEPT[domain])
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return resource

    def grant_pull(self, name: str, role: aws.iam.Role) -> None:
        """Let a role look at and pull the images of every trust domain."""
        self._grant(f"{name}-pull", role, PULL, self._arns)

    def grant_push(self, name: str, role: aws.iam.Role, domains: Iterable[str]) -> None:
        """Let a role pull and push images of trust domains, and read what scans found in them; it can delete none."""
        self._grant(f"{name}-push", role, (*PULL, *PUSH, FINDINGS), domains)

    def _grant(self, name: str, role: aws.iam.Role, actions: tuple[str, ...], domains: Iterable[str]) -> None:
        domains = tuple(domains)
        repositories = [self._arns[domain] for domain in domains]
        # Of an enhanced scan they are Inspector's, which has no rights on a repository alone: for reviewed code.
        inspected = [iam.allow("inspector2:ListFindings", on="*")] if FINDINGS in actions and DEPLOY in domains else []
        aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=iam.rendered(
                *iam.within(self._account_id, iam.allow(*actions, on=repositories)),
                # A password is for the whole registry: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
                iam.allow("ecr:GetAuthorizationToken", on="*"),
                *inspected,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def lifecycle_policy(environments: Sequence[str], kept: int) -> dict[str, object]:
    """Which images expire. https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html"""

    def tagged(prefix: str, **count: object) -> dict[str, object]:
        return {"tagStatus": "tagged", "tagPrefixList": [prefix], **count}

    week = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}
    day = {**week, "countNumber": 1}
    selections: list[tuple[str, dict[str, object]]] = [
        *(
            (f"keep {kept} images {stack}-*", tagged(f"{stack}-", countType="imageCountMoreThan", countNumber=kept))
            for stack in environments
        ),
        ("pull requests go after a week", tagged("pr-", **week)),
        ("what lost its tag goes after a day", {"tagStatus": "untagged", **day}),
    ]
    return {
        "rules": [
            {"rulePriority": priority, "description": text, "selection": selection, "action": {"type": "expire"}}
            for priority, (text, selection) in enumerate(selections, start=1)
        ]
    }
