"""An environment that is up in the stand-in account, and the verbs run on it as Jenkins runs them: by command line."""

import io
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

from pipeline.checkout import Build, Checkout
from pipeline.environments import Target
from pipeline.pulumi import Pulumi
from rehearsal import project
from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.properties import Properties, Value, object_at
from rehearsal.cloud.resource import Resource
from rehearsal.cloud.server import serve
from rehearsal.places import ACCOUNT
from rehearsal.project import LINKED, Overlay
from tests.engine.harness import Harness
from tests.pipeline.repository import Ran
from tests.stack_files import ALLOW_LIST, CHECKOUT

NAMESPACE: Final = "kubernetes:core/v1:Namespace"
SERVICE: Final = "kubernetes:core/v1:Service"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
IMAGE: Final = "docker-build:index:Image"

REFUSED: Final = "refused"
"""An answer that says that the cluster gives none."""

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

KUBECTL: Final = f"""#!{sys.executable}
import json
import sys
from pathlib import Path

here = Path(__file__).parent
words, options, rest = [], {{}}, iter(sys.argv[1:])
for word in rest:
    if word in ("--kubeconfig", "--namespace", "--request-timeout", "--selector", "--field-selector", "--output"):
        options[word] = next(rest)
    elif not word.startswith("--"):
        words.append(word)
if '"clusters"' not in Path(options["--kubeconfig"]).read_text(encoding="utf-8"):
    sys.exit("no kubeconfig")
answer = here / "answers" / "-".join(words).replace("/", "-")
if answer.exists():
    text = answer.read_text(encoding="utf-8")
    if text.startswith("Error from server"):
        sys.exit(text)
    print(text, end="")
elif any("/" in word for word in words) and not (here / "answers" / "{REFUSED}").exists():
    # Objects by name are those of the account.
    found = []
    for one in json.loads((here.parent / "cloud.json").read_text(encoding="utf-8")):
        kind = one["type"].rpartition(":")[2]
        namespace, _, name = one["id"].rpartition("/")
        wanted = f"{{kind.lower()}}/{{name}}" in words and namespace in ("", options["--namespace"])
        if one["type"].startswith("kubernetes:") and wanted:
            found.append({{**one["outputs"], "kind": kind}})
    if found:
        print(json.dumps({{"kind": "List", "items": found}} if len(words) > 2 else found[0]))
else:
    sys.exit("The connection to the server was refused")
"""
"""Answers for the cluster, from a folder `answers` beside it and from the account's file, which is one folder up."""

NOTHING_FOUND: Final[Mapping[str, object]] = {
    "imageScanStatus": {"status": "COMPLETE"},
    "imageScanFindings": {"findings": []},
}
_AWS: Final = f"""#!{sys.executable}
import json
import sys
from pathlib import Path

here = Path(__file__).parent
if sys.argv[1:3] != ["ecr", "describe-image-scan-findings"]:
    sys.exit(f"not answered: {{sys.argv}}")
digest = sys.argv[sys.argv.index("--image-id") + 1].removeprefix("imageDigest=sha256:")
scans = json.loads((here / "scans.json").read_text(encoding="utf-8"))
answer = scans.get(digest, scans.get("default", "AccessDeniedException"))
if isinstance(answer, str):
    sys.exit(answer)
print(json.dumps(answer))
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

    def target(self) -> Target:
        """`develop`, for what is asked of it in this process."""
        pulumi = Pulumi(project=self.harness.project, environment=self.variables(), out=io.StringIO())
        build = Build(branch="develop", change=None)
        return Target(checkout=Checkout(root=self.checkout), build=build, pulumi=pulumi, stack="develop")

    def edit(self, part: str, **changes: object) -> None:
        """Other values in a part of the environment's Deployment, which only the cluster knows of."""
        (found,) = self.cloud.of(DEPLOYMENT)
        edited = {**object_at(found.outputs, part), **cast("Properties", changes)}
        self.cloud.update(DEPLOYMENT, found.id, {**found.inputs, part: edited})

    def set_image(self, image: str) -> None:
        """What `kubectl set image` does."""
        (found,) = self.cloud.of(DEPLOYMENT)
        template = object_at(object_at(found.outputs, "spec"), "template")
        (container,) = cast("list[Properties]", object_at(template, "spec")["containers"])
        containers = cast("Value", [{**container, "image": image}])
        self.edit("spec", template={**template, "spec": {**object_at(template, "spec"), "containers": containers}})

    def delete(self, *types: str) -> None:
        """What `kubectl delete` does, to everything of these types in the environment's namespace."""
        for resource in self.in_cluster():
            if resource.type in types:
                self.cloud.delete(resource.type, resource.id)

    def in_cluster(self) -> list[Resource]:
        """The environment's namespace, and what is in it."""
        return [one for one in self.cloud if one.id.partition("/")[0] == "smallcase-develop"]

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

    def scans(self, **by_digest: object) -> None:
        """What the registry's scans found, by digest without its `sha256:` in front, or `default`; text is an error."""
        (self.directory / "programs" / "scans.json").write_text(json.dumps(by_digest), encoding="utf-8")


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
    cloud = Cloud(Settings(directory=directory / "project"), state=directory / "cloud.json")
    with serve(cloud) as ports:
        harness = Harness.create(directory, pulumi, ports, name="smallcase")
        programs = directory / "programs"
        programs.mkdir()
        (programs / "kubectl").write_text(KUBECTL, encoding="utf-8")
        (programs / "kubectl").chmod(0o755)
        (programs / "aws").write_text(_AWS, encoding="utf-8")
        (programs / "aws").chmod(0o755)
        (programs / "scans.json").write_text(json.dumps({"default": NOTHING_FOUND}), encoding="utf-8")
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
