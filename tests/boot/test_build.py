"""A build of a pull request: a new user, a home and temporary directories of its own, and nothing of it is left."""

import re

import pytest

from tests.boot.machine import Machine
from tests.boot.test_controller import fails, succeeds

pytestmark = pytest.mark.rehearsal

AGENT = "/var/lib/jenkins-agent/preview"
LOOK = "id -u; id -gn; pwd; echo $HOME; cat {~,/tmp,/var/tmp,/dev/shm}/left 2>/dev/null; pgrep --count sleep; true"
LEAVE = "for place in ~ /tmp /var/tmp /dev/shm; do echo mine >$place/left; done; setsid /usr/bin/sleep 99 &>/dev/null &"
FOLDERS = "ls -A /var/lib/smallcase/builds"


def build(command: str) -> str:
    """As the controller starts the agent's program: logged in as jenkins, from a copy that it has put there."""
    return f"runuser -u jenkins -- sh -c {quoted(f'sudo --non-interactive /opt/smallcase/build.sh {quoted(command)}')}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture
def ready(agent: Machine) -> Machine:
    """An agent to which the controller has copied the agent's program."""
    put = f"mkdir -p {AGENT} && echo program >{AGENT}/remoting.jar && echo secret >{AGENT}/of-jenkins"
    succeeds(agent.run(f"runuser -u jenkins -- sh -c '{put}'"))
    return agent


def test_a_build_runs_as_nobody_that_was_there_before(ready: Machine) -> None:
    first, second = (succeeds(ready.run(build(LOOK))).splitlines() for _ in range(2))
    assert [first[0], second[0]] == ["100001", "100002"]
    assert [first[1], second[1]] == ["build-100001", "build-100002"]
    assert first[2:4] == ["/var/lib/jenkins-agent"] * 2
    assert first[4:] == ["0"]


def test_a_build_starts_in_an_empty_home_with_the_agents_program_and_the_plugins(ready: Machine) -> None:
    found = succeeds(ready.run(build(f"cd {AGENT} && cat remoting.jar && ls -A . .. && ls ~/.pulumi/plugins/")))
    assert re.fullmatch(
        r"program\n\.:\nremoting\.jar\n\n\.\.:\n\.pulumi\npreview\n"
        r"resource-aws-v\S+\nresource-docker-build-v\S+\nresource-kubernetes-v\S+\n",
        found,
    )


def test_nothing_that_a_build_leaves_meets_the_next_one(ready: Machine) -> None:
    said = succeeds(ready.run(f"{build(LEAVE)}; {build(LOOK)}; pgrep --count sleep || true; {FOLDERS}"))
    # Processes that are still there, as the next build sees them and as the host does; and no folder.
    assert said.splitlines()[4:] == ["0", "0"]
    assert "build-" not in ready.read("/etc/passwd")


def test_a_build_whose_connection_broke_is_ended_before_the_next_one(ready: Machine) -> None:
    """What starts builds is killed, so that nothing tidies up."""
    begun = "until [ -s /var/lib/smallcase/builds/build-100001/tmp/left ]; do /usr/bin/sleep 0.1; done"
    started = f"({build(f'{LEAVE} /usr/bin/sleep 300')} &)"
    broken = f"{{ {started}; {begun}; /usr/bin/sleep 1; pkill -KILL --full build.sh; }} >/dev/null 2>&1"
    left = succeeds(ready.run(f"{broken}; {FOLDERS}; {build(LOOK)}; {FOLDERS}")).splitlines()
    assert left[0] == "build-100001"
    assert left[5:] == ["0"]


@pytest.mark.parametrize(
    "attack",
    [
        "cat /var/lib/jenkins-agent/preview/of-jenkins",
        "sudo --non-interactive /opt/smallcase/build.sh id",
        "sudo --non-interactive true",
        "echo evil >/opt/smallcase/plugins/evil",
        "echo evil >~/.pulumi/plugins/evil",
        "echo evil >/opt/smallcase/home/evil",
        "echo evil >/usr/local/bin/git",
        "echo evil >/var/lib/smallcase/builds/evil",
        "mount -t tmpfs tmpfs /mnt",
        "unshare --user --map-root-user true && chroot /proc/1/root true",
        "cat /etc/shadow",
        "cat /etc/ssh/ssh_host_ed25519_key",
    ],
)
def test_a_build_reaches_nothing_of_the_host_or_of_others(ready: Machine, attack: str) -> None:
    fails(ready.run(build(attack)))


def test_a_build_can_write_in_its_own_places_alone(ready: Machine) -> None:
    """Whatever directory of the host is open to everybody."""
    ready.write("/srv/everybodys/.keep", "")
    succeeds(ready.run("chmod 1777 /srv/everybodys"))
    found = "find / -xdev -type d -writable 2>/dev/null; touch /srv/everybodys/evil; true"
    assert "everybodys" not in succeeds(ready.run(build(found))).replace(
        "touch: cannot touch '/srv/everybodys/evil'", ""
    )
    assert succeeds(ready.run("ls /srv/everybodys")) == ""


def test_what_a_build_is_and_says_arrives_unchanged(ready: Machine) -> None:
    """The agent speaks its protocol over standard input and output."""
    assert succeeds(ready.run(f"printf 'a\\0b\\n' | {build('cat | od -An -c')}")).split() == ["a", "\\0", "b", "\\n"]
    assert ready.run(build("exit 7")).returncode == 7


def test_jenkins_may_run_that_one_program_as_root_and_no_other(ready: Machine) -> None:
    succeeds(ready.run("visudo --check --quiet"))
    fails(ready.run("runuser -u jenkins -- sudo --non-interactive id"))
    assert "/opt/smallcase/build.sh" in succeeds(ready.run("runuser -u jenkins -- sudo --non-interactive --list"))
