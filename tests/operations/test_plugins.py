"""Whether the pinned checksums of plugins are those of their archives, with the sites stood in."""

import base64
import hashlib
import json
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import versions
from infra.plugins import plugins
from operations import plugins as operation
from operations.__main__ import main
from operations.plugins import check, listed, sha256_at, together, update_center
from pipeline.outcomes import Failed

RIGHT = {plugin.archive: hashlib.sha256(plugin.name.encode()).hexdigest() for plugin in plugins()}

JENKINS = {name: hashlib.sha256(name.encode()).hexdigest() for name in listed()}
CENTER = {
    name: {
        version: {"sha256": base64.b64encode(bytes.fromhex(JENKINS[name])).decode()},
        "0.1": {"sha256": "of another version"},
    }
    for name, version in listed().items()
}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    for plugin in plugins():
        monkeypatch.setattr(versions, plugin.pin, RIGHT[plugin.archive])
    monkeypatch.setattr(versions, "JENKINS_PLUGINS_SHA256", together(JENKINS))


def right(address: str) -> str:
    assert address.startswith(("https://get.pulumi.com/releases/plugins/", "https://github.com/pulumi/pulumi-"))
    return RIGHT[address.rpartition("/")[2]]


def but(archive: str, sha256: str, site: str = "") -> Callable[[str], str]:
    """Sites that are right but for one archive."""
    return lambda address: sha256 if address.endswith(archive) and site in address else right(address)


@pytest.mark.usefixtures("pinned")
def test_checksums_that_are_right_are_a_line_each() -> None:
    names = ["aws", "docker-build", "kubernetes", "Jenkins's"]
    assert [line.partition(" ")[0] for line in check(right, CENTER)] == names


def test_one_that_nobody_has_pinned_is_named_with_the_line_that_pins_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PULUMI_AWS_SHA256", "")
    with pytest.raises(Failed) as said:
        check(right, CENTER)
    [aws] = [plugin for plugin in plugins() if plugin.name == "aws"]
    assert f"aws {versions.PULUMI_AWS} (not pinned)" in str(said.value)
    assert f'\nPULUMI_AWS_SHA256: Final = "{RIGHT[aws.archive]}"' in str(said.value)


@pytest.mark.usefixtures("pinned")
def test_an_archive_that_was_replaced_is_said_to_have_been() -> None:
    [aws, *_] = plugins()
    with pytest.raises(Failed, match="an archive was replaced") as said:
        check(but(aws.archive, "f" * 64), CENTER)
    assert f"pinned is {RIGHT[aws.archive]}" in str(said.value)


@pytest.mark.usefixtures("pinned")
def test_sites_that_differ_are_both_shown_and_neither_is_offered() -> None:
    [aws, *_] = plugins()
    with pytest.raises(Failed, match="Use neither") as said:
        check(but(aws.archive, "f" * 64, site="github.com"), CENTER)
    assert f"{'f' * 64}  https://github.com/pulumi/pulumi-aws/" in str(said.value)
    assert "Final" not in str(said.value)


def test_the_plugins_of_jenkins_have_one_pin_and_the_line_that_would_be_right_is_shown() -> None:
    with pytest.raises(Failed, match="Jenkins's") as said:
        check(right, CENTER)
    assert f'\nJENKINS_PLUGINS_SHA256: Final = "{together(JENKINS)}"' in str(said.value)


@pytest.mark.usefixtures("pinned")
def test_a_plugin_of_jenkins_that_the_update_center_lacks_is_named() -> None:
    with pytest.raises(Failed, match=f"does not have git {listed()['git']}\\."):
        check(right, {**CENTER, "git": {"1": {"sha256": "another"}}})


def test_the_pin_is_what_the_controller_computes(tmp_path: Path) -> None:
    for name in JENKINS:
        (tmp_path / f"{name}.jpi").write_bytes(name.encode())
    command = "export LC_ALL=C && sha256sum -- *.jpi | sha256sum"
    said = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert said.stdout.split()[0] == together(JENKINS)


def test_what_is_at_an_address_is_summed_up_and_what_is_not_there_is_named() -> None:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/other" else 200)
            self.end_headers()
            self.wfile.write(b"archive" if self.path == "/archive" else json.dumps({"plugins": CENTER}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        site = f"http://127.0.0.1:{server.server_port}"
        assert sha256_at(f"{site}/archive") == hashlib.sha256(b"archive").hexdigest()
        assert update_center(f"{site}/plugin-versions.json") == CENTER
        for ask in (sha256_at, update_center):
            with pytest.raises(Failed, match=f"{site}/other cannot be had"):
                ask(f"{site}/other")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.usefixtures("pinned")
def test_the_command_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(operation, "sha256_at", right)
    monkeypatch.setattr(operation, "update_center", lambda: CENTER)
    assert main(["plugins"]) == 0
    assert "kubernetes" in capsys.readouterr().out
