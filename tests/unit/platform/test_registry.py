"""The image registry."""

import json
from typing import cast

import pytest

from rehearsal.cloud.properties import Properties
from tests.graph import platform
from tests.policies import actions

REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORIES = ("repository", "open-repository")


@pytest.mark.trap("T41")
@pytest.mark.parametrize("name", REPOSITORIES)
def test_no_tag_ever_moves_a_cache_that_others_build_from_least_of_all(name: str) -> None:
    repository = platform().one(REPOSITORY, name)
    assert repository.at("imageTagMutability") == "IMMUTABLE"
    assert repository.at("imageTagMutabilityExclusionFilters") is None


def test_each_trust_domain_that_builds_has_a_repository_of_its_own() -> None:
    graph = platform()
    assert {name: graph.one(REPOSITORY, name).at("name") for name in REPOSITORIES} == {
        "repository": "smallcase-platform",
        "open-repository": "smallcase-platform-open",
    }
    assert all(node.protect for node in graph.of(REPOSITORY))
    offered = cast("Properties", graph.outputs["platform"])["repositories"]
    assert offered == {
        "open": "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform-open",
        "deploy": "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform",
    }


@pytest.mark.trap("T43")
@pytest.mark.parametrize(
    ("name", "environments"),
    [("lifecycle", {"blue-": 20, "green-": 20}), ("open-lifecycle", {"develop-": 30})],
)
def test_images_expire_by_environment_so_that_many_builds_of_one_never_expire_another(
    name: str, environments: dict[str, int]
) -> None:
    policy = json.loads(platform().one("aws:ecr/lifecyclePolicy:LifecyclePolicy", name).text("policy"))
    kept = {
        tuple(rule["selection"].get("tagPrefixList", ["untagged"])): (
            rule["selection"]["countType"],
            rule["selection"]["countNumber"],
        )
        for rule in policy["rules"]
    }
    assert kept == {
        **{(prefix,): ("imageCountMoreThan", number) for prefix, number in environments.items()},
        ("pr-",): ("sinceImagePushed", 7),
        ("untagged",): ("sinceImagePushed", 1),
    }
    assert [rule["rulePriority"] for rule in policy["rules"]] == list(range(1, len(environments) + 3))


@pytest.mark.trap("T43")
@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_repository_with_images_is_not_deleted_and_pushes_are_scanned_and_encrypted(name: str) -> None:
    repository = platform().one(REPOSITORY, name)
    assert repository.at("forceDelete") is False
    assert repository.at("imageScanningConfiguration", "scanOnPush") is True
    assert repository.at("encryptionConfigurations", 0, "encryptionType") == "AES256"


@pytest.mark.parametrize("role", ["open", "deploy"])
def test_a_role_that_deploys_pushes_the_preview_role_pulls_and_nobody_deletes(role: str) -> None:
    graph = platform()
    push = actions(graph.one("aws:iam/rolePolicy:RolePolicy", f"{role}-push").text("policy"))
    pull = actions(graph.one("aws:iam/rolePolicy:RolePolicy", "preview-pull").text("policy"))
    assert "ecr:PutImage" in push
    assert pull < push
    assert not {action for action in push if "Put" in action or "Upload" in action} & pull
    assert not any(
        "Delete" in text for node, text in graph.strings() if "ecr:" in text and "policy" in node.type.lower()
    )
