import dataclasses
import io
import os
from pathlib import Path

import pytest

from pipeline import pulumi
from pipeline.deadline import Deadline, duration, duration_text
from pipeline.outcomes import Failed, Locked, WrongUse
from pipeline.pulumi import Answer, Holder, Pulumi, explain

LOCKED = """cat >&2 <<END
error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file
  file:///state/x.json: created by ada@laptop (pid 7) at 2026-01-02T03:04:05Z
END
exit 255"""


def fake(directory: Path, script: str) -> tuple[Pulumi, io.StringIO]:
    """A `pulumi` with an empty checkpoint that notes how it was called, and does this."""
    program = directory / "pulumi"
    export = '[ "$1 $2" != "stack export" ] || { echo "{}"; exit; }'
    program.write_text(f'#!/bin/bash\n{export}\necho "$*" >>"{directory}/calls"\n{script}\n', encoding="utf-8")
    program.chmod(0o755)
    out = io.StringIO()
    return Pulumi(project=directory, environment={"PATH": f"{directory}:{os.defpath}"}, out=out), out


def calls(directory: Path) -> list[str]:
    return [
        line.split(" --non-interactive")[0] for line in (directory / "calls").read_text(encoding="utf-8").splitlines()
    ]


def test_what_is_shown_comes_in_whole_lines_and_what_is_read_is_not_shown(tmp_path: Path) -> None:
    command, out = fake(tmp_path, "printf one; sleep 0.2; echo ' line'; echo; echo wrong >&2; exit 3")
    answer = command.run("up", "--stack", "develop", deadline=Deadline.after(10), show=True)
    assert (answer.code, answer.stderr) == (3, "wrong\n")
    assert sorted(out.getvalue().splitlines()) == ["one line", "wrong"]
    command.run("up", "--stack", "develop", deadline=Deadline.after(10))
    assert out.getvalue().count("one line") == 1


def test_pulumi_brings_no_packages_of_the_tests_where_the_verb_did_without(tmp_path: Path) -> None:
    """Its Python host calls `uv sync --inexact` before each program, for which these are the default
    (https://github.com/pulumi/pulumi/blob/sdk/v3.259.0/sdk/python/toolchain/uv.go)."""
    command, out = fake(tmp_path, "printenv UV_NO_DEV UV_LOCKED")
    command.run("up", "--stack", "develop", deadline=Deadline.after(10), show=True)
    assert out.getvalue().split() == ["1", "1"]


class Full(io.StringIO):
    """A disk with no room, as a stream."""

    def write(self, s: str, /) -> int:
        raise OSError(28, f"No space left on device for {s!r}")


def test_what_nobody_takes_stops_no_command_and_no_interrupt(tmp_path: Path) -> None:
    command, _ = fake(tmp_path, "echo Updating; echo done >done")
    unheard = dataclasses.replace(command, out=Full())
    assert unheard.run("up", "--stack", "develop", deadline=Deadline.after(10), show=True).code == 0
    assert (tmp_path / "done").exists()
    fake(tmp_path, f'exec python3 -c "{_LISTENING}" {tmp_path}')
    with pytest.raises(Failed, match="was interrupted"):
        unheard.run("up", "--stack", "develop", deadline=Deadline.after(0.5), show=True)
    assert (tmp_path / "signals").read_text(encoding="utf-8") == "2\n"


def test_a_command_that_hangs_is_interrupted_once_and_waited_for(tmp_path: Path) -> None:
    # Not a shell, which cannot listen for what it was started to ignore; the CLI can.
    command, out = fake(tmp_path, f'exec python3 -c "{_LISTENING}" {tmp_path}')
    with pytest.raises(Failed, match=r"did not end within 1 s and was interrupted\.\n"):
        command.run("up", "--stack", "develop", deadline=Deadline.after(1), show=True)
    assert (tmp_path / "signals").read_text(encoding="utf-8") == "2\n"
    assert out.getvalue().endswith("ended in order\n")


_LISTENING = """
import signal, sys, time
stop = []
def listen(number, _):
    stop.append(number); open(sys.argv[1] + '/signals', 'a').write(f'{number}\\n')
signal.signal(signal.SIGINT, listen); signal.signal(signal.SIGTERM, listen)
print('Updating', flush=True)
while not stop: time.sleep(0.02)
time.sleep(0.5); print('ended in order')
"""


def test_a_command_that_ignores_the_interrupt_is_killed_and_the_message_says_what_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi, "PATIENCE", 0.5)
    command, _ = fake(tmp_path, "trap '' INT TERM; echo up; exec sleep 30")
    with pytest.raises(Failed, match="was killed") as failed:
        command.run("up", "--stack", "develop", deadline=Deadline.after(1), show=True)
    assert "still locked" in failed.value.message
    assert "pulumi cancel" in failed.value.way_out


def test_a_lock_is_waited_for_only_until_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "POLL", 0.2)
    command, out = fake(tmp_path, LOCKED)
    with pytest.raises(Locked, match="by ada on laptop"):
        command.run_locking("develop", "up", deadline=Deadline.after(1))
    assert set(calls(tmp_path)) == {"up --stack develop"}
    assert out.getvalue().count("waiting") == 1


def test_the_lock_of_a_process_that_still_runs_here_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi, "POLL", 0.2)
    monkeypatch.setattr(pulumi.socket, "gethostname", lambda: "laptop")
    command, _ = fake(tmp_path, LOCKED.replace("pid 7", f"pid {os.getpid()}"))
    with pytest.raises(Locked):
        command.run_locking("develop", "up", deadline=Deadline.after(0.5))
    assert "cancel --stack develop --yes" not in calls(tmp_path)


def test_a_lock_that_one_of_two_still_holds_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "POLL", 0.2)
    monkeypatch.setattr(pulumi.socket, "gethostname", lambda: "laptop")
    gone = LOCKED.splitlines()[2].replace("pid 7", f"pid {2**22 - 1}")
    command, _ = fake(tmp_path, LOCKED.replace("pid 7", f"pid {os.getpid()}").replace("\nEND", f"\n{gone}\nEND"))
    with pytest.raises(Locked, match=f"process {2**22 - 1}"):
        command.run_locking("develop", "up", deadline=Deadline.after(0.5))
    assert "cancel --stack develop --yes" not in calls(tmp_path)


def test_a_process_of_another_machine_is_never_taken_for_gone() -> None:
    assert not Holder(user="ada", host="another", pid=2**22 - 1, since="").gone


@pytest.mark.parametrize(
    "said",
    [
        "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE",
        "error: read .pulumi/meta.yaml: get credentials: failed to refresh cached credentials",
        "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
    ],
)
def test_a_missing_credential_is_wrong_use(said: str) -> None:
    assert isinstance(explain(Answer(code=255, stdout="", stderr=said), "it"), WrongUse)


@pytest.mark.parametrize(
    "said",
    [
        "error: failed to push registry.test/smallcase: unexpected status from HEAD request: 401 Unauthorized",
        "error: creating: push access denied, or may require authorization: no basic auth credentials",
        'error: getting host: exec: "docker-credential-ecr-login": executable file not found in $PATH',
    ],
)
def test_a_registry_that_nobody_has_a_password_for_is_a_missing_credential_helper(said: str) -> None:
    explained = explain(Answer(code=255, stdout="", stderr=said), "it")
    assert isinstance(explained, WrongUse)
    assert "credential helper" in explained.way_out


def test_errors_are_told_once_without_the_closing_words() -> None:
    said = "Updating\n  error: no room\nDiagnostics:\n    error: no room\n    error: update failed\n"
    said += "    error: expected resource operations for urn:pulumi:x::y::z::deployment but none were seen\n"
    assert Answer(code=255, stdout=said, stderr="").errors() == ["error: no room"]


def test_a_list_of_errors_is_told_with_what_is_in_it() -> None:
    said = "    error: 1 error occurred:\n    \t* deployments.apps is forbidden: an image is not ours\n    \n"
    said += "    error: 2 errors occurred:\n    \t* one\n    \t* two\n"
    assert Answer(code=255, stdout=said, stderr="").errors() == [
        "error: deployments.apps is forbidden: an image is not ours",
        "error: one; two",
    ]


@pytest.mark.parametrize(
    ("text", "seconds", "said"), [("90s", 90, "90 s"), ("35m", 2100, "35 min"), ("1h", 3600, "60 min")]
)
def test_durations_are_read_and_said(text: str, seconds: float, said: str) -> None:
    assert duration(text) == seconds
    assert duration_text(seconds) == said
