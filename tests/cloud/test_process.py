"""The stand-in cloud as a process."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal.cloud.account import Cloud
from rehearsal.cloud.server import PortTakenError, start

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortTakenError, match=f"the aws provider cannot listen on {address}: another process has"):
            start(Cloud(), {"aws": address})


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    arguments = ["--state", f"{tmp_path}/cloud.json", "--certificate-authority", f"{tmp_path}/missing.pem"]
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal.cloud", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == f"the stand-in cloud cannot read {tmp_path}/missing.pem: No such file or directory\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "authority.pem").write_text("authority", encoding="utf-8")
    serving = (
        "import rehearsal.cloud.__main__ as process; from rehearsal.places import Endpoint;"
        "process.AWS_PROVIDER = process.EKS_PROVIDER = Endpoint(host='127.0.0.1', port=0);"
        "raise SystemExit(process.main())"
    )
    arguments = ["--state", f"{tmp_path}/cloud.json", "--certificate-authority", f"{tmp_path}/authority.pem"]
    with subprocess.Popen(
        [sys.executable, "-c", serving, *arguments], cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        assert "aws on 127.0.0.1" in process.stderr.readline()
        time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""
