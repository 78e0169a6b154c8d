import json
import re
from pathlib import Path

import pytest

from pipeline import changes
from pipeline.preview import BEHIND, CLIENT_SIDE, UNKNOWN
from pipeline.pulumi import Answer
from tests.pipeline.live import LAST, SMALL, Live, git


def notes(live: Live) -> str:
    """What the report says at its end of what it cannot show."""
    _, mark, note = live.report("preview.md").rstrip().partition("> [!NOTE]")
    return mark + note


def test_a_preview_of_nothing_new_says_so_and_leaves_the_report(live: Live) -> None:
    ran = live.verb("preview")
    assert ran.code == 0, ran.stderr
    assert re.search(r"^\d+ unchanged\.$", live.report("preview.md"), re.MULTILINE)
    assert live.report("preview.md") == ran.stdout


def test_a_change_of_the_page_shows_the_image_before_and_after_and_builds_nothing(live: Live) -> None:
    before = git(live.checkout, "rev-parse", "HEAD")[:12]
    built = {image.id for image in live.cloud.of("docker-build:index:Image")}
    after = live.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-new")[:12]
    ran = live.verb("preview")
    assert ran.code == 0, ran.stderr
    report = live.report("preview.md")
    assert f"smallcase-platform-open:develop-{before}` → `" in report
    assert f"smallcase-platform-open:develop-{after}`" in report
    assert "| changed | `deployment` | kubernetes:apps/v1:Deployment |" in report
    assert "[!WARNING]" not in report
    assert {image.id for image in live.cloud.of("docker-build:index:Image")} == built


def test_a_pull_request_previews_the_stack_of_its_target(live: Live) -> None:
    ran = live.verb("preview", CHANGE_ID="7", CHANGE_BRANCH="feature/x", CHANGE_TARGET="develop", BRANCH_NAME="PR-7")
    assert ran.code == 0, ran.stderr
    assert "`develop` (branch develop)" in live.report("preview.md")


@pytest.mark.parametrize("verb", ["preview", "drift"])
def test_a_stack_that_the_platform_does_not_know_yet_is_named_with_what_gives_it_its_rights(
    live: Live, verb: str
) -> None:
    project = live.harness.project
    declared = (project / "Pulumi.green.yaml").read_text(encoding="utf-8")
    (project / "Pulumi.green.yaml").unlink()
    (project / "Pulumi.qa.yaml").write_text(declared, encoding="utf-8")
    ran = live.verb(verb, BRANCH_NAME="staging")
    assert ran.code == 3
    assert "The platform 'platform' does not know the stack 'qa' yet" in ran.stderr
    assert "a clone that has Pulumi.qa.yaml: `pulumi up -s platform`" in ran.stderr


def test_it_is_noted_how_many_commits_of_its_target_a_pull_request_lacks(small: Live) -> None:
    jenkins = {"CHANGE_ID": "7", "CHANGE_BRANCH": "feature/x", "CHANGE_TARGET": "develop", "BRANCH_NAME": "PR-7"}
    base = git(small.checkout, "rev-parse", "HEAD")
    newer = small.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-new")
    merge = git(small.checkout, "commit-tree", "-p", newer, "-p", base, "-m", "merge", f"{newer}^{{tree}}")
    git(small.checkout, "update-ref", "refs/remotes/origin/develop", merge)
    try:
        assert small.verb("preview", **jenkins).code == 0
        assert "lacks" not in small.report("preview.md"), "a merge alone brings nothing"
        git(small.checkout, "reset", "--quiet", "--hard", base)
        assert small.verb("preview", **jenkins).code == 0
        assert BEHIND.format(number=1, target="develop") in small.report("preview.md")
        assert small.verb("preview").code == 0
        assert "lacks" not in small.report("preview.md"), "a push is what it is"
    finally:
        git(small.checkout, "update-ref", "-d", "refs/remotes/origin/develop")


@pytest.mark.trap("T56")
def test_a_pull_request_makes_no_plan(small: Live) -> None:
    ran = small.verb("preview", "--save-plan", "plan.json", CHANGE_ID="7", CHANGE_BRANCH="f", CHANGE_TARGET="develop")
    assert ran.code == 3
    assert "The rule: a branch's commit is deployed" in ran.stderr


def test_a_replacement_is_warned_of_with_what_forces_it_above_everything_else(live: Live) -> None:
    live.configure(namespace="smallcase-develop-2")
    assert live.verb("preview").code == 0
    report = live.report("preview.md")
    warning = "> **replaced**: kubernetes:core/v1:Namespace `namespace`, because of metadata.name"
    assert warning in report
    assert report.index(warning) < report.index("| resource |")


def test_a_deletion_is_warned_of(small: Live) -> None:
    small.harness.write(SMALL.replace('pulumi.CustomResource("aws:sqs', '0 and pulumi.CustomResource("aws:sqs'))
    assert small.verb("preview").code == 0
    assert f"> **deleted**: {LAST} `last`" in small.report("preview.md")


@pytest.mark.parametrize(
    ("answer", "noted"),
    [("yes\n", ""), ("no\n", CLIENT_SIDE), ("no - not by these rules\n", CLIENT_SIDE)],
)
def test_it_is_noted_when_rights_forced_a_preview_that_does_not_ask_the_cluster(
    live: Live, answer: str, noted: str
) -> None:
    live.kubectl({"auth-can-i-patch-deployments.apps": answer})
    assert live.verb("preview").code == 0
    assert notes(live) == noted


def test_it_is_noted_when_nobody_can_tell_whether_the_cluster_was_asked(live: Live) -> None:
    assert live.verb("preview").code == 0
    assert notes(live) == UNKNOWN.format(reason="The connection to the server was refused")


def test_a_cluster_that_cannot_be_asked_at_all_is_noted_with_the_reason(small: Live) -> None:
    assert small.verb("preview").code == 0
    assert notes(small) == UNKNOWN.format(reason="the stack 'platform' exports no kubeconfig")


def test_a_branch_of_no_stack_gets_a_report_that_says_so_and_no_plan(small: Live) -> None:
    small.plan()
    ran = small.verb("preview", "--save-plan", "reports/plan.json", BRANCH_NAME="feature/x")
    assert ran.code == 0
    assert small.report("preview.md") == "No stack deploys feature/x: there is nothing to preview.\n"
    assert not (small.checkout / "reports/plan.json").exists()


def test_a_bad_setting_is_one_message_and_leaves_neither_report_nor_plan(live: Live) -> None:
    live.plan()
    live.configure(colour="blue")
    ran = live.verb("preview", "--save-plan", "reports/plan.json")
    assert ran.code == 1
    assert "smallcase:colour is 'blue'" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list((live.checkout / "reports").iterdir())


def test_an_environment_without_its_platform_is_one_message_with_both_ways_out(live: Live) -> None:
    live.configure(platform="elsewhere")
    ran = live.verb("preview", "--save-plan", "reports/plan.json")
    assert ran.code == 1
    assert "`pulumi up -s elsewhere`" in ran.stderr
    assert "`pulumi config set smallcase:platform self -s develop`" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_plan_says_what_it_was_made_for_and_pulumi_still_takes_it(small: Live) -> None:
    small.plan()
    plan = small.checkout / "reports/plan.json"
    commit = git(small.checkout, "rev-parse", "HEAD")
    assert json.loads(plan.read_bytes())["smallcase"] == {"stack": "develop", "commit": commit}
    assert small.harness.pulumi("up", "--stack", "develop", "--yes", "--skip-preview", "--plan", str(plan)).code == 0


def test_in_ci_a_plan_is_of_a_clean_tree(small: Live) -> None:
    (small.checkout / "app" / "new").touch()
    assert small.verb("preview", "--save-plan", "reports/plan.json", JENKINS_URL="https://jenkins").code == 3
    assert small.verb("preview", "--save-plan", "reports/plan.json").code == 0


@pytest.mark.parametrize("directory", ["nowhere", "app"])
def test_a_project_directory_without_a_project_is_wrong_use(live: Live, directory: str) -> None:
    ran = live.verb("preview", "--project", str(live.checkout / directory))
    assert ran.code == 2
    assert "has no Pulumi.yaml" in ran.stderr


def test_a_stack_that_nobody_created_is_wrong_use_and_the_message_says_how(small: Live) -> None:
    ran = small.verb("preview", BRANCH_NAME="staging")
    assert ran.code == 2
    assert "no stack named 'green' found" in ran.stderr
    assert "pulumi stack init" in ran.stderr


def test_a_missing_key_to_the_state_is_wrong_use(small: Live) -> None:
    ran = small.verb("preview", PULUMI_CONFIG_PASSPHRASE="")
    assert ran.code == 2, ran.stderr


def test_a_missing_cli_is_wrong_use(small: Live, tmp_path: Path) -> None:
    (tmp_path / "git").symlink_to("/usr/bin/git")
    ran = small.verb("preview", PATH=str(tmp_path))
    assert ran.code == 2
    assert "`pulumi` is not on PATH" in ran.stderr


def test_a_resource_is_counted_once_whatever_steps_its_replacement_takes() -> None:
    urn = "urn:pulumi:s::p::aws:s3/bucket:Bucket::b"
    state = {"type": "aws:s3/bucket:Bucket", "custom": True}
    steps = [
        {"op": operation, "urn": urn, "newState": state, "replaceReasons": ["name"]}
        for operation in ("create-replacement", "replace", "delete-replaced")
    ]
    found = changes.read(Answer(code=0, stdout=json.dumps({"steps": steps}), stderr=""))
    assert str(found) == "1 replaced, 0 unchanged"
