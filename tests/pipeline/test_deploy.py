import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.deadline import Deadline
from pipeline.deploy import require_presence
from pipeline.outcomes import Failed
from rehearsal.cloud.faults import Fault
from tests.commands import commands_in, run
from tests.pipeline.live import (
    DEPLOYMENT,
    FIRST,
    IMAGE,
    INGRESS,
    LAST,
    NAMESPACE,
    REFUSED,
    SERVICE,
    Live,
    git,
    wait_until,
)

POD = {
    "metadata": {"name": "smallcase-7d9-x2x", "creationTimestamp": "2026-01-02T03:04:05Z"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "message": "containers with unready status: [smallcase]"}],
        "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}],
    },
}
READY = {
    "metadata": {"name": "smallcase-old", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
EVENT = {
    "reason": "BackOff",
    "message": "Back-off restarting failed container",
    "lastTimestamp": "2026-01-02T03:05:00Z",
}

MAY_FINISH = (
    "The previous version served when last seen; the rollout may still finish: "
    "`kubectl rollout status deployment/smallcase --namespace smallcase-develop`."
)


def planned_change(live: Live) -> None:
    live.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-new")
    live.plan()


def slowly(small: Live, seconds: float) -> None:
    """Let the last change take so long."""
    small.cloud.faults.order(Fault(type=LAST, operation="update", seconds=seconds))


def under_way(small: Live) -> "subprocess.Popen[str]":
    """A deployment that has begun on its last change."""
    planned_change(small)
    (before,) = (found.outputs for found in small.cloud.of(FIRST))
    slowly(small, 3)
    running = small.start("deploy", "--plan", "reports/plan.json")
    wait_until(lambda: [found.outputs for found in small.cloud.of(FIRST)] != [before])
    return running


def pulumi_of(live: Live) -> int:
    """The process that holds the lock."""
    (lock,) = live.locks()
    return int(json.loads(lock.read_bytes())["pid"])


def pending(small: Live) -> list[str]:
    """The types of what the state says is under way; nothing while it is being written."""
    (state,) = (small.directory / "state").glob(".pulumi/stacks/**/develop.json")
    try:
        latest = json.loads(state.read_bytes())["checkpoint"]["latest"]
    except ValueError:
        return []
    return [str(one["resource"]["type"]) for one in latest.get("pending_operations") or ()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_deployment_does_what_was_planned_and_says_it_line_by_line(live: Live) -> None:
    planned_change(live)
    before = live.live()
    ran = live.deploy()
    assert ran.code == 0, ran.stderr
    assert live.live() != before
    assert "kubernetes:apps/v1:Deployment deployment updated" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert ran.stdout.endswith("develop is deployed to develop.\n")
    assert live.locks() == []


@pytest.mark.trap("T58")
def test_a_deployment_writes_into_no_file_that_is_tracked(live: Live) -> None:
    """`stack init` and `-c` do."""
    planned_change(live)
    files = {path: path.read_bytes() for path in live.harness.project.glob("Pulumi*.yaml")}
    assert live.deploy().code == 0
    assert live.verb("drift").code == 0
    assert {path: path.read_bytes() for path in live.harness.project.glob("Pulumi*.yaml")} == files
    assert git(live.checkout, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_new_environment_comes_up_as_planned(live: Live) -> None:
    assert live.harness.pulumi("stack", "init", "green", "--no-select").code == 0
    planned = live.verb("preview", "--save-plan", "reports/plan.json", BRANCH_NAME="staging")
    assert planned.code == 0, planned.stderr
    ran = live.deploy(BRANCH_NAME="staging")
    assert ran.code == 0, ran.stderr
    assert len(live.cloud.of(DEPLOYMENT)) == 2


def test_a_deployment_without_a_plan_is_refused(small: Live) -> None:
    ran = small.verb("deploy")
    assert ran.code == 3
    assert "The rule: only what was previewed at this commit is deployed" in ran.stderr


def test_a_plan_that_is_not_there_or_no_plan_is_wrong_use(small: Live) -> None:
    assert small.deploy().code == 2
    (small.checkout / "reports").mkdir(exist_ok=True)
    for text in ("", "[]", "{}"):
        (small.checkout / "reports/plan.json").write_text(text, encoding="utf-8")
        ran = small.deploy()
        assert ran.code == 2
        assert "preview --save-plan" in ran.stderr


@pytest.mark.trap("T56")
def test_the_plan_of_another_commit_is_refused(small: Live) -> None:
    small.plan()
    small.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-new")
    ran = small.deploy()
    assert ran.code == 3
    assert git(small.checkout, "rev-parse", "HEAD") in ran.stderr


def test_the_plan_of_another_stack_is_refused(small: Live) -> None:
    small.plan()
    ran = small.deploy(BRANCH_NAME="staging")
    assert ran.code == 3
    assert "is of the stack develop, not green" in ran.stderr


@pytest.mark.trap("T56")
def test_what_was_not_planned_is_not_done(live: Live) -> None:
    live.plan()
    live.configure(replicas=3)
    before = live.live()
    ran = live.deploy()
    assert ran.code == 1
    assert re.search("violates plan|not allowed by the plan", ran.stderr)
    assert "Run the build again" in ran.stderr
    assert live.live() == before


def test_the_stack_that_jenkins_runs_on_is_refused(live: Live) -> None:
    live.plan()
    live.configure(platform="self")
    ran = live.deploy()
    assert ran.code == 3
    assert "The rule: Jenkins never deploys the stack it runs on" in ran.stderr


def test_a_pull_request_is_not_deployed(small: Live) -> None:
    small.plan()
    assert small.deploy(CHANGE_ID="7", CHANGE_BRANCH="feature/x", CHANGE_TARGET="develop").code == 3


def test_a_dirty_tree_is_refused_in_ci_and_nowhere_else(small: Live) -> None:
    small.plan()
    (small.checkout / "new").touch()
    assert small.deploy(JENKINS_URL="https://jenkins").code == 3
    assert small.deploy().code == 0


def test_a_branch_of_no_stack_deploys_nothing_and_needs_no_plan(small: Live) -> None:
    ran = small.verb("deploy", "--plan", "reports/plan.json", BRANCH_NAME="feature/x")
    assert (ran.code, ran.stdout) == (0, "No stack deploys feature/x: there is nothing to deploy.\n")


OTHER_IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform:develop-hotfix@sha256:{'b' * 64}"
BY_HAND: Mapping[str, Callable[[Live], None]] = {
    "everything": lambda live: live.delete(NAMESPACE, SERVICE, INGRESS, DEPLOYMENT),
    "the Deployment": lambda live: live.delete(DEPLOYMENT),
    "the Service": lambda live: live.delete(SERVICE),
    "the Ingress": lambda live: live.delete(INGRESS),
    "Service and Ingress": lambda live: live.delete(SERVICE, INGRESS),
    "the number of pods": lambda live: live.edit("spec", replicas=0),
    "the image": lambda live: live.set_image(OTHER_IMAGE),
}
"""What people do with kubectl, and what is said of it."""
SAID = {
    "everything": "namespace/smallcase-develop, service/smallcase, ingress/smallcase, deployment/smallcase are gone",
    "the Deployment": "deployment/smallcase is gone",
    "the Service": "service/smallcase is gone",
    "the Ingress": "ingress/smallcase is gone",
    "Service and Ingress": "service/smallcase, ingress/smallcase are gone",
    "the number of pods": "deployment/smallcase has 0 replicas, not 1",
    "the image": f"deployment/smallcase runs {OTHER_IMAGE}, not ",
}


def as_deployed(live: Live) -> tuple[list[tuple[str, str]], dict[str, object]]:
    return sorted((one.type, one.id) for one in live.in_cluster()), live.live()


@pytest.mark.parametrize("what", BY_HAND)
def test_what_somebody_deleted_or_changed_by_hand_is_in_the_next_plan_and_brought_back_by_it(
    live: Live, what: str
) -> None:
    before = as_deployed(live)
    BY_HAND[what](live)
    live.plan()
    assert f"somebody changed the cluster by hand: {SAID[what]}" in live.report("preview.md")
    ran = live.deploy()
    assert ran.code == 0, ran.stderr
    assert as_deployed(live) == before


@pytest.mark.parametrize("what", ["everything", "the number of pods"])
def test_what_somebody_did_by_hand_since_the_plan_was_made_is_told_and_the_next_build_undoes_it(
    live: Live, what: str
) -> None:
    before = as_deployed(live)
    live.plan()
    BY_HAND[what](live)
    ran = live.deploy()
    assert ran.code == 1
    assert "is deployed to" not in ran.stdout
    assert f"Since the plan was made, somebody changed develop by hand: {SAID[what]}" in ran.stderr
    assert "Run the build again" in ran.stderr
    assert "serves" not in ran.stderr
    live.plan()
    ran = live.deploy()
    assert ran.code == 0, ran.stderr
    assert as_deployed(live) == before


def test_what_is_not_there_when_pulumi_is_done_fails_the_deployment_and_the_command_that_is_offered_brings_it_back(
    live: Live,
) -> None:
    BY_HAND["the number of pods"](live)
    BY_HAND["the Service"](live)
    with pytest.raises(Failed) as failed:
        require_presence(live.target(), Deadline.after(0))
    assert "service/smallcase is gone; deployment/smallcase has 0 replicas, not 1" in failed.value.message
    (command,) = commands_in(failed.value.way_out, "pulumi up")
    run(f"{command} --yes", live.harness.project, live.variables())
    require_presence(live.target(), Deadline.after(0))


def test_a_cluster_that_nobody_can_ask_is_not_said_to_run_what_was_deployed(live: Live) -> None:
    planned_change(live)
    live.kubectl({REFUSED: ""})
    ran = live.deploy()
    assert ran.code == 1
    assert "is deployed to" not in ran.stdout
    assert "Whether develop runs cannot be told: The connection to the server was refused" in ran.stderr


def test_pods_that_are_not_available_though_nothing_was_to_do_fail_the_deployment_with_their_state(live: Live) -> None:
    live.edit("status", availableReplicas=0)
    live.kubectl({"get-pods": {"items": [POD]}, "get-events": {"items": []}, "logs-smallcase-7d9-x2x": "no colour\n"})
    with pytest.raises(Failed) as failed:
        require_presence(live.target(), Deadline.after(0))
    assert "develop does not run as it was deployed: 0 of 1 pods are available" in failed.value.message
    assert "pod smallcase-7d9-x2x: CrashLoopBackOff back-off 10s" in failed.value.message


def test_a_role_that_reads_no_logs_says_how_somebody_else_does(live: Live) -> None:
    refused = 'Error from server (Forbidden): pods "smallcase-7d9-x2x" is forbidden: cannot get resource "pods/log"'
    live.edit("status", availableReplicas=0)
    live.kubectl({"get-pods": {"items": [POD]}, "get-events": {"items": []}, "logs-smallcase-7d9-x2x": refused})
    with pytest.raises(Failed) as failed:
        require_presence(live.target(), Deadline.after(0))
    assert "its log is not for this role: kubectl logs --namespace smallcase-develop smallcase-7d9-x2x" in (
        failed.value.message
    )


def test_pods_that_are_about_to_be_available_are_waited_for(live: Live) -> None:
    live.edit("status", availableReplicas=0)
    thread = threading.Timer(1, live.edit, ["status"], {"availableReplicas": 1})
    thread.start()
    require_presence(live.target(), Deadline.after(60))
    assert not thread.is_alive()


def test_pods_that_do_not_start_fail_the_deployment_with_their_state_events_and_last_lines(live: Live) -> None:
    planned_change(live)
    message = "the Kubernetes API server reported that smallcase failed to fully initialize: ProgressDeadlineExceeded"
    live.cloud.faults.order(Fault(type=DEPLOYMENT, operation="update", message=message))
    live.kubectl(
        {
            "get-pods": {"items": [READY, POD]},
            "get-events": {"items": [EVENT]},
            "logs-smallcase-7d9-x2x": "smallcase: SMALLCASE_COLOUR is not set\n",
        }
    )
    before = live.live()
    ran = live.deploy()
    assert ran.code == 1
    assert "ProgressDeadlineExceeded" in ran.stderr
    assert "pod smallcase-7d9-x2x: CrashLoopBackOff back-off 10s" in ran.stderr
    assert "event BackOff: Back-off restarting failed container" in ran.stderr
    assert "log smallcase: SMALLCASE_COLOUR is not set" in ran.stderr
    assert "The previous version serves." in ran.stderr
    assert "smallcase-old" not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert live.live() == before
    live.plan()
    assert live.deploy().code == 0


def test_a_cluster_that_does_not_answer_hides_nothing_of_what_failed(live: Live) -> None:
    planned_change(live)
    live.cloud.faults.order(Fault(type=IMAGE, operation="update", message="the image does not build"))
    ran = live.deploy()
    assert ran.code == 1
    assert "the image does not build" in ran.stderr
    assert "The pods could not be asked: The connection to the server was refused" in ran.stderr
    assert "The previous version serves." in ran.stderr, "it never came to the pods"
    assert MAY_FINISH not in ran.stderr


def test_a_rollout_of_which_nothing_is_known_any_more_is_not_said_to_have_ended(live: Live) -> None:
    planned_change(live)
    live.cloud.faults.order(Fault(type=DEPLOYMENT, operation="update", message="connection reset by peer"))
    ran = live.deploy()
    assert ran.code == 1
    assert MAY_FINISH in ran.stderr
    assert "The previous version serves." not in ran.stderr


@pytest.mark.trap("T55")
def test_a_deployment_that_hangs_is_interrupted_once_and_leaves_no_lock(small: Live) -> None:
    planned_change(small)
    slowly(small, 4)
    ran = small.deploy("--deadline", "3s")
    assert ran.code == 1
    assert "did not end within 3 s and was interrupted" in ran.stderr
    assert MAY_FINISH in ran.stderr
    assert "previous version serves" not in ran.stderr
    assert ran.stdout.count("received; cancelling") == 1
    assert "received; terminating" not in ran.stdout
    assert small.locks() == []


@pytest.mark.trap("T55")
def test_two_signals_interrupt_pulumi_once_and_the_next_run_does_the_rest(small: Live) -> None:
    running = under_way(small)
    running.send_signal(signal.SIGTERM)
    wait_until(lambda: pulumi_of(small))
    running.send_signal(signal.SIGTERM)
    said, wrong = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.count("received; cancelling") == 1
    assert "received; terminating" not in said
    assert "Traceback" not in wrong
    assert MAY_FINISH in said
    assert small.locks() == []
    small.plan()
    ran = small.deploy()
    assert ran.code == 0, ran.stderr


def test_pulumi_ends_in_order_where_jenkins_kills_the_verb(small: Live) -> None:
    running = under_way(small)
    pulumi = pulumi_of(small)
    cookies = Path(f"/proc/{pulumi}/environ").read_text(encoding="utf-8")
    parent = int(Path(f"/proc/{pulumi}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    grandparent = int(Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    assert "JENKINS_SERVER_COOKIE" not in cookies
    assert grandparent != running.pid
    running.send_signal(signal.SIGTERM)
    assert any("Interrupting" in line for line in running.stdout or ())
    running.kill()
    running.communicate(timeout=60)
    wait_until(lambda: not is_alive(pulumi))
    assert small.locks() == []


def test_an_interrupt_before_pulumi_listens_is_not_lost(small: Live) -> None:
    planned_change(small)
    slowly(small, 4)
    running = small.start("deploy", "--plan", "reports/plan.json")
    wait_until(small.locks)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.count("received; cancelling") == 1
    assert small.locks() == []


@pytest.mark.trap("T55")
def test_the_lock_of_a_killed_pulumi_is_taken_away_and_the_next_run_does_the_rest(small: Live) -> None:
    running = under_way(small)
    wait_until(lambda: pending(small) == [LAST])
    os.kill(pulumi_of(small), signal.SIGKILL)
    _, wrong = running.communicate(timeout=60)
    assert running.returncode == 1, wrong
    assert len(small.locks()) == 1
    small.plan()
    ran = small.deploy()
    assert ran.code == 0, ran.stderr
    assert "which no longer runs: taking it away" in ran.stdout
    assert small.locks() == []


def locked(live: Live, **holder: object) -> Path:
    """Let somebody else hold the lock of `develop`, as the CLI writes it."""
    folder = live.directory / "state/.pulumi/locks/organization/smallcase/develop"
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "11111111-2222-3333-4444-555555555555.json"
    content = {"pid": os.getpid(), "username": "ada", "hostname": "laptop", "timestamp": "2026-01-02T03:04:05Z"}
    lock.write_text(json.dumps({**content, **holder}), encoding="utf-8")
    return lock


def test_a_lock_that_is_held_until_the_deadline_says_by_whom_and_what_to_do(small: Live) -> None:
    small.plan()
    lock = locked(small)
    ran = small.deploy("--deadline", "8s")
    assert ran.code == 5, ran.stderr
    assert f"by ada on laptop (process {os.getpid()}) since 2026-01-02T03:04:05Z" in ran.stderr
    assert lock.exists()
    (command,) = commands_in(ran.stderr, "pulumi cancel --stack develop")
    run(f"{command} --yes", small.harness.project, small.harness.environment)
    assert not lock.exists()


def test_a_lock_that_is_given_back_is_waited_for(small: Live) -> None:
    small.plan()
    lock = locked(small)
    running = small.start("deploy", "--plan", "reports/plan.json", "--deadline", "30s")
    assert any("waiting" in line for line in running.stdout or ())
    lock.unlink()
    _, wrong = running.communicate(timeout=60)
    assert running.returncode == 0, wrong


def test_a_missing_key_to_the_state_is_wrong_use(small: Live) -> None:
    small.plan()
    assert small.deploy(PULUMI_CONFIG_PASSPHRASE="").code == 2


def test_a_deadline_that_is_no_duration_is_wrong_use(small: Live) -> None:
    ran = small.deploy("--deadline", "soon")
    assert ran.code == 2
    assert "write it as 90s, 35m or 1h" in ran.stderr
