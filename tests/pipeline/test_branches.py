from pathlib import Path

import pytest

from pipeline.branches import stack_of, stacks
from pipeline.checkout import Build, Change, Checkout, in_ci, which
from pipeline.outcomes import Refused, WrongUse
from tests.pipeline.repository import Repository, git

ROOT = Path(__file__).parent.parent.parent


def test_the_stack_files_of_this_project_give_each_branch_its_stack() -> None:
    assert {branch: stack_of(branch, ROOT) for branch in ("master", "staging", "develop")} == {
        "master": "blue",
        "staging": "green",
        "develop": "develop",
    }


def test_stacks_are_in_order_of_promotion_after_the_platform() -> None:
    assert list(stacks(ROOT)) == ["platform", "develop", "green", "blue"]


@pytest.mark.parametrize("branch", ["feature/x", "", "platform"])
def test_a_branch_that_no_file_names_has_no_stack(branch: str) -> None:
    assert stack_of(branch, ROOT) is None


def test_two_stacks_for_a_branch_are_refused_by_name(tmp_path: Path) -> None:
    for stack in ("blue", "cyan"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config:\n  smallcase:branch: master\n", encoding="utf-8")
    with pytest.raises(Refused, match=r"Pulumi\.blue\.yaml and Pulumi\.cyan\.yaml both"):
        stack_of("master", tmp_path)


@pytest.mark.parametrize("text", ["config: [", "- a list\n"])
def test_a_stack_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.blue.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(WrongUse, match=r"Pulumi\.blue\.yaml is not"):
        stack_of("master", tmp_path)


def test_a_pull_request_is_about_the_stack_of_its_target(repository: Repository) -> None:
    checkout = Checkout.find(repository.check_out("develop"))
    jenkins = {"BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_BRANCH": "develop", "CHANGE_TARGET": "staging"}
    build = which(None, jenkins, checkout)
    assert build == Build(branch="develop", change=Change(source="develop", target="staging", fork=""))
    assert build.deployed_as == "staging"


def test_the_branch_is_what_the_option_says_then_jenkins_then_git(repository: Repository) -> None:
    detached = Checkout.find(repository.check_out("develop"))
    git(repository.server, "checkout", "--quiet", "--force", "staging")
    on_staging = Checkout.find(repository.server)
    assert which("master", {"BRANCH_NAME": "develop"}, on_staging).branch == "master"
    assert which(None, {"BRANCH_NAME": "develop"}, on_staging).branch == "develop"
    assert which(None, {"BRANCH_NAME": "develop"}, detached).branch == "develop"
    assert which(None, {}, on_staging) == Build(branch="staging", change=None)


def test_a_commit_without_a_branch_is_refused_where_nobody_names_one(repository: Repository) -> None:
    with pytest.raises(WrongUse, match="Which branch is this"):
        which(None, {}, Checkout.find(repository.check_out("develop")))


@pytest.mark.parametrize("missing", ["CHANGE_BRANCH", "CHANGE_TARGET"])
def test_a_pull_request_without_its_branches_is_refused_by_the_name_of_the_variable(
    repository: Repository, missing: str
) -> None:
    jenkins = {"BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_BRANCH": "develop", "CHANGE_TARGET": "staging"}
    del jenkins[missing]
    with pytest.raises(WrongUse, match=missing):
        which(None, jenkins, Checkout.find(repository.server))


def test_a_dirty_tree_is_refused_with_its_files_and_ignored_files_do_not_count(repository: Repository) -> None:
    checkout = Checkout.find(repository.check_out("develop"))
    (checkout.reports / "plan.json").write_text("{}", encoding="utf-8")
    checkout.require_clean("a plan")
    (checkout.root / "new file.txt").write_text("new", encoding="utf-8")
    (checkout.root / "Pulumi.blue.yaml").write_text("changed", encoding="utf-8")
    with pytest.raises(Refused, match=r"2 files differ .*Pulumi\.blue\.yaml, new file\.txt\. The rule: a plan"):
        checkout.require_clean("a plan")


def test_what_a_developer_ignores_everywhere_makes_no_tree_dirty(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ignored").write_text(".DS_Store\n", encoding="utf-8")
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignored'}\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    checkout = Checkout.find(repository.check_out("develop"))
    (checkout.root / ".DS_Store").touch()
    checkout.require_clean("a plan")


def test_the_checkout_is_found_from_a_folder_in_it_and_nowhere_else(repository: Repository, tmp_path: Path) -> None:
    folder = repository.server / "app"
    folder.mkdir()
    assert Checkout.find(folder).root == repository.server
    with pytest.raises(WrongUse, match="not a git repository"):
        Checkout.find(tmp_path)


def test_a_build_server_is_told_from_a_laptop() -> None:
    assert in_ci({"JENKINS_URL": "https://jenkins.example.org/"})
    assert in_ci({"CI": "true"})
    assert not in_ci({"BRANCH_NAME": "develop"})


def test_settings_that_the_program_refuses_are_refused_by_the_name_of_the_key(tmp_path: Path) -> None:
    good = "config:\n  branch: develop\n  colour: '#2563eb'\n  size: 1vCPU-2GB\n  image: build\n  platform: platform\n"
    (tmp_path / "Pulumi.develop.yaml").write_text(good + "  replicas: 2.0\n", encoding="utf-8")
    (tmp_path / "Pulumi.blue.yaml").write_text(good + "  replicas: {secure: cipher}\n  zones: 4\n", encoding="utf-8")
    declared = stacks(tmp_path)
    assert declared["develop"].environment.replicas == 2
    with pytest.raises(WrongUse, match=r"smallcase:replicas is encrypted.*\nPulumi\.blue\.yaml has"):
        _ = declared["blue"].environment
    with pytest.raises(WrongUse, match="smallcase:zones is '4'"):
        _ = declared["blue"].zones
