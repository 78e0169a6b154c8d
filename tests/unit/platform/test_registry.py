"""The image registry."""

import json
from typing import cast

import pytest

from tests.graph import platform
from tests.policies import actions

REPOSITORY = "aws:ecr/repository:Repository"


@pytest.mark.trap("T41")
def test_a_tag_that_says_a_commit_never_moves_and_a_name_that_is_meant_to_move_may() -> None:
    repository = platform().one(REPOSITORY)
    assert repository.at("imageTagMutability") == "IMMUTABLE_WITH_EXCLUSION"
    filters = cast("list[dict[str, str]]", repository.at("imageTagMutabilityExclusionFilters"))
    assert {entry["filter"] for entry in filters} == {"cache-*", "pr-*", "blue", "green", "develop"}
    assert {entry["filterType"] for entry in filters} == {"WILDCARD"}
    # As many as ECR takes: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
    assert len(filters) <= 5


@pytest.mark.trap("T43")
def test_images_expire_by_environment_so_that_many_builds_of_one_never_expire_another() -> None:
    policy = json.loads(platform().one("aws:ecr/lifecyclePolicy:LifecyclePolicy").text("policy"))
    kept = {
        tuple(rule["selection"].get("tagPrefixList", ["untagged"])): (
            rule["selection"]["countType"],
            rule["selection"]["countNumber"],
        )
        for rule in policy["rules"]
    }
    assert kept == {
        ("blue-",): ("imageCountMoreThan", 20),
        ("green-",): ("imageCountMoreThan", 20),
        ("develop-",): ("imageCountMoreThan", 30),
        ("pr-",): ("sinceImagePushed", 7),
        ("untagged",): ("sinceImagePushed", 1),
    }
    assert [rule["rulePriority"] for rule in policy["rules"]] == [1, 2, 3, 4, 5]


@pytest.mark.trap("T43")
def test_a_repository_with_images_is_not_deleted_and_pushes_are_scanned_and_encrypted() -> None:
    repository = platform().one(REPOSITORY)
    assert repository.at("forceDelete") is False
    assert repository.at("imageScanningConfiguration", "scanOnPush") is True
    assert repository.at("encryptionConfigurations", 0, "encryptionType") == "AES256"


def test_the_deploy_role_pushes_the_preview_role_pulls_and_nobody_deletes() -> None:
    graph = platform()
    push = actions(graph.one("aws:iam/rolePolicy:RolePolicy", "deploy-push").text("policy"))
    pull = actions(graph.one("aws:iam/rolePolicy:RolePolicy", "preview-pull").text("policy"))
    assert "ecr:PutImage" in push
    assert pull < push
    assert not {action for action in push if "Put" in action or "Upload" in action} & pull
    assert not any(
        "Delete" in text for node, text in graph.strings() if "ecr:" in text and "policy" in node.type.lower()
    )
