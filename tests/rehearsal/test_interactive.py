"""The shell is started for real, with a start-up file that tries to lead it elsewhere."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearsal import places
from rehearsal.interactive import fish, shell_command
from rehearsal.surroundings import variables

ELSEWHERE = "export KUBECONFIG=/real/cluster AWS_ACCESS_KEY_ID=real PATH=/real/bin:$PATH GREETING=hello\n"


@pytest.mark.parametrize(("shell", "start_up"), [("bash", ".bashrc"), ("sh", "env")])
def test_what_the_users_start_up_file_sets_leads_no_tool_elsewhere(shell: str, start_up: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program
    (tmp_path / start_up).write_text(ELSEWHERE, encoding="utf-8")
    caller = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "ENV": str(tmp_path / "env")}
    rehearsed = variables(caller, programs=[Path("/tools/bin")], pulumi_home=Path("/tools/home"))
    argv, environment = shell_command(program, rehearsed, tmp_path)
    script = 'echo "$KUBECONFIG|${AWS_ACCESS_KEY_ID-none}|${PATH%%:*}|$GREETING"\n'
    ran = subprocess.run(
        argv, input=script, env=environment, capture_output=True, encoding="utf-8", check=True, timeout=20
    )
    first = rehearsed["PATH"].partition(":")[0]
    assert f"{places.state_directory() / 'kubeconfig'}|none|{first}|hello" in ran.stdout


def test_zsh_reads_its_users_file_first(tmp_path: Path) -> None:
    rehearsed = variables({"HOME": "/home/me"}, programs=[], pulumi_home=Path("/tools/home"))
    argv, environment = shell_command("/bin/zsh", rehearsed, tmp_path)
    read = (Path(environment["ZDOTDIR"]) / ".zshrc").read_text(encoding="utf-8")
    assert argv == ["/bin/zsh", "-i"]
    assert read.startswith("ZDOTDIR=/home/me\n")
    assert read.index('. "$ZDOTDIR/.zshrc"') < read.index("export KUBECONFIG=")


def test_fish_is_told_in_its_own_words() -> None:
    said = fish({"PATH": "/one:/it's", "KUBECONFIG": "/mine"})
    assert "set --global --export PATH '/one' '/it\\'s'" in said
    assert "set --global --export KUBECONFIG '/mine'" in said
