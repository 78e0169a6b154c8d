"""What people type themselves: the project's own verbs, on the real engine."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from tests.engine.harness import Outcome
from tests.engine.world import World

WITHIN: Final = 100
"""Seconds after which a verb is taken to hang."""
KUBECTL: Final = """\
#!{python}
# `kubectl get KIND --all-namespaces --output json` on the account's file; a file `unreachable` takes the API away.
import json, pathlib, sys
here = pathlib.Path(__file__).resolve().parent
if (here / "unreachable").exists():
    sys.exit("Unable to connect to the server: dial tcp: i/o timeout")
kind = {{"ingresses.networking.k8s.io": "Ingress", "targetgroupbindings.elbv2.k8s.aws": "TargetGroupBinding"}}
asked = sys.argv[sys.argv.index("get") + 1]
if asked.startswith("ingress/"):  # none that is protected
    sys.exit(print(json.dumps({{"items": []}})))
wanted = kind[asked]
found = [one["id"].split("/") for one in json.loads(pathlib.Path({account!r}).read_text())
         if one["type"].startswith("kubernetes:") and one["type"].endswith(":" + wanted)]
print(json.dumps({{"items": [{{"metadata": {{"namespace": one[0], "name": one[1]}}}} for one in found]}}))
"""


AWS: Final = """\
#!/bin/sh
# `aws sts assume-role`: the stand-ins let everybody.
printf '{"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}}'
"""


@final
@dataclass(frozen=True, kw_only=True)
class Operator:
    """A person at a terminal in a checkout, with `pulumi` and `kubectl` on PATH."""

    world: World
    checkout: Path
    programs: Path

    def lose_the_cluster(self) -> None:
        (self.programs / "unreachable").touch()

    def start(self, *verb: str) -> "subprocess.Popen[str]":
        """A verb, by its module and its arguments."""
        environment = dict(self.world.harness.environment)
        return subprocess.Popen(
            [sys.executable, "-m", *verb],
            cwd=self.checkout,
            env={**environment, "PATH": f"{self.programs}{os.pathsep}{environment['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def ran(self, *verb: str) -> Outcome:
        return self.end(self.start(*verb))

    def end(self, running: "subprocess.Popen[str]") -> Outcome:
        try:
            stdout, stderr = running.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
        return Outcome(code=running.returncode, stdout=stdout, stderr=stderr)


def operator_of(world: World, directory: Path) -> Operator:
    """With a checkout of what is up in a world."""
    checkout, programs = directory / "checkout", directory / "programs"
    shutil.copytree(world.harness.project, checkout, symlinks=True)
    for package in ("operations", "pipeline"):
        shutil.copytree(world.checkout / package, checkout / package)
    subprocess.run(["git", "init", "--quiet", checkout], check=True)
    programs.mkdir()
    account = str(world.directory / "cloud.json")
    for name, text in (("kubectl", KUBECTL.format(python=sys.executable, account=account)), ("aws", AWS)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    return Operator(world=world, checkout=checkout, programs=programs)
