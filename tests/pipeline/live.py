"""An environment that is up in the stand-in account, and the verbs run on it as Jenkins runs them: by command line."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

import yaml

from rehearsal import project
from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.server import serve
from rehearsal.places import ACCOUNT
from rehearsal.project import LINKED, Overlay
from tests.engine.harness import Harness
from tests.pipeline.repository import Ran
from tests.stack_files import ALLOW_LIST, CHECKOUT

PASSWORD: Final = "a-registry-password"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
IMAGE: Final = "docker-build:index:Image"

_OVERLAY: Final = Overlay(
    platform={"aws:allowedAccountIds": [ACCOUNT], **ALLOW_LIST}, environment={"aws:allowedAccountIds": [ACCOUNT]}
)
FIRST: Final = "aws:sns/topic:Topic"
LAST: Final = "aws:sqs/queue:Queue"
SMALL: Final = f"""
import pulumi

page = open("app/smallcase/templates/page.html").read()
# `pulumi_aws` takes seconds to import.
first = pulumi.CustomResource("{FIRST}", "first", {{"tags": {{"page": page}}}})
pulumi.CustomResource("{LAST}", "last", {{"tags": {{"page": page}}}}, pulumi.ResourceOptions(depends_on=[first]))
"""
"""A program for what is about the engine and its lock, whatever the program: two resources, one after the other."""

_KUBECTL: Final = """#!/bin/sh
# Answers from files: the words up to the first option, joined by dashes.
words=
while [ $# -gt 0 ]; do
    case $1 in
        --kubeconfig) grep -q '"clusters"' "$2" || { echo "no kubeconfig" >&2; exit 1; }; shift ;;
        --namespace | --request-timeout | --selector | --field-selector | --output) shift ;;
        --*) ;;
        *) words="$words-$1" ;;
    esac
    shift
done
cat "${0%/*}/answers/${words#-}" 2>/dev/null && exit
echo "The connection to the server was refused" >&2
exit 1
"""


@final
@dataclass(frozen=True, kw_only=True)
class Live:
    """A checkout, a project directory of its own, and an account with the platform and `develop` in it."""

    directory: Path
    checkout: Path
    harness: Harness
    cloud: Cloud

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pipeline", *arguments]

    def variables(self, **more: str) -> dict[str, str]:
        """What Jenkins would set, for a push to `develop`."""
        return {
            **self.harness.environment,
            "PATH": os.pathsep.join([str(self.directory / "programs"), self.harness.environment["PATH"]]),
            "BRANCH_NAME": "develop",
            "PYTHONPATH": str(CHECKOUT),
            "SMALLCASE_PROJECT": str(self.harness.project),
            **more,
        }

    def verb(self, *arguments: str, **variables: str) -> Ran:
        ran = subprocess.run(
            self.command(*arguments),
            cwd=self.checkout,
            env=self.variables(**variables),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ran(code=ran.returncode, stdout=ran.stdout, stderr=ran.stderr)

    def plan(self) -> None:
        ran = self.verb("preview", "--save-plan", "reports/plan.json")
        assert ran.code == 0, ran.stderr

    def deploy(self, *more: str, **variables: str) -> Ran:
        return self.verb("deploy", "--plan", "reports/plan.json", *more, **variables)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.checkout,
            env=self.variables(JENKINS_SERVER_COOKIE="durable-1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def report(self, name: str) -> str:
        return (self.checkout / "reports" / name).read_text(encoding="utf-8")

    def locks(self) -> list[Path]:
        return list((self.directory / "state").glob(".pulumi/locks/**/*.json"))

    def live(self) -> dict[str, object]:
        """The Deployment's inputs as they are in the cluster."""
        (found,) = self.cloud.of(DEPLOYMENT)
        return cast("dict[str, object]", found.outputs["spec"])

    def commit(self, file: str, before: str, after: str) -> str:
        """Change a file, commit it, and say the commit."""
        path = self.checkout / file
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{file} no longer has {before!r}"
        path.write_text(text.replace(before, after), encoding="utf-8")
        git(self.checkout, "commit", "--quiet", "--all", "--message", f"change {file}")
        return git(self.checkout, "rev-parse", "HEAD")

    def configure(self, **values: object) -> None:
        """Let the project directory say something else for `develop`."""
        path = self.harness.project / "Pulumi.develop.yaml"
        content = cast("dict[str, dict[str, object]]", yaml.safe_load(path.read_text(encoding="utf-8")))
        content["config"] |= {f"smallcase:{key}": value for key, value in values.items()}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def kubectl(self, answers: Mapping[str, object]) -> None:
        """What the cluster answers to `get-pods` and the like; text as it is, the rest as JSON."""
        folder = self.directory / "programs" / "answers"
        folder.mkdir(exist_ok=True)
        for words, answer in answers.items():
            (folder / words).write_text(answer if isinstance(answer, str) else json.dumps(answer), encoding="utf-8")


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", directory, *identity, *arguments], check=True, capture_output=True, encoding="utf-8", timeout=30
    ).stdout.strip()


def make_checkout(directory: Path) -> Path:
    """The program as it is in the working tree, committed to a repository of its own, on no branch."""
    directory.mkdir(parents=True)
    for source in (*(CHECKOUT / name for name in LINKED), *CHECKOUT.glob("Pulumi.*.yaml")):
        target = directory / source.name
        if source.name.startswith("."):
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        else:
            shutil.copy2(source, target)
    (directory / ".gitignore").write_text(".venv\n__pycache__\nreports\n", encoding="utf-8")
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "the program")
    git(directory, "checkout", "--quiet", "--detach")
    return directory


@contextmanager
def found(
    directory: Path, checkout: Path, pulumi: Path, copy_of: "Live | None" = None, program: str = ""
) -> Generator[Live]:
    """An account with nothing in it, or a copy of another that may be ruined; with the program of the checkout, unless
    another is given."""
    directory.mkdir(parents=True, exist_ok=True)
    if copy_of:
        shutil.copy2(copy_of.directory / "cloud.json", directory)
    cloud = Cloud(Settings(registry_password=PASSWORD, directory=directory / "project"), state=directory / "cloud.json")
    with serve(cloud) as ports:
        harness = Harness.create(directory, pulumi, ports, name="smallcase")
        programs = directory / "programs"
        programs.mkdir()
        (programs / "kubectl").write_text(_KUBECTL, encoding="utf-8")
        (programs / "kubectl").chmod(0o755)
        (harness.project / "Pulumi.yaml").unlink()
        if copy_of:
            for part in ("project", "state"):
                shutil.rmtree(directory / part)
                shutil.copytree(copy_of.directory / part, directory / part, symlinks=True)
        else:
            project.generate(checkout, harness.project, _OVERLAY)
            if program:
                (harness.project / "__main__.py").unlink()
                harness.write(program)
        yield Live(directory=directory, checkout=checkout, harness=harness, cloud=cloud)


def up(live: Live, stacks: Sequence[str]) -> None:
    for stack in stacks:
        for command in (("stack", "init", stack, "--no-select"), ("up", "--stack", stack, "--yes", "--skip-preview")):
            ran = live.harness.pulumi(*command)
            assert ran.code == 0, ran.output
