"""What ECR refuses: a repository, and what is pushed to one or promoted in it."""

# Every check is given the account, whether it looks at it or not.
# ruff: noqa: ARG001

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.cloud import images
from rehearsal.cloud.properties import Properties, text_at, texts_at
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.rules.tables import Check, DeleteCheck

if TYPE_CHECKING:
    from rehearsal.cloud.account import Cloud

_REPOSITORY: Final = "aws:ecr/repository:Repository"


def _check_repository(cloud: "Cloud", inputs: Properties) -> None:
    name = text_at(inputs, "name")
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
    pattern = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
    if not re.fullmatch(pattern, name):
        raise ApiError(
            "ECR",
            "CreateRepository",
            "InvalidParameterException",
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            f"'must satisfy regular expression '{pattern}''",
        )


def _check_repository_empty(cloud: "Cloud", repository: Resource) -> None:
    if repository.inputs.get("forceDelete"):
        return
    start = repository.text("repositoryUrl")
    if any(image.text("ref").startswith(f"{start}:") for image in _pushed(cloud)):
        # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DeleteRepository.html
        raise ApiError(
            "ECR",
            "DeleteRepository",
            "RepositoryNotEmptyException",
            f"The repository with name '{repository.id}' in registry with id '{cloud.settings.account}' "
            "cannot be deleted because it still contains images",
        )


def _pushed(cloud: "Cloud") -> list[Resource]:
    return [*cloud.of(images.IMAGE), *cloud.of(images.INDEX)]


def check_push(cloud: "Cloud", image: Properties, digest: str) -> None:
    """Raises `ApiError` for a push onto a tag that the repository keeps as it is, and for an index of an image that is
    not there."""
    repositories = {repository.text("repositoryUrl") for repository in cloud.of(_REPOSITORY)}
    for source in texts_at(image, "sources"):
        ours = source.partition("@")[0].rpartition(":")[0] in repositories
        if ours and not any(source.endswith(f"@{other.text('digest')}") for other in _pushed(cloud)):
            raise ApiError("ECR", "BatchGetImage", "ImageNotFoundException", f"{source}: not found", 404)
    for tag in images.tags(image):
        url, _, name = tag.rpartition(":")
        for repository in cloud.of(_REPOSITORY):
            free = repository.text("imageTagMutability") == "MUTABLE"
            taken = any(tag in images.tags(other.inputs) and other.text("digest") != digest for other in _pushed(cloud))
            if repository.text("repositoryUrl") == url and not free and taken:
                raise ApiError(
                    "ECR",
                    "PutImage",
                    "ImageTagAlreadyExistsException",
                    f"The image tag '{name}' already exists in the '{repository.id}' repository "
                    "and cannot be overwritten because the tag is immutable.",
                )


CHECKS: Final[Mapping[str, Check]] = {_REPOSITORY: _check_repository}

DELETE_CHECKS: Final[Mapping[str, DeleteCheck]] = {_REPOSITORY: _check_repository_empty}
