"""Whether the pinned checksums of provider plugins are those of their archives, with both sites stood in."""

import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra import versions
from infra.plugins import plugins
from operations import plugins as operation
from operations.__main__ import main
from operations.plugins import check, sha256_at
from pipeline.outcomes import Failed

RIGHT = {plugin.archive: hashlib.sha256(plugin.name.encode()).hexdigest() for plugin in plugins()}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    for plugin in plugins():
        monkeypatch.setattr(versions, plugin.pin, RIGHT[plugin.archive])


def right(address: str) -> str:
    assert address.startswith(("https://get.pulumi.com/releases/plugins/", "https://github.com/pulumi/pulumi-"))
    return RIGHT[address.rpartition("/")[2]]


def but(archive: str, sha256: str, site: str = "") -> Callable[[str], str]:
    """Sites that are right but for one archive."""
    return lambda address: sha256 if address.endswith(archive) and site in address else right(address)


@pytest.mark.usefixtures("pinned")
def test_checksums_that_are_right_are_a_line_each() -> None:
    assert [line.partition(" ")[0] for line in check(right)] == ["aws", "docker-build", "kubernetes"]


def test_one_that_nobody_has_pinned_is_named_with_the_line_that_pins_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PULUMI_AWS_SHA256", "")
    with pytest.raises(Failed) as said:
        check(right)
    [aws] = [plugin for plugin in plugins() if plugin.name == "aws"]
    assert f"aws {versions.PULUMI_AWS} (not pinned)" in str(said.value)
    assert f'\nPULUMI_AWS_SHA256: Final = "{RIGHT[aws.archive]}"' in str(said.value)


@pytest.mark.usefixtures("pinned")
def test_an_archive_that_was_replaced_is_said_to_have_been() -> None:
    [aws, *_] = plugins()
    with pytest.raises(Failed, match="an archive was replaced") as said:
        check(but(aws.archive, "f" * 64))
    assert f"pinned is {RIGHT[aws.archive]}" in str(said.value)


@pytest.mark.usefixtures("pinned")
def test_sites_that_differ_are_both_shown_and_neither_is_offered() -> None:
    [aws, *_] = plugins()
    with pytest.raises(Failed, match="Use neither") as said:
        check(but(aws.archive, "f" * 64, site="github.com"))
    assert f"{'f' * 64}  https://github.com/pulumi/pulumi-aws/" in str(said.value)
    assert "Final" not in str(said.value)


def test_what_is_at_an_address_is_summed_up_and_what_is_not_there_is_named() -> None:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/archive" else 404)
            self.end_headers()
            self.wfile.write(b"archive")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        site = f"http://127.0.0.1:{server.server_port}"
        assert sha256_at(f"{site}/archive") == hashlib.sha256(b"archive").hexdigest()
        with pytest.raises(Failed, match=f"{site}/other cannot be had"):
            sha256_at(f"{site}/other")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.usefixtures("pinned")
def test_the_command_says_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(operation, "sha256_at", right)
    assert main(["plugins"]) == 0
    assert "kubernetes" in capsys.readouterr().out
