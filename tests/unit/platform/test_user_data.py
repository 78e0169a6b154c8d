"""The user data of the hosts as the whole program renders it, by those who know: cloud-init and a linter of shells."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from infra.platform.boot import unpacked
from rehearsal.progress import Progress
from rehearsal.toolchain.debian import cloud_init
from tests.graph import WITH_DOMAIN, Graph, platform

INSTANCE: Final = "aws:ec2/instance:Instance"


def rendered(graph: Graph) -> Mapping[str, str]:
    """User data of each host, unpacked."""
    return {node.name: unpacked(node.text("userDataBase64")) for node in graph.of(INSTANCE)}


def files(text: str) -> Mapping[str, str]:
    """Files that user data writes."""
    return {entry["path"]: entry["content"] for entry in json.loads(text.partition("\n")[2])["write_files"]}


@pytest.fixture(scope="module", params=["as committed", "with everything"])
def hosts(request: pytest.FixtureRequest) -> Mapping[str, str]:
    return rendered(platform(**WITH_DOMAIN) if request.param == "with everything" else platform())


@pytest.mark.rehearsal
def test_cloud_init_accepts_the_user_data_of_every_host(hosts: Mapping[str, str], tmp_path: Path) -> None:
    program = cloud_init(Progress())
    for name, text in hosts.items():
        assert schema(program, tmp_path / name, text) == (0, ""), name


@pytest.mark.rehearsal
def test_cloud_init_refuses_what_it_does_not_know(hosts: Mapping[str, str], tmp_path: Path) -> None:
    program = cloud_init(Progress())
    text = hosts["controller"]
    for wrong in (text.replace('"permissions"', '"mode"'), text.replace("#cloud-config", "#cloud-conf")):
        assert wrong != text
        code, said = schema(program, tmp_path / "wrong", wrong)
        assert code != 0, said


def schema(program: Path, path: Path, text: str) -> tuple[int, str]:
    """Exit code of `cloud-init schema`, and what it says besides that a file is valid."""
    path.write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [program, "schema", "--config-file", path], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    said = (ran.stdout + ran.stderr).replace(f"Valid cloud-config: {path}", "")
    return ran.returncode, said.strip()


def test_the_scripts_as_they_arrive_on_a_host_pass_the_linter(hosts: Mapping[str, str], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("shellcheck")
    for host, text in hosts.items():
        scripts = {path: content for path, content in files(text).items() if path.endswith(".sh")}
        assert len(scripts) == (4 if host == "preview" else 3), host
        for path, content in scripts.items():
            target = tmp_path / host / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            # Where the checkout's copy stands is of no matter on a host: the linter follows the line as it runs there.
            target.write_text(
                content.replace(
                    "# shellcheck source=jenkins/boot/lib.sh",
                    f"# shellcheck source={tmp_path}/{host}/opt/smallcase/lib.sh",
                ),
                encoding="utf-8",
            )
        ran = subprocess.run(
            [program, "--external-sources", *sorted((tmp_path / host).rglob("*.sh"))],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, ""), host


def test_every_setting_of_a_host_is_known_when_it_boots(hosts: Mapping[str, str]) -> None:
    """A value that was left to chance ends up as `None` or as a placeholder."""
    for host, text in hosts.items():
        lines = files(text)["/etc/smallcase/host.env"].splitlines()
        values = dict(line.split("=", 1) for line in lines)
        # What nobody has pinned is refused at boot.
        optional = {"GITHUB_OWNER", "GITHUB_REPOSITORY", "GITHUB_APP_ID", "JENKINS_PLUGINS_SHA256"}
        assert {name for name, value in values.items() if value in ("''", "'None'", "'null'")} <= optional, host
        addresses = [value for name, value in values.items() if name.endswith(("_HOST", "_ADDRESS"))]
        assert addresses
        assert all(value.strip("'").startswith("10.") for value in addresses), host
