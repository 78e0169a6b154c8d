"""What the hosts do when they boot."""

import base64
import configparser
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from infra import versions
from infra.platform.boot import JENKINS, LIMIT, Agent, Controller, unpacked
from infra.plugins import plugins
from tests.agent_programs import agent_programs

CONTROLLER = Controller(
    region="us-east-1",
    account="123456789012",
    parameters="/smallcase-platform/jenkins",
    home_volume="vol-0123456789abcdef0",
    url="https://jenkins.example.org",
    repository="example/smallcase",
    github_app="123456",
    agents={"preview": "10.42.0.10", "open": "10.42.0.11", "deploy": "10.42.0.12"},
    labels={"preview": "preview", "open": "open", "deploy": "deploy"},
)
AGENT = Agent(
    label="deploy",
    region="us-east-1",
    parameters="/smallcase-platform/jenkins",
    controller_address="10.42.192.10",
)
PREVIEW = replace(AGENT, label="preview")
HOSTS: tuple[Controller | Agent, ...] = (CONTROLLER, AGENT, PREVIEW)


def files(host: Controller | Agent) -> dict[str, str]:
    """Files that a host writes when it boots."""
    config = json.loads(unpacked(host.user_data()).removeprefix("#cloud-config\n"))
    return {entry["path"]: entry["content"] for entry in config["write_files"]}


def environment(host: Controller | Agent) -> dict[str, str]:
    """Settings that a host's scripts see."""
    lines = files(host)["/etc/smallcase/host.env"].splitlines()
    pairs = [line.partition("=") for line in lines]
    assert all(value[0] == value[-1] == "'" for _, _, value in pairs)
    return {name: value[1:-1] for name, _, value in pairs}


def unit(host: Controller | Agent, name: str) -> Mapping[str, Mapping[str, str]]:
    """A systemd unit, by section and key."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read_string(files(host)[f"/etc/systemd/system/{name}"])
    return {section: dict(parser[section]) for section in parser.sections()}


@pytest.mark.parametrize("host", HOSTS)
def test_the_same_settings_give_the_same_bytes_or_every_preview_would_replace_the_host(
    host: Controller | Agent,
) -> None:
    assert host.user_data() == host.user_data()


@pytest.mark.parametrize("host", HOSTS)
def test_user_data_fits(host: Controller | Agent) -> None:
    assert len(base64.b64decode(host.user_data())) <= LIMIT


@pytest.mark.parametrize("host", HOSTS)
def test_every_variable_that_a_script_reads_is_set(host: Controller | Agent) -> None:
    settings = environment(host)
    for path, text in files(host).items():
        if path.endswith(".sh"):
            used = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", text))
            assigned = set(re.findall(r"^\s*([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
            assert used - assigned - settings.keys() == set(), path


@pytest.mark.parametrize("host", HOSTS)
def test_a_shell_reads_the_settings_as_they_were_written(host: Controller | Agent, tmp_path: Path) -> None:
    settings = environment(host)
    (tmp_path / "host.env").write_text(files(host)["/etc/smallcase/host.env"], encoding="utf-8")
    command = f"set -a; . {tmp_path}/host.env; exec env"
    shown = subprocess.run(["sh", "-c", command], env={}, capture_output=True, encoding="utf-8", check=True).stdout
    assert {f"{name}={value}" for name, value in settings.items()} <= set(shown.splitlines())


@pytest.mark.parametrize("host", HOSTS)
def test_what_a_host_does_by_itself_is_bounded_and_tried_again(host: Controller | Agent) -> None:
    boot = unit(host, "smallcase-boot.service")["Service"]
    assert (boot["Restart"], boot["RestartSec"], boot["TimeoutStartSec"]) == ("on-failure", "30", "1800")
    keys, timer = unit(host, "smallcase-keys.service"), unit(host, "smallcase-keys.timer")["Timer"]
    assert int(keys["Service"]["TimeoutStartSec"]) <= int(timer["OnUnitInactiveSec"]) <= 60


def test_jenkins_never_starts_without_its_volume() -> None:
    path = "jenkins.service.d/smallcase.conf"
    assert unit(CONTROLLER, path)["Unit"]["RequiresMountsFor"] == "/var/lib/jenkins"


def test_versions_are_the_pinned_ones() -> None:
    assert environment(CONTROLLER)["JENKINS_VERSION"] == versions.JENKINS
    assert environment(CONTROLLER)["PLUGIN_MANAGER_VERSION"] == versions.JENKINS_PLUGIN_MANAGER
    assert environment(CONTROLLER)["PLUGIN_MANAGER_SHA256"] == versions.JENKINS_PLUGIN_MANAGER_SHA256
    assert environment(AGENT)["PULUMI_VERSION"] == versions.PULUMI
    assert environment(AGENT)["PULUMI_SHA256"] == versions.PULUMI_SHA256
    assert environment(AGENT)["KUBECTL_VERSION"] == versions.KUBECTL
    assert environment(AGENT)["KUBECTL_SHA256"] == versions.KUBECTL_SHA256
    assert 'dnf install --quiet --assumeyes "jenkins-$JENKINS_VERSION"' in files(CONTROLLER)["/opt/smallcase/boot.sh"]
    assert "--latest=false" in files(CONTROLLER)["/opt/smallcase/boot.sh"]


def test_agents_get_every_plugin_of_an_environment_with_its_pin() -> None:
    pins = [f"{plugin.name}:{plugin.version}:{plugin.sha256}" for plugin in plugins()]
    assert environment(AGENT)["PULUMI_PLUGINS"].split(" ") == pins
    assert {plugin.name for plugin in plugins()} == {"aws", "docker-build", "kubernetes"}


def test_the_agent_of_pull_requests_alone_makes_a_user_for_each_build() -> None:
    assert "/opt/smallcase/build.sh" in files(PREVIEW)
    assert "/opt/smallcase/build.sh" not in files(AGENT)


def test_every_program_that_a_stage_calls_is_one_that_agents_are_said_to_have() -> None:
    said = (JENKINS / "README.md").read_text(encoding="utf-8").partition("On each agent:")[2].partition("\n## ")[0]
    assert {"git", "kubectl", "pulumi", "uv"} < agent_programs()
    assert [program for program in sorted(agent_programs()) if f"`{program}`" not in said] == []


def test_no_script_takes_the_newest_of_anything() -> None:
    assert not [
        path.name
        for path in JENKINS.glob("boot/*.sh")
        if re.search(r"(?<!/)\blatest\b(?!=false)", path.read_text(encoding="utf-8"))
    ]


def test_the_plugins_and_the_configuration_of_the_repository_arrive_on_the_controller() -> None:
    written = files(CONTROLLER)
    for name in ("plugins.txt", "jenkins.yaml", "one-build.groovy"):
        assert written[f"/etc/jenkins/{name}"] == (JENKINS / name).read_text(encoding="utf-8")
    assert not any("/etc/jenkins" in path for path in files(AGENT))


def test_only_the_controller_may_come_in_and_only_to_run_a_command() -> None:
    keys = files(AGENT)["/opt/smallcase/keys.sh"]
    assert 'restrict,from=\\"$CONTROLLER_ADDRESS\\"' in keys
    assert environment(AGENT)["CONTROLLER_ADDRESS"] == "10.42.192.10"


@pytest.mark.parametrize("host", HOSTS)
def test_the_private_key_is_made_on_the_controller_and_never_written_by_user_data(host: Controller | Agent) -> None:
    assert "ssh-keygen" in files(CONTROLLER)["/opt/smallcase/boot.sh"]
    assert "PRIVATE KEY" not in unpacked(host.user_data())


def test_too_many_files_for_user_data_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.platform.boot.LIMIT", 100)
    with pytest.raises(ValueError, match="user data takes 100"):
        AGENT.user_data()


def test_the_scripts_pass_the_linter() -> None:
    program = str(Path(sys.executable).with_name("shellcheck"))
    scripts = sorted(map(str, JENKINS.glob("boot/*.sh")))
    assert len(scripts) == 6
    ran = subprocess.run(
        [program, "--external-sources", *scripts],
        cwd=JENKINS.parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_a_volume_that_holds_data_is_never_formatted(tmp_path: Path) -> None:
    """The part of the script that formats, run with stand-ins for the programs it calls."""
    script = (JENKINS / "boot" / "controller.sh").read_text(encoding="utf-8")
    [part] = re.findall(r"if ! blkid.*?\nfi\n", script, re.DOTALL)
    for blkid, expected in ((0, False), (2, True)):
        for name, code in (("blkid", blkid), ("lsblk", 0), ("mkfs.xfs", 0)):
            stub = tmp_path / name
            stub.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/calls\nexit {code}\n", encoding="utf-8")
            if name == "lsblk":
                stub.write_text("#!/bin/sh\n", encoding="utf-8")
            stub.chmod(0o755)
        (tmp_path / "calls").write_text("", encoding="utf-8")
        subprocess.run(
            ["bash", "-euc", f"DEVICE=/dev/null\nsay() {{ :; }}\n{part}"],
            env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
            check=True,
        )
        assert ("mkfs.xfs" in (tmp_path / "calls").read_text(encoding="utf-8")) is expected


def test_the_controller_has_every_variable_that_jenkins_configuration_reads() -> None:
    configuration = JENKINS / "jenkins.yaml"
    read = (
        set(re.findall(r"\$\{([A-Z_]+)\}", configuration.read_text(encoding="utf-8")))
        if configuration.exists()
        else set[str]()
    )
    expected = {"AGENT_DEPLOY_HOST", "AGENT_OPEN_HOST", "AGENT_PREVIEW_HOST", "AWS_REGION", "GITHUB_APP_ID"}
    expected |= {"GITHUB_OWNER", "GITHUB_REPOSITORY", "JENKINS_URL", "PULUMI_BACKEND_URL"}
    assert read | expected <= environment(CONTROLLER).keys()
