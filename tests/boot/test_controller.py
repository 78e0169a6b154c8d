"""The controller's boot, with its real user data, on a machine of its own."""

import subprocess

import pytest

from infra import versions
from infra.platform.boot import JENKINS
from tests.boot.conftest import (
    MANAGER,
    MANAGER_URL,
    PARAMETERS,
    PINS,
    SIGNER_URL,
    Start,
    checksum,
    fingerprint,
    plugins_checksum,
    signer,
)
from tests.boot.internet import Internet
from tests.boot.machine import Disk, Machine

pytestmark = pytest.mark.rehearsal

HOME = "/var/lib/jenkins"
KEY = f"{HOME}/agents/id_ed25519"
MOUNT = f"mount {HOME} && "


@pytest.fixture
def fresh(start: Start, volume: Disk) -> Machine:
    """A controller that has read its user data, with a volume that nobody has used."""
    return start("controller", volume)


def succeeds(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def fails(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode not in (0, 127), ran.stdout
    return ran.stdout.splitlines()[-1]


def test_cloud_init_writes_the_files_and_starts_the_boot(fresh: Machine) -> None:
    assert fresh.calls() == ["systemctl daemon-reload", "systemctl enable --now --no-block smallcase-boot.service"]
    modes = succeeds(fresh.run("stat --format '%a %U %n' /opt/smallcase/* /etc/smallcase/* /etc/jenkins/*"))
    assert modes.splitlines() == [
        *(f"755 root /opt/smallcase/{name}.sh" for name in ("boot", "keys", "lib")),
        "644 root /etc/smallcase/host.env",
        *(f"644 root /etc/jenkins/{name}" for name in ("jenkins.yaml", "one-build.groovy", "plugins.txt")),
    ]


def test_a_first_boot_ends_with_jenkins_of_the_pinned_version(fresh: Machine) -> None:
    fresh.calls()
    assert succeeds(fresh.boot()).splitlines()[-1] == f"smallcase: Jenkins {versions.JENKINS} runs"
    calls = [call for call in fresh.calls() if not call.startswith("java")]
    assert calls == [
        f"dnf install --quiet --assumeyes java-{versions.JAVA}-amazon-corretto-headless git fontconfig",
        f"dnf install --quiet --assumeyes jenkins-{versions.JENKINS}",
        "systemctl enable --now smallcase-keys.timer",
        "systemctl stop jenkins",
        "systemctl daemon-reload",
        "systemctl enable --now jenkins",
    ]


def test_systemd_finds_no_fault_in_the_units(controller: Machine) -> None:
    units = "smallcase-boot.service smallcase-keys.service smallcase-keys.timer jenkins.service"
    assert succeeds(controller.run(f"cd /etc/systemd/system && systemd-analyze verify {units} 2>&1")) == ""
    controller.write("/etc/systemd/system/jenkins.service.d/smallcase.conf", "[Service]\nEnviroment=A=b\n")
    assert "Unknown key 'Enviroment'" in controller.run("systemd-analyze verify jenkins.service 2>&1").stdout


def test_jenkins_home_is_on_the_volume_and_belongs_to_jenkins(controller: Machine) -> None:
    shown = succeeds(
        controller.run(f"{MOUNT} findmnt --noheadings --output FSTYPE,LABEL {HOME}; stat -c '%U %u' {HOME}")
    )
    assert shown.split() == ["xfs", "jenkins-home", "jenkins", "1990"]


def test_the_plugins_are_those_of_the_list_and_one_that_left_it_is_gone(controller: Machine) -> None:
    installed = f'{MOUNT} cd {HOME}/plugins && for plugin in *; do echo "${{plugin%.jpi}}:$(cat "$plugin")"; done'
    assert sorted(succeeds(controller.run(installed)).split()) == sorted(PINS)
    controller.write("/etc/jenkins/plugins.txt", "git:5.10.1\n")
    pinned, setting = plugins_checksum(["git:5.10.1"]), "/etc/smallcase/host.env"
    controller.write(setting, controller.read(setting).replace(plugins_checksum(PINS), pinned))
    succeeds(controller.boot())
    assert succeeds(controller.run(installed)).split() == ["git:5.10.1"]


def test_plugins_with_another_checksum_or_none_that_is_pinned_are_not_used(controller: Machine) -> None:
    installed = succeeds(controller.run(f"{MOUNT} ls {HOME}/plugins"))
    controller.write("/etc/jenkins/plugins.txt", "\n".join([*PINS[1:], "git-server:1\n"]))
    settings = controller.read("/etc/smallcase/host.env")
    said = (
        f"smallcase: these plugins do not have the checksum '{plugins_checksum(PINS)}' together, so they are not used"
    )
    assert fails(controller.boot()) == said
    controller.write("/etc/smallcase/host.env", settings.replace(plugins_checksum(PINS), ""))
    controller.calls()
    assert fails(controller.boot()).startswith(
        "smallcase: no checksum is pinned for Jenkins's plugins: run 'make plugins'"
    )
    assert not any(call.startswith("java") for call in controller.calls())
    assert succeeds(controller.run(f"{MOUNT} ls {HOME}/plugins")) == installed


def test_packages_are_believed_by_the_key_with_the_pinned_fingerprint_alone(fresh: Machine, reached: Internet) -> None:
    """Two keys in one file would both be trusted."""
    other = signer(modulus=(1 << 1023) + 7)
    for served in (other, signer() + other):
        reached.files[SIGNER_URL] = served
        said = f"smallcase: https://{SIGNER_URL} is not the key {fingerprint(signer())}, so it is not used"
        assert fails(fresh.boot()) == said
    assert not any("jenkins" in call for call in fresh.calls() if call.startswith("dnf"))
    reached.files[SIGNER_URL] = signer()
    succeeds(fresh.boot())
    assert "gpgkey=file:///opt/smallcase/jenkins.key" in fresh.read("/etc/yum.repos.d/jenkins.repo")


def test_jenkins_runs_the_script_of_the_repository_when_it_starts_and_no_other(controller: Machine) -> None:
    scripts = f"{HOME}/init.groovy.d"
    assert succeeds(controller.run(f"{MOUNT} cat {scripts}/*")) == (JENKINS / "one-build.groovy").read_text(
        encoding="utf-8"
    )
    succeeds(controller.run(f"{MOUNT} echo 'println 1' >{scripts}/by-hand.groovy"))
    succeeds(controller.boot())
    assert succeeds(controller.run(f"{MOUNT} ls {scripts}")) == "one-build.groovy\n"


def test_plugins_that_cannot_be_had_leave_jenkins_and_its_plugins_as_they_are(controller: Machine) -> None:
    controller.write("/etc/no-plugins", "")
    assert "cannot be downloaded" in fails(controller.boot())
    assert not any("jenkins" in call for call in controller.calls() if call.startswith("systemctl"))
    assert len(succeeds(controller.run(f"{MOUNT} ls {HOME}/plugins")).split()) == len(PINS)


def test_the_key_of_the_agents_is_jenkins_own_and_only_its_public_half_is_published(
    fresh: Machine, reached: Internet
) -> None:
    said = succeeds(fresh.boot())
    modes = succeeds(fresh.run(f"{MOUNT} stat --format '%a %U' {HOME}/agents {KEY}"))
    assert modes.splitlines() == ["700 jenkins", "600 jenkins"]
    private = succeeds(fresh.run(f"{MOUNT} cat {KEY}"))
    public = succeeds(fresh.run(f"{MOUNT} cat {KEY}.pub")).rpartition(" ")[0]
    assert reached.parameters[f"{PARAMETERS}/controller/key"] == public
    assert [name for name, value in reached.parameters.items() if value != "pending"] == [
        f"{PARAMETERS}/controller/key"
    ]
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert not any(line in said for line in private.splitlines())


def test_a_second_boot_changes_nothing(controller: Machine, reached: Internet) -> None:
    public = reached.parameters[f"{PARAMETERS}/controller/key"]
    table = controller.read("/etc/fstab")
    reached.asked.clear()
    said = succeeds(controller.boot())
    assert "mkfs" not in said
    assert table.count("LABEL=jenkins-home") == 1
    assert controller.read("/etc/fstab") == table
    assert reached.parameters[f"{PARAMETERS}/controller/key"] == public
    assert not [asked for asked in reached.asked if asked.startswith("PutParameter")]


def test_a_boot_that_is_tried_again_while_the_machine_runs_succeeds(fresh: Machine) -> None:
    succeeds(fresh.run("/opt/smallcase/boot.sh && /opt/smallcase/boot.sh"))


def test_a_replaced_controller_goes_on_with_what_is_on_the_volume(
    controller: Machine, start: Start, reached: Internet
) -> None:
    public = reached.parameters[f"{PARAMETERS}/controller/key"]
    succeeds(controller.run(f"{MOUNT} echo 41 >{HOME}/nextBuildNumber"))
    another = start("controller", controller.volume)
    succeeds(another.boot())
    assert succeeds(another.run(f"{MOUNT} cat {HOME}/nextBuildNumber")) == "41\n"
    assert reached.parameters[f"{PARAMETERS}/controller/key"] == public


def test_a_volume_that_does_not_come_is_waited_for_in_a_bounded_way_and_the_next_try_takes_it(
    start: Start, volume: Disk
) -> None:
    machine = start("controller")
    machine.calls()
    assert fails(machine.boot()) == f"smallcase: volume {volume.volume} is not attached"
    assert machine.calls() == ["sleep 5"] * 120
    succeeds(machine.attached(volume).boot())


def test_a_volume_with_another_file_system_is_not_touched(start: Start, volume: Disk) -> None:
    machine = start("controller", volume)
    succeeds(machine.run(f"mkfs.ext4 -q -L precious /dev/disk/by-id/{volume.link}"))
    message = f"smallcase: volume {volume.volume} holds no XFS called jenkins-home, and is left as it is"
    assert fails(machine.boot()) == message
    assert "precious" in succeeds(machine.run(f"blkid /dev/disk/by-id/{volume.link}"))
    assert not any("jenkins" in call for call in machine.calls() if call.startswith("dnf"))


def test_a_download_with_another_checksum_is_refused_and_the_next_try_takes_the_right_one(
    fresh: Machine, reached: Internet
) -> None:
    right = reached.files[MANAGER_URL]
    reached.files[MANAGER_URL] = b"another one"
    fresh.calls()
    message = f"smallcase: https://{MANAGER_URL} does not have the checksum '{checksum(MANAGER)}', so it is not used"
    assert fails(fresh.boot()) == message
    assert not any(call.startswith(("java", "systemctl")) for call in fresh.calls())
    assert "jar" not in succeeds(fresh.run("ls /opt/smallcase"))
    reached.files[MANAGER_URL] = right
    succeeds(fresh.boot())


def test_a_download_that_is_not_there_is_tried_again_and_then_named(fresh: Machine, reached: Internet) -> None:
    del reached.files[MANAGER_URL]
    assert fails(fresh.boot()) == f"smallcase: cannot fetch https://{MANAGER_URL}"
    assert reached.asked.count("CONNECT github.com") == 6


def test_a_site_that_is_not_what_it_says_is_not_believed(fresh: Machine) -> None:
    fresh.write("/etc/sites.pem", "")
    assert "cannot fetch" in fails(fresh.boot())
