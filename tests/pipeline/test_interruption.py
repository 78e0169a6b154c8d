"""Being asked to stop at the wrong moment."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from pipeline.deadline import Deadline
from pipeline.interruption import held_back, interrupt_once
from pipeline.pulumi import Pulumi
from tests.pipeline.live import wait_until

ROOT = Path(__file__).parent.parent.parent
TIMES = 40

LISTENING = f"""#!{sys.executable} -IS
import os, signal, sys, time
here = os.path.dirname(__file__)
def note(name, text):
    with open(os.path.join(here, name), "a") as file: file.write(text + "\\n")
stop = []
signal.signal(signal.SIGINT, lambda number, frame: stop.append(number))
note("started", str(os.getpid()))
note("masks", next(line for line in open("/proc/self/status") if line.startswith("SigBlk")).split()[1])
print("Updating", flush=True)
while not stop: time.sleep(0.002)
note("ended", str(os.getpid()))
"""
"""A `pulumi` that ends once it is interrupted, and only then."""

INTERRUPTED = f"""
import io, os, signal, sys, threading, time
from pathlib import Path
from pipeline import pulumi
from pipeline.deadline import Deadline
from pipeline.interruption import interrupt_once
pulumi.SETTLES_WITHIN = 0.0
here = Path(sys.argv[1])
command = pulumi.Pulumi(project=here, environment={{"PATH": f"{{here}}:{{os.defpath}}"}}, out=io.StringIO())
begin, pause = threading.Event(), 0.0
def interrupt():
    while not list((here / "tmp").iterdir()): pass
    time.sleep(pause)
    os.kill(os.getpid(), signal.SIGTERM)
for number in range({TIMES}):
    interrupt_once()
    pause = number * 0.008 / {TIMES}
    other = threading.Thread(target=interrupt)
    other.start()
    try:
        command.run("cancel", "--stack", "develop", deadline=Deadline.after(20))
    except KeyboardInterrupt:
        print("interrupted")
    other.join()
"""


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    (tmp_path / "pulumi").write_text(LISTENING, encoding="utf-8")
    (tmp_path / "pulumi").chmod(0o755)
    return Pulumi(project=tmp_path, environment={"PATH": f"{tmp_path}:{os.defpath}"}, out=io.StringIO())


@pytest.fixture
def handlers() -> Generator[None]:
    """Signals are heard as before once the test has ended."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("pulumi")
def test_a_signal_while_pulumi_is_being_started_leaves_none_that_runs_on(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    started, ended = (lines(tmp_path / name) for name in ("started", "ended"))
    for process in set(started) - set(ended):
        os.kill(int(process), signal.SIGKILL)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["interrupted"] * TIMES
    assert len(started) == TIMES
    assert sorted(started) == sorted(ended)
    assert not list((tmp_path / "tmp").iterdir())
    assert set(lines(tmp_path / "masks")) == {"0" * 16}


def test_in_a_thread_pulumi_runs_and_stops_without_signals(pulumi: Pulumi, tmp_path: Path) -> None:
    ended: list[BaseException] = []

    def run() -> None:
        try:
            pulumi.run("cancel", "--stack", "develop", deadline=Deadline.after(20))
        except KeyboardInterrupt as interrupt:
            ended.append(interrupt)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: lines(tmp_path / "started"), 20)
    pulumi.stopped.set()
    thread.join(20)
    assert len(ended) == 1
    assert lines(tmp_path / "started") == lines(tmp_path / "ended")


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_only_the_first_signal_interrupts(first: signal.Signals, second: signal.Signals) -> None:
    interrupt_once()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(first)
    try:
        signal.raise_signal(second)
    except KeyboardInterrupt:
        pytest.fail("the second interrupts too")


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_was_held_back_acts_when_signals_are_let_in_and_is_not_lost() -> None:
    interrupt_once()
    with held_back() as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signals.let_in()
    interrupt_once()
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012 - it is the end of the block that raises
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0)


def test_after_it_signals_are_heard_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_back():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
