import json
import os
import signal
import sys
import threading
import time
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal.__main__ import main
from rehearsal.bench import figures, load, measures, memory, trial
from rehearsal.bench.command import run, running
from rehearsal.bench.figures import Aim, Machine, Row, Section, Series, Verdict
from rehearsal.bench.manifests import as_list, copies, leave_at_once, namespace_object, set_image, with_pods
from rehearsal.bench.memory import Process
from rehearsal.load_balancer.objects import Json, at, text
from rehearsal.progress import RehearsalError

DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "smallcase",
        "namespace": "smallcase-green",
        "uid": "1",
        "resourceVersion": "2",
        "labels": {"app": "smallcase"},
        "annotations": {"deployment.kubernetes.io/revision": "3", "note": "kept"},
    },
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "terminationGracePeriodSeconds": 60,
                "containers": [{"name": "smallcase", "image": "old", "lifecycle": {"preStop": {}}}],
            }
        },
    },
    "status": {"readyReplicas": 2},
}
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "smallcase", "namespace": "smallcase-green"},
    "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP"},
}
WRK = """Running 40s test @ http://page/
  1 threads and 20 connections
  26195 requests in 40.02s, 60.11MB read
"""


def seconds(*values: float) -> Series:
    return Series(values=values, unit="s")


def test_a_ratio_is_one_of_medians_so_that_one_slow_run_does_not_count() -> None:
    row = Row(what="ours", series=seconds(3.0, 2.0, 90.0), against=seconds(1.0, 2.0, 0.1))
    assert row.ratio == 3.0


@pytest.mark.parametrize(
    ("median", "verdict"),
    [(3.0, Verdict.GOAL), (3.1, Verdict.FLOOR), (4.0, Verdict.FLOOR), (4.1, Verdict.MISSED)],
)
def test_a_ratio_meets_the_goal_or_the_floor_or_neither(median: float, verdict: Verdict) -> None:
    row = Row(what="ours", series=seconds(median), against=seconds(1.0), aim=Aim(goal=3, floor=4))
    assert row.verdict is verdict


def test_without_a_floor_a_missed_goal_is_missed() -> None:
    assert Aim(goal=1.1).verdict(1.2) is Verdict.MISSED


def test_a_figure_without_an_aim_has_no_verdict() -> None:
    assert Row(what="ours", series=seconds(1.0)).verdict is Verdict.NONE


def test_one_run_that_loses_a_request_misses_an_aim_for_every_run() -> None:
    lost = Series(values=(0.0, 0.0, 1.0), unit="requests")
    assert Row(what="ours", series=lost, aim=Aim(goal=0, every_run=True)).verdict is Verdict.MISSED
    assert Row(what="ours", series=lost, aim=Aim(goal=0)).verdict is Verdict.GOAL


def test_a_series_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Series(values=(), unit="s")


def test_a_row_shows_runs_extremes_median_ratio_and_what_is_asked() -> None:
    row = Row(what="ours", series=seconds(3.0, 2.5, 3.5), against=seconds(1.0), aim=Aim(goal=3, floor=4))
    assert row.cells() == ("ours [s]", "3", "2.50", "3", "3.50", "3.00x", "3x", "4x", "goal")


def test_every_table_says_what_the_figures_are_about() -> None:
    sections = [Section(title=title, text="How.", rows=[Row(what="`a` [b]", series=seconds(1.0))]) for title in "AB"]
    machine = Machine(processors=2, memory=24, kernel="6.1", load=0.5)
    page = figures.page(sections, day=date(2026, 11, 23), commit="0123456789ab", machine=machine)
    assert page.count(figures.CAVEAT) == 2
    assert "2026-11-23" in page
    assert "0123456789ab" in page
    console = Console(width=100, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - never shown
    console.print(figures.table(sections[0]))
    shown = console.export_text()
    assert "not about Fargate" in " ".join(shown.split())
    assert "`a` [b]" in shown


def test_a_table_of_markdown_has_as_many_cells_in_every_line() -> None:
    section = Section(
        title="A", text="How.", rows=[Row(what="a", series=seconds(1.0), against=seconds(2.0), aim=Aim(goal=1))]
    )
    machine = Machine(processors=2, memory=24, kernel="6.1", load=0.5)
    page = figures.page([section], day=date(2026, 11, 23), commit="0123456789ab", machine=machine)
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {len(figures.COLUMNS) + 1}
    assert len(lines) == 3


def test_a_copy_is_for_another_namespace_and_without_what_the_cluster_wrote() -> None:
    deployment, service = copies([DEPLOYMENT, SERVICE], "smallcase-bench")
    assert at(deployment, "metadata") == {
        "name": "smallcase",
        "namespace": "smallcase-bench",
        "labels": {"app": "smallcase"},
        "annotations": {"note": "kept"},
    }
    assert at(deployment, "status") is None
    assert at(deployment, "spec") == at(DEPLOYMENT, "spec")
    assert at(service, "spec") == {"type": "ClusterIP"}


def test_a_copy_may_have_no_pods() -> None:
    deployment, service = copies([DEPLOYMENT, SERVICE], "smallcase-bench", replicas=0)
    assert at(deployment, "spec", "replicas") == 0
    assert at(service, "spec", "replicas") is None


def test_pods_are_changed_in_the_copy_alone() -> None:
    changed = with_pods(with_pods([DEPLOYMENT, SERVICE], set_image("new")), leave_at_once)
    assert at(changed[0], "spec", "template", "spec") == {
        "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "smallcase", "image": "new"}],
    }
    assert changed[1] == SERVICE
    pod = at(DEPLOYMENT, "spec", "template", "spec")
    assert at(pod, "terminationGracePeriodSeconds") == 60


def test_objects_are_applied_as_one_list() -> None:
    listed = json.loads(as_list([namespace_object("smallcase-bench", {"a": "b"})]))
    assert text(listed, "kind") == "List"
    assert listed["items"][0]["metadata"] == {"name": "smallcase-bench", "labels": {"a": "b"}}


def test_a_report_of_wrk_without_errors_has_lost_nothing() -> None:
    assert load.visits(WRK) == load.Visits(requests=26195, lost=0)


def test_socket_errors_and_refusals_are_lost_requests() -> None:
    report = WRK + "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 50\n"
    assert load.visits(report).lost == 60


def test_what_is_no_report_of_wrk_is_refused() -> None:
    with pytest.raises(ValueError, match="no report"):
        load.visits("unable to connect to page:80 Connection refused")


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (("/opt/pulumi", "up"), memory.ENGINE),
        (("python3", "/opt/pulumi/bin/../language_host.py", "127.0.0.1:1"), memory.PROGRAM),
        (("/bin/sh", "/opt/bin/pulumi-language-python", "127.0.0.1:1"), memory.PROGRAM),
        (("python3", "/opt/bin/pulumi-language-python-exec"), memory.PROGRAM),
        (("/plugins/pulumi-resource-kubernetes", "127.0.0.1:1"), "provider kubernetes"),
        (("git", "status"), None),
        ((), None),
    ],
)
def test_each_process_of_a_command_is_a_part_of_it_or_what_a_part_calls(
    argv: tuple[str, ...], part: str | None
) -> None:
    assert memory.part_of(argv) == part


def test_the_family_of_a_process_has_its_descendants_and_nobody_else() -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 1, 5: 4}
    table = {pid: Process(pid=pid, parent=parent, argv=(), peak=0) for pid, parent in parents.items()}
    assert sorted(process.pid for process in memory.family(2, table)) == [2, 3]


def test_processes_of_one_part_add_up() -> None:
    assert memory.added_up([("a", 1.0), ("b", 2.0), ("a", 3.0)]) == {"a": 4.0, "b": 2.0}


def test_this_process_has_a_peak_and_a_parent() -> None:
    this = memory.processes()[os.getpid()]
    assert this.peak > 1
    assert this.parent == os.getppid()


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="no such stack"):
        run(["sh", "-c", "echo no such stack >&2; exit 3"], cwd=tmp_path, environment=os.environ)


def test_a_command_is_given_its_input_and_takes_the_time_it_takes(tmp_path: Path) -> None:
    finished = run(["sh", "-c", "cat; sleep 0.1"], cwd=tmp_path, environment=os.environ, stdin="manifest")
    assert finished.output == "manifest"
    assert 0.1 <= finished.seconds < 5


def test_an_interrupted_bench_interrupts_its_command_and_waits_for_it(tmp_path: Path) -> None:
    ready, tidied = tmp_path / "ready", tmp_path / "tidied"
    program = (
        "import pathlib, time\n"
        "try:\n"
        f"    pathlib.Path({str(ready)!r}).touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        f"    time.sleep(0.2); pathlib.Path({str(tidied)!r}).touch()\n"
    )

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    def measure() -> None:
        with running([sys.executable, "-c", program], cwd=tmp_path, environment=os.environ) as command:
            thread.start()
            command.finish()

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure()
    thread.join()
    assert tidied.exists()


def test_a_checkout_is_refused_that_has_a_stack_the_bench_would_remove(tmp_path: Path) -> None:
    for stack in ("green", "platform"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    trial.check(tmp_path)
    (tmp_path / "Pulumi.bench-of-mine.yaml").touch()
    with pytest.raises(RehearsalError, match="bench-of-mine"):
        trial.check(tmp_path)


@pytest.mark.parametrize(("there", "missing"), [("platform", "green"), ("green", "platform")])
def test_a_checkout_is_refused_that_lacks_a_stack_that_is_measured(tmp_path: Path, there: str, missing: str) -> None:
    (tmp_path / f"Pulumi.{there}.yaml").touch()
    with pytest.raises(RehearsalError, match=rf"no Pulumi\.{missing}\.yaml"):
        trial.check(tmp_path)


def test_the_previews_of_an_environment_and_of_the_platform_are_held_to_an_empty_program() -> None:
    among = {count: seconds(2.0) for count in measures.EXTRA}
    rows = {
        row.what: row
        for row in measures.preview_rows(
            empty=seconds(1.0), environment=seconds(3.0), platform=seconds(5.5), among=among
        )
    }
    assert (rows["the platform"].ratio, rows["the platform"].verdict) == (5.5, Verdict.FLOOR)
    assert (rows["an environment"].ratio, rows["an environment"].verdict) == (3.0, Verdict.GOAL)
    crowded = [row for row in rows.values() if row.against is among[measures.EXTRA[0]]]
    assert len(crowded) == len(measures.EXTRA) - 1


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_a_number_of_runs_that_is_none_is_refused(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", f"--runs={runs}"])
    assert "whole number from 1" in capsys.readouterr().err
