"""An agent's boot, with its real user data, on a machine of its own; and the controller's way in."""

import re

import pytest

from infra import versions
from tests.agent_programs import agent_programs
from tests.boot.conftest import KUBECTL_URL, PARAMETERS, PLUGINS, PULUMI_URL, Start, plugin_url
from tests.boot.internet import Internet
from tests.boot.machine import Machine
from tests.boot.test_controller import HOME, KEY, MOUNT, fails, succeeds

pytestmark = pytest.mark.rehearsal

WORK = "/var/lib/jenkins-agent"


@pytest.fixture
def fresh(start: Start) -> Machine:
    """An agent that has read its user data."""
    return start("preview")


@pytest.mark.parametrize("label", ["preview", "open", "deploy"])
def test_a_first_boot_ends_with_the_pinned_tools_in_the_hands_of_jenkins(start: Start, label: str) -> None:
    fresh = start(label)
    assert succeeds(fresh.boot()).splitlines()[-1] == f"smallcase: agent {label} is ready"
    tools = "python3 --version; uv --version; pulumi version; pulumi-language-python; git --version; id -u"
    said = succeeds(fresh.run(f"runuser -u jenkins -- bash -c 'cd {WORK}; {tools}'"))
    lines = said.splitlines()
    assert lines[0].startswith(f"Python {versions.PYTHON}.")
    assert lines[1].startswith(f"uv {versions.UV}")
    assert lines[2:4] == [f"v{versions.PULUMI}"] * 2
    assert lines[5] == "1990"
    assert succeeds(fresh.run(f"stat --format '%a %U' {WORK}")) == "700 jenkins\n"


def test_who_builds_images_has_docker_a_builder_and_the_registrys_helper(builder: Machine) -> None:
    assert succeeds(builder.run("runuser -u jenkins -- id -Gn")) == "jenkins docker\n"
    pinned = f"image=moby/buildkit:v{versions.BUILDKIT}@{versions.BUILDKIT_DIGEST} "
    assert pinned in succeeds(builder.run("cat /tmp/builder-smallcase"))
    config = f"cat {WORK}/.docker/config.json && docker-credential-ecr-login get"
    assert succeeds(builder.run(f"runuser -u jenkins -- bash -c '{config}'")).splitlines() == [
        '{"credsStore": "ecr-login"}',
        "the registry: get",
    ]


def test_the_agent_of_pull_requests_has_no_docker(agent: Machine) -> None:
    """Who is in its group is root."""
    assert succeeds(agent.run("runuser -u jenkins -- id -Gn")) == "jenkins\n"
    assert succeeds(agent.run("getent group docker || command -v docker || echo none")) == "none\n"


def test_the_plugins_are_those_of_the_pins_and_no_build_can_change_them(agent: Machine, builder: Machine) -> None:
    for machine, home in ((builder, WORK), (agent, "/opt/smallcase/home")):
        found = succeeds(
            machine.run(f"cd {home}/.pulumi/plugins/ && for plugin in */*; do echo $plugin $($plugin); done")
        )
        names = [plugin.rpartition("-v")[0] for plugin in PLUGINS.values()]
        expected = [
            f"resource-{plugin}/pulumi-resource-{name}" for name, plugin in zip(names, PLUGINS.values(), strict=True)
        ]
        assert [line.partition(" ")[0] for line in found.splitlines()] == expected
        assert [line.partition(" ")[2] for line in found.splitlines()] == list(PLUGINS.values())
        others = "find -L /opt/smallcase/plugins ! -user root -o -perm /022"
        assert succeeds(machine.run(others)) == ""


def test_a_plugin_without_a_checksum_is_refused_with_what_to_do(fresh: Machine, reached: Internet) -> None:
    settings = fresh.read("/etc/smallcase/host.env")
    fresh.write("/etc/smallcase/host.env", re.sub(r"(aws:[\d.]+:)[0-9a-f]{64}", r"\1", settings))
    refusal = f"smallcase: no checksum is pinned for the plugin aws {versions.PULUMI_AWS}: "
    assert fails(fresh.boot()) == f"{refusal}run 'make plugins', and commit what it says"
    assert not any("plugins/pulumi-resource-aws" in asked for asked in reached.asked)


@pytest.mark.parametrize("label", ["preview", "deploy"])
def test_jenkins_finds_every_program_that_a_stage_calls(agent: Machine, builder: Machine, label: str) -> None:
    machine, missing = (agent, {"docker"}) if label == "preview" else (builder, set[str]())
    programs = sorted(agent_programs() - missing)
    said = succeeds(machine.run(f"runuser -u jenkins -- bash -c 'cd {WORK}; command -v {' '.join(programs)}'"))
    assert [path.rpartition("/")[2] for path in said.splitlines()] == programs
    assert succeeds(machine.run("runuser -u jenkins -- kubectl")) == "the kubectl\n"


def test_a_uv_with_another_checksum_is_not_installed(fresh: Machine) -> None:
    settings = fresh.read("/etc/smallcase/host.env")
    fresh.write("/etc/smallcase/host.env", settings.replace(versions.UV_SHA256, "f" * 64))
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in fresh.boot().stdout
    assert fresh.run("command -v uv").returncode == 1


def test_systemd_finds_no_fault_in_the_units(agent: Machine) -> None:
    units = "smallcase-boot.service smallcase-keys.service smallcase-keys.timer"
    assert succeeds(agent.run(f"cd /etc/systemd/system && systemd-analyze verify {units} 2>&1")) == ""


def test_the_ssh_server_takes_keys_of_jenkins_and_nothing_else(agent: Machine) -> None:
    settings = succeeds(agent.run("sshd -T -C user=jenkins,host=controller,addr=10.42.192.10")).splitlines()
    assert {
        "allowusers jenkins",
        "authenticationmethods publickey",
        "authorizedkeysfile /etc/ssh/authorized_keys.d/%u",
        "permitrootlogin no",
    } <= set(settings)


def test_a_second_boot_changes_nothing(agent: Machine, reached: Internet) -> None:
    reached.asked.clear()
    succeeds(agent.boot())
    assert reached.asked == [f"GetParameter {PARAMETERS}/preview/host-key"]
    assert not any("restart" in call for call in agent.calls())


@pytest.mark.parametrize(
    ("program", "url"),
    [("pulumi", PULUMI_URL), ("kubectl", KUBECTL_URL), ("resource-aws", plugin_url(PLUGINS["AWS"]))],
)
def test_a_download_with_another_checksum_is_refused_and_the_next_try_takes_the_right_one(
    fresh: Machine, reached: Internet, program: str, url: str
) -> None:
    right = reached.files[url]
    reached.files[url] = b"something else"
    refused = rf"smallcase: https://{url} does not have the checksum '[0-9a-f]{{64}}', so it is not used"
    assert re.fullmatch(refused, fails(fresh.boot()))
    places = "/usr/local /usr/local/bin /opt/smallcase /opt/smallcase/plugins"
    assert f"\n{program}" not in fresh.run(f"ls -d {places.replace(' ', '/* ')}/* | sed 's|.*/||'").stdout
    reached.files[url] = right
    succeeds(fresh.boot())


def test_a_kubectl_of_another_version_is_replaced(agent: Machine, reached: Internet) -> None:
    agent.write("/usr/local/bin/kubectl", "another version")
    reached.asked.clear()
    succeeds(agent.boot())
    assert reached.asked[0] == f"GET {KUBECTL_URL}"
    assert succeeds(agent.run("kubectl")) == "the kubectl\n"


def test_an_agent_with_a_fresh_root_volume_is_an_agent_again_and_known_under_its_new_key(
    agent: Machine, controller: Machine, start: Start, reached: Internet
) -> None:
    learn = f"{MOUNT} /opt/smallcase/keys.sh && cat {HOME}/.ssh/known_hosts"
    name, address = f"{PARAMETERS}/preview/host-key", "10.42.0.10"
    reached.parameters[name] = before = succeeds(
        agent.run("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    ).strip()
    assert f"{address} {before}\n" in succeeds(controller.run(learn))
    agent.write("/usr/local/bin/left", "by somebody who became root")
    restarted = start("preview")
    succeeds(restarted.run("rm /etc/ssh/ssh_host_* && ssh-keygen -q -A"))
    assert succeeds(restarted.boot()).splitlines()[-1] == "smallcase: agent preview is ready"
    assert reached.parameters[name] != before
    assert f"{address} {reached.parameters[name]}\n" in succeeds(controller.run(learn))
    fails(restarted.run("cat /usr/local/bin/left"))


def test_an_agent_waits_for_a_controller_that_has_published_nothing(agent: Machine) -> None:
    assert succeeds(agent.run("/opt/smallcase/keys.sh")) == "smallcase: the controller has not published its key yet\n"
    assert succeeds(agent.run("ls /etc/ssh/authorized_keys.d")) == ""


@pytest.mark.parametrize(
    "written",
    ["ssh-ed25519 AAAA\nssh-ed25519 BBBB", "ssh-ed25519 AAAA\n10.42.0.11 ssh-ed25519 BBBB", "cert-authority", "AAAA x"],
)
def test_a_host_that_publishes_more_than_a_key_is_not_believed(
    controller: Machine, agent: Machine, reached: Internet, written: str
) -> None:
    known = succeeds(controller.run(f"{MOUNT} cat {HOME}/.ssh/known_hosts || true"))
    for parameter, host, keys in (
        ("preview/host-key", controller, f"{MOUNT} /opt/smallcase/keys.sh"),
        ("controller/key", agent, "/opt/smallcase/keys.sh"),
    ):
        reached.parameters[f"{PARAMETERS}/{parameter}"] = written
        message = f"smallcase: the parameter {parameter} holds no public key, and is not believed"
        assert fails(host.run(keys)) == message
    assert succeeds(controller.run(f"{MOUNT} cat {HOME}/.ssh/known_hosts || true")) == known
    assert "BBBB" not in succeeds(agent.run("cat /etc/ssh/authorized_keys.d/* || true"))


def test_hosts_that_have_booted_know_each_other_and_nobody_else_comes_in(
    controller: Machine, agent: Machine, reached: Internet
) -> None:
    reached.parameters[f"{PARAMETERS}/deploy/host-key"] = "ssh-ed25519 another"
    succeeds(agent.run("/opt/smallcase/keys.sh"))
    succeeds(controller.run(f"{MOUNT} /opt/smallcase/keys.sh"))
    assert succeeds(controller.run(f"{MOUNT} /opt/smallcase/keys.sh")) == "", "nothing has changed"
    mine, other, agents = "10.42.192.10", "10.42.192.11", "10.42.0.10"
    addresses = [f"ip address add {address}/32 dev lo" for address in (mine, other, agents)]
    serve = " && ".join([*addresses, "ip link set lo up", "exec /usr/sbin/sshd -D -e"])

    with agent.running(serve, until="Server listening") as server:

        def log_in(who: str = "jenkins", source: str = mine, key: str = KEY) -> str:
            options = f"-o BatchMode=yes -o StrictHostKeyChecking=yes -b {source} -i {key}"
            ssh = f"runuser -u jenkins -- ssh {options} -o UserKnownHostsFile={HOME}/.ssh/known_hosts"
            other = "runuser -u jenkins -- ssh-keygen -q -t ed25519 -N '' -f /tmp/other <<<y >/dev/null"
            return controller.run(f"{MOUNT} {other}; {ssh} {who}@{agents} id -un", beside=server).stdout

        assert log_in() == "jenkins\n"
        assert "Permission denied (publickey)" in log_in(who="root")
        assert "Permission denied (publickey)" in log_in(source=other)
        assert "Permission denied (publickey)" in log_in(key="/tmp/other")
        reached.parameters[f"{PARAMETERS}/preview/host-key"] = reached.parameters[f"{PARAMETERS}/controller/key"]
        assert "have changed" in succeeds(controller.run(f"{MOUNT} /opt/smallcase/keys.sh"))
        assert "Host key verification failed" in log_in()
