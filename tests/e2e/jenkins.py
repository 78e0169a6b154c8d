"""Builds as Jenkins runs them: the Jenkinsfile says which commands run, on which agent and in which checkout, and they
run for real, each with the rights of that agent.

What Jenkins has around them is stood in for: an agent is the role of its trust domain in the rehearsal, its workspace a
fresh clone with a detached commit, its packages those of the machine that tests (`uv` finds them complete), a question
is answered with yes, and `test` runs TESTS, or every build would run everything.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from pipeline.pulumi import PROJECT_VARIABLE
from rehearsal import project
from rehearsal.cluster import Standing
from tests.jenkins.agents import domain
from tests.jenkins.builds import JENKINSFILE, Build, Event, Scenario, run
from tests.pipeline.fake_github import FakeGitHub
from tests.pipeline.repository import Ran, Repository

TESTS: Final = "tests/app/test_colour.py"

TIMEOUT: Final = 600
"""Seconds that a command may take: the pods of a broken version have two and a half minutes."""


@final
@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that a build ran."""

    line: str
    agent: str
    ran: Ran

    @property
    def verb(self) -> str:
        """`deploy`, of `uv run --locked python -m pipeline deploy …`; empty for what is no verb."""
        return self.line.partition(" -m pipeline ")[2].partition(" ")[0]


@final
@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of a build."""

    commands: list[Command] = field(default_factory=list[Command])
    archived: dict[str, str] = field(default_factory=dict[str, str])
    approved: list[str] = field(default_factory=list[str])
    """The preview that whoever approved had before them."""

    @property
    def failed(self) -> Command | None:
        """The command that ended the build; None where all went well."""
        last = self.commands[-1] if self.commands else None
        return last if last and last.ran.code != 0 else None

    @property
    def verbs(self) -> list[tuple[str, str]]:
        """The verbs that ran, each with its agent."""
        return [(command.verb, command.agent) for command in self.commands if command.verb]

    def said(self, verb: str) -> str:
        (command,) = (command for command in self.commands if command.verb == verb)
        return command.ran.stdout


@final
@dataclass(frozen=True, kw_only=True)
class Jenkins:
    """A repository, and what its pushes and pull requests cause."""

    repository: Repository
    github: FakeGitHub
    directory: Path
    project: Path
    standing: Standing
    builds: Mapping[Scenario, Build]
    numbers: Iterator[int]

    @classmethod
    def create(
        cls, repository: Repository, github: FakeGitHub, directory: Path, standing: Standing, *scenarios: Scenario
    ) -> "Jenkins":
        """A Jenkins that runs these scenarios, in a project directory that is `directory`'s `project`."""
        named = {str(number): scenario for number, scenario in enumerate(scenarios)}
        builds = run({"": JENKINSFILE.read_text(encoding="utf-8")}, named)[""]
        return cls(
            repository=repository,
            github=github,
            directory=directory,
            project=directory / "project",
            standing=standing,
            builds={scenario: builds[name] for name, scenario in named.items()},
            numbers=itertools.count(1),
        )

    def build(self, scenario: Scenario) -> Finished:
        """Run a build of the newest commit of the branch that was pushed, or that asks to be pulled."""
        running = _Running(jenkins=self, scenario=scenario, number=next(self.numbers))
        for event in self.builds[scenario].events:
            # What has no method of its own, such as a lock, is of no consequence to a single build.
            step = getattr(running, event.word, None)
            if step:
                step(event)
            if running.finished.failed:
                break
        return running.finished


@final
class _Running:
    """A build under way: a method for each of Jenkins's steps that leaves something."""

    def __init__(self, jenkins: Jenkins, scenario: Scenario, number: int) -> None:
        self.finished: Final = Finished()
        self._jenkins: Final = jenkins
        self._commit: Final = jenkins.repository.head(scenario.source or scenario.branch)
        self._stashed: Final = jenkins.directory / f"stash-{number}"
        self._variables: Final = {name: value for name, value in scenario.variables.items() if value}
        self._variables["BUILD_NUMBER"] = str(number)
        self._workspace = jenkins.directory

    def checkout(self, _: Event) -> None:
        jenkins = self._jenkins
        self._workspace = jenkins.repository.check_out(self._commit)
        project.generate(self._workspace, jenkins.project, jenkins.standing.overlay)
        packages = jenkins.project / ".venv"
        packages.unlink()
        packages.symlink_to(sys.prefix)

    def deleteDir(self, _: Event) -> None:
        shutil.rmtree(self._workspace)

    def stash(self, event: Event) -> None:
        self._stashed.mkdir()
        shutil.copy2(self._workspace / str(event.arguments["includes"]), self._stashed)

    def unstash(self, _: Event) -> None:
        shutil.copytree(self._stashed, self._workspace / "reports", dirs_exist_ok=True)

    def archiveArtifacts(self, event: Event) -> None:
        name = str(event.arguments["artifacts"])
        self.finished.archived[name] = (self._workspace / name).read_text(encoding="utf-8")

    def junit(self, event: Event) -> None:
        assert (self._workspace / str(event.arguments["testResults"])).exists()

    def input(self, _: Event) -> None:
        self.finished.approved.append(self.finished.archived["reports/preview.md"])

    def sh(self, event: Event) -> None:
        jenkins = self._jenkins
        node = event.within("node")
        assert node, f"{event} has no agent"
        agent = domain(str(next(iter(node.arguments.values()))))
        environment = {
            **jenkins.standing.variables,
            **{name: value for name, value in jenkins.github.environment.items() if name != "GITHUB_TOKEN"},
            **self._variables,
            "AWS_PROFILE": agent,
            "JENKINS_URL": "https://jenkins.example.org/",
            "PYTEST_ADDOPTS": TESTS,
            "UV_OFFLINE": "true",
            "UV_PROJECT_ENVIRONMENT": sys.prefix,
            "UV_PYTHON_PREFERENCE": os.environ.get("UV_PYTHON_PREFERENCE", "system"),
            PROJECT_VARIABLE: str(jenkins.project),
        }
        if event.within("withCredentials"):
            environment["GITHUB_TOKEN"] = jenkins.github.environment["GITHUB_TOKEN"]
        done = subprocess.run(
            ["/bin/sh", "-xe", "-c", event.command],
            cwd=self._workspace,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
        )
        ran = Ran(code=done.returncode, stdout=done.stdout, stderr=done.stderr)
        self.finished.commands.append(Command(line=event.command, agent=agent, ran=ran))
