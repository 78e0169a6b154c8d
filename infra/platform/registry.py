"""The ECR repository that the environments push to and pull from."""

import json
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam

MOVING_TAGS: Final = ("cache-*", "pr-*", "blue", "green", "develop")
"""Tags that may be pushed again; every other tag stays what it is."""

KEPT: Final = {"blue-": 20, "green-": 20, "develop-": 30}
"""How many images of each environment are kept, newest first. ECR cannot know which one is deployed."""

PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
PUSH: Final = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"""


@final
class Registry(pulumi.ComponentResource):
    """One repository for the one application; what has a tag keeps it."""

    repository_url: pulumi.Output[str]
    registry_id: pulumi.Output[str]

    def __init__(self, name: str, repository: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Registry", name, {}, opts)
        resource = aws.ecr.Repository(
            "repository",
            name=repository,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                {"filter": pattern, "filter_type": "WILDCARD"} for pattern in MOVING_TAGS
            ],
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            force_delete=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        aws.ecr.LifecyclePolicy(
            "lifecycle",
            repository=resource.name,
            policy=json.dumps(lifecycle_policy()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._arn = resource.arn
        self.repository_url = resource.repository_url
        self.registry_id = resource.registry_id
        self.register_outputs({"repository_url": self.repository_url, "registry_id": self.registry_id})

    def grant_pull(self, name: str, role: aws.iam.Role) -> None:
        """Let a role look at and pull the images."""
        self._grant(f"{name}-pull", role, PULL)

    def grant_push(self, name: str, role: aws.iam.Role) -> None:
        """Let a role pull and push images; it can delete none."""
        self._grant(f"{name}-push", role, (*PULL, *PUSH))

    def _grant(self, name: str, role: aws.iam.Role, actions: tuple[str, ...]) -> None:
        aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=iam.rendered(
                iam.allow(*actions, on=self._arn),
                # A password is for the whole registry: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
                iam.allow("ecr:GetAuthorizationToken", on="*"),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def lifecycle_policy() -> dict[str, object]:
    """Which images expire. https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html"""

    def tagged(prefix: str, **count: object) -> dict[str, object]:
        return {"tagStatus": "tagged", "tagPrefixList": [prefix], **count}

    week = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}
    day = {**week, "countNumber": 1}
    selections: list[tuple[str, dict[str, object]]] = [
        *(
            (f"keep {count} images {prefix}*", tagged(prefix, countType="imageCountMoreThan", countNumber=count))
            for prefix, count in KEPT.items()
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
