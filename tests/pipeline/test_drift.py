import pytest

from pipeline.__main__ import main
from pipeline.release import BETA
from rehearsal.cloud.faults import Fault
from tests.pipeline.live import DEPLOYMENT, Live, git

PINNED = "123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform-open"


def test_a_cloud_that_matches_says_so_and_leaves_the_report(live: Live) -> None:
    ran = live.verb("drift")
    assert ran.code == 0, ran.stderr
    assert "The cloud matches what was deployed" in live.report("drift.md")
    assert live.report("drift.md") == ran.stdout


@pytest.mark.trap("T57")
def test_what_somebody_deleted_or_changed_by_hand_is_drift_with_a_table(live: Live) -> None:
    (deployment,) = live.cloud.of(DEPLOYMENT)
    live.cloud.delete(deployment.type, deployment.id)
    ran = live.verb("drift")
    assert ran.code == 4
    assert "| created | `deployment` | kubernetes:apps/v1:Deployment |" in live.report("drift.md")
    assert "no longer matches" in ran.stderr
    assert not live.cloud.of(DEPLOYMENT), "drift changes nothing"


@pytest.mark.trap("T57")
def test_drift_is_looked_for_by_a_preview_with_the_credentials_that_the_program_gives_its_providers_now(
    live: Live,
) -> None:
    """Without `--run-program` the engine asks with those of the last deployment, from the state."""
    wrapper, calls = live.directory / "programs" / "pulumi", live.directory / "calls"
    path = live.harness.environment["PATH"]
    wrapper.write_text(f'#!/bin/sh\necho "$*" >>"{calls}"\nexec env PATH="{path}" pulumi "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    ran = live.verb("drift")
    assert ran.code == 0, ran.stderr
    (compared,) = (
        line.split() for line in calls.read_text(encoding="utf-8").splitlines() if not line.startswith("stack ")
    )
    assert compared[0] == "preview"
    assert {"--refresh", "--run-program"} <= set(compared)


def deployed_as_it_is(live: Live) -> None:
    """An image that exists already is deployed, so that the work tree's own place makes no difference."""
    commit = git(live.checkout, "rev-parse", "--short=12", "HEAD")
    live.configure(image=f"{PINNED}:develop-{commit}@sha256:{'a' * 64}")
    live.plan()
    ran = live.deploy()
    assert ran.code == 0, ran.stderr


def test_a_newer_commit_that_is_not_deployed_yet_is_no_drift(live: Live) -> None:
    deployed_as_it_is(live)
    live.commit("infra/environment/workload.py", '"revision_history_limit": 3', '"revision_history_limit": 4')
    assert live.verb("preview").code == 0
    assert "1 changed" in live.report("preview.md")
    ran = live.verb("drift")
    assert ran.code == 0, ran.stdout + ran.stderr
    assert git(live.checkout, "worktree", "list").count("\n") == 0
    (deployment,) = live.cloud.of(DEPLOYMENT)
    live.cloud.delete(deployment.type, deployment.id)
    assert live.verb("drift").code == 4


def test_settings_that_changed_since_are_no_drift(live: Live) -> None:
    deployed_as_it_is(live)
    live.commit("Pulumi.develop.yaml", "replicas: 1", "replicas: 2")
    live.configure(replicas=2)
    assert live.verb("drift").code == 0


def test_what_was_deployed_from_elsewhere_is_drift(live: Live) -> None:
    live.configure(image=f"{PINNED}:develop-000000000000@sha256:{'a' * 64}")
    live.plan()
    assert live.deploy().code == 0
    ran = live.verb("drift")
    assert ran.code == 4
    assert "`000000000000`, which is no commit of this clone" in live.report("drift.md")


def test_nothing_deployed_is_nothing_to_compare(live: Live) -> None:
    for branch in ("feature/x", "staging"):
        ran = live.verb("drift", BRANCH_NAME=branch)
        assert ran.code == 0, ran.stderr
        assert "there is nothing to compare" in live.report("drift.md")


def test_a_cloud_that_does_not_answer_is_a_failure_and_no_drift(live: Live) -> None:
    live.cloud.faults.order(Fault(type=DEPLOYMENT, operation="read", message="the server is down"))
    ran = live.verb("drift")
    assert ran.code == 1
    assert "the server is down" in ran.stderr
    assert not (live.checkout / "reports/drift.md").exists()


def test_a_head_of_a_branch_with_releases_that_has_none_is_in_the_report_and_no_drift(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BETA, "develop", True)
    for name, value in live.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(live.checkout)
    assert main(["drift"]) == 0
    assert "of develop has no release: it was not seen live yet" in live.report("drift.md")
