"""The private namespaces: everything inside ends at once, and nothing that is not ours is ever taken for ours."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from rehearsal.node.namespace import Namespace, Process, boot_id, read_process, start_time


def test_a_process_is_known_by_its_start_time_too() -> None:
    started = start_time(os.getpid())
    assert started is not None
    assert Process(pid=os.getpid(), started=started).alive()
    assert not Process(pid=os.getpid(), started=started + 1).alive()


def test_a_process_that_has_ended_is_gone_although_nobody_asked_for_its_status() -> None:
    with subprocess.Popen(["true"]) as ended:
        deadline = time.monotonic() + 5
        while start_time(ended.pid) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert start_time(ended.pid) is None


@pytest.mark.parametrize("content", ["", "nonsense", "1", "999999999 1", "1 1"])
def test_a_record_that_names_no_living_process_names_nobody(tmp_path: Path, content: str) -> None:
    record = tmp_path / "record"
    record.write_text(content, encoding="utf-8")
    assert read_process(record) is None


@pytest.mark.parametrize(("boot", "lives"), [("", True), ("4d1d8b0e-0000-0000-0000-000000000000", False), (None, True)])
def test_a_record_of_an_earlier_boot_names_nobody(tmp_path: Path, boot: str | None, lives: bool) -> None:
    record = tmp_path / "record"
    record.write_text(
        f"{os.getpid()} {start_time(os.getpid())} {boot_id() if boot is None else boot}", encoding="utf-8"
    )
    assert (read_process(record) is not None) is lives


def test_a_record_that_is_missing_names_nobody(tmp_path: Path) -> None:
    assert read_process(tmp_path / "none") is None
    assert Namespace.find(tmp_path / "none") is None


@pytest.mark.rehearsal
def test_everything_inside_ends_with_the_namespace_and_its_mounts_are_never_seen_outside(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    waiter = tmp_path / "waiter"
    waiter.write_text("#!/bin/sh\nexec sleep 300\n", encoding="utf-8")
    waiter.chmod(0o755)
    script = f"echo $$; touch {hidden}/made-inside; (setsid sleep 300 &); exec sleep 300"
    namespace = Namespace.create(tmp_path / "record", waiter, [hidden])
    try:
        inside = namespace.start(
            tmp_path / "inside",
            ["sh", "-c", script],
            os.environ,
            tmp_path / "log",
        )
        deadline = time.monotonic() + 5
        while not (tmp_path / "log").read_text(encoding="utf-8") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert inside.alive()
        assert int((tmp_path / "log").read_text(encoding="utf-8")) != inside.pid, (
            "it has a process id of its own inside"
        )
        assert Namespace.find(tmp_path / "record") == namespace
        assert list(hidden.iterdir()) == []
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    finally:
        namespace.destroy()
    assert not inside.alive()
    assert Namespace.find(tmp_path / "record") is None
    assert not namespace.holder.alive()


@pytest.mark.rehearsal
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_runs_inside_has_a_mask_of_its_own_whatever_the_callers_is(tmp_path: Path, umask: int) -> None:
    """Or a container's root directory would be closed to the user that the container is."""
    waiter = tmp_path / "waiter"
    waiter.write_text("#!/bin/sh\nexec sleep 300\n", encoding="utf-8")
    waiter.chmod(0o755)
    before = os.umask(umask)
    try:
        namespace = Namespace.create(tmp_path / "record", waiter, [])
        try:
            namespace.start(tmp_path / "inside", ["sh", "-c", "umask; exec sleep 60"], os.environ, tmp_path / "log")
            deadline = time.monotonic() + 5
            while not (said := (tmp_path / "log").read_text(encoding="utf-8")) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert said == "0022\n"
        finally:
            namespace.destroy()
    finally:
        os.umask(before)
