"""Every program that is fetched and executed, and what says that it is the one that is meant."""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pytest

from infra import versions
from tests.stack_files import CHECKOUT

FETCHING: Final = re.compile(
    r"\b(dnf|apt-get|pip3?) install\b|\"apt-get\", \"install\"|\buvx?\"? (sync|tool|pip|run) -|\bnp[mx]\("
    r"|\bnpm (ci|install)|\b(curl|wget) -|^\s*(download|fetch) \"|\burl(open|retrieve)\(|\bMavenContext\("
    r"|\bopener\.open\(|\"go\", \"(build|install|run)\"|\bjava -jar\b|\"plugin\", \"install\"|\.install\(|\bimage=moby/"
    r"|^FROM |^ARG BASE=|\bRelease\($|^\s+mmdebstrap,$"
)
"""A line that brings something from elsewhere, by the words of shells, Dockerfiles and the libraries in use."""

PLACES: Final = (
    *("Makefile", ".ci/run", "Jenkinsfile", "app/Dockerfile", "jenkins/boot/*.sh"),
    *("infra/**/*.py", "operations/**/*.py", "pipeline/**/*.py", "rehearsal/**/*.py", "tests/jenkins/builds.py"),
)


@final
@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Something that is fetched, on one kind of line, and what checks it."""

    what: str
    where: str
    line: str
    held: str
    """A pattern that begins on the line and may go on below it; or is somewhere in the file `beside`."""
    beside: str = ""


SIGNED: Final = "packages of the distribution, signed by it"
NO_PROGRAM: Final = "an answer that is read, and no program"
FETCHES: Final = (
    Fetched(what=SIGNED, where=".ci/run", line="apt-get install", held="chromium"),
    Fetched(what=SIGNED, where="Makefile", line="on Debian, apt-get install python3-venv", held="python3-venv"),
    Fetched(what=SIGNED, where="jenkins/boot/agent.sh", line="dnf install", held="(java|docker)"),
    Fetched(what=SIGNED, where="jenkins/boot/controller.sh", line="dnf install .*corretto", held="java"),
    Fetched(
        what="Jenkins, signed with the one key that is trusted",
        where="jenkins/boot/controller.sh",
        line='dnf install .*"jenkins-',
        held=r"gpgcheck=1\ngpgkey=file://\$SIGNER\n",
        beside="jenkins/boot/controller.sh",
    ),
    Fetched(what=SIGNED, where="rehearsal/toolchain/debian.py", line="apt-get", held="--download-only"),
    Fetched(
        what=SIGNED,
        where="rehearsal/toolchain/base_image.py",
        line="mmdebstrap",
        held=r"(.*\n){1,6}\s+\"--variant=minbase\"",
    ),
    Fetched(
        what="uv",
        where="Makefile",
        line="pip install",
        held=r"--require-hashes --only-binary :all: --requirement \S+uv\.txt",
    ),
    Fetched(
        what="uv",
        where="jenkins/boot/agent.sh",
        line="pip install",
        held=r'--require-hashes [^\n]*\\\n\s+<\(echo "uv==\$UV_VERSION --hash=sha256:\$UV_SHA256"\)',
    ),
    Fetched(what="packages of the image", where="app/Dockerfile", line="pip install", held=r"[^&]*--require-hashes"),
    Fetched(
        what="the project's packages, by the hashes in uv.lock",
        where="Jenkinsfile",
        line="uv (sync|run)",
        held=r"\S+ \S+ --locked",
    ),
    Fetched(what="the same", where="Makefile", line='uv" sync', held='uv" sync --locked'),
    Fetched(what="base image", where="app/Dockerfile", line="ARG BASE=", held=r"ARG BASE=\S+@sha256:[0-9a-f]{64}\n"),
    Fetched(what="base image", where="app/Dockerfile", line="FROM", held=r"FROM \$\{BASE\}"),
    Fetched(what="nothing", where="rehearsal/node/images.py", line="FROM", held="FROM scratch"),
    Fetched(
        what="BuildKit",
        where="jenkins/boot/agent.sh",
        line="image=moby/",
        held=r"image=moby/buildkit:v\$BUILDKIT_VERSION@\$BUILDKIT_DIGEST\"",
    ),
    Fetched(
        what="Pulumi, its plugins, kubectl",
        where="jenkins/boot/agent.sh",
        line="download",
        held=r'.*"\$(PULUMI_SHA256|sum|KUBECTL_SHA256)"',
    ),
    Fetched(
        what="Jenkins's plugin manager",
        where="jenkins/boot/controller.sh",
        line="download",
        held=r'.*"\$PLUGIN_MANAGER_SHA256"',
    ),
    Fetched(
        what="Jenkins's plugins, all of them together",
        where="jenkins/boot/controller.sh",
        line="java -jar",
        held=r'[^}]*sha256sum <<<"\$SUMS"\)" != "\$JENKINS_PLUGINS_SHA256  -" \]; then[^}]*exit 1',
    ),
    Fetched(
        what="the key of Jenkins's packages",
        where="jenkins/boot/controller.sh",
        line="fetch",
        held=r'.*\n\s+\[ "\$\(signer "\$SIGNER\.new"\)" = "\$JENKINS_SIGNER" \] \|\|',
    ),
    Fetched(what="what the two below check", where="jenkins/boot/lib.sh", line="curl", held="[^}]*}"),
    Fetched(
        what="a checked file",
        where="jenkins/boot/lib.sh",
        line="fetch",
        held=r'.*\n.*echo "\$2  \$3\.new" \| sha256sum --check',
    ),
    Fetched(
        what="the ingress controller's chart",
        where="infra/platform/chart.py",
        line="urlopen",
        held="if found != sha256:\n        raise",
        beside="infra/platform/chart.py",
    ),
    Fetched(
        what="the ingress controller and its chart",
        where="infra/platform/ingress_controller.py",
        line="Release",
        held=r"(?s:.*)chart=archive\((?s:.*)INGRESS_CONTROLLER_CHART_SHA256\)(?s:.*)@\{versions\.INGRESS_CONTROLLER_DIGEST\}",
    ),
    Fetched(
        what="Pulumi",
        where="rehearsal/toolchain/pulumi_tools.py",
        line=r"urlopen\(archive",
        held=r"[^\n]*\n[^\n]*\n\s+if hashlib\.sha256\(content\)\.hexdigest\(\) != versions\.PULUMI_SHA256:\n\s+raise",
    ),
    Fetched(
        what="Pulumi's plugins",
        where="rehearsal/toolchain/pulumi_tools.py",
        line='"plugin", "install"',
        held='.*"--checksum", sha256',
    ),
    Fetched(
        what="modules of Go, by go.sum",
        where="rehearsal/toolchain/go_programs.py",
        line='"go", "build"',
        held='.*"-mod=readonly"',
    ),
    Fetched(
        what="packages of npm, by the lock",
        where="rehearsal/toolchain/groovy_lint.py",
        line="npm",
        held=r'_FETCH: Final = \("ci", "--ignore-scripts"',
        beside="rehearsal/toolchain/groovy_lint.py",
    ),
    Fetched(
        what="Groovy, by its checksum",
        where="tests/jenkins/builds.py",
        line="MavenContext",
        held="sha256",
        beside="tests/jenkins/builds.py",
    ),
    *(
        Fetched(what=NO_PROGRAM, where=where, line="urlopen", held=".*")
        for where in (
            *("operations/plugins.py", "pipeline/hooks.py", "pipeline/verify.py"),
            "rehearsal/bench/measures.py",
        )
    ),
    Fetched(what=NO_PROGRAM, where="pipeline/github.py", line=r"opener\.open\(", held=".*"),
    Fetched(what=NO_PROGRAM, where="rehearsal/toolchain/pulumi_tools.py", line=r"urlopen\(OFFICIAL_SITE", held=".*"),
)

PINNED: Final = {
    "PULUMI": "PULUMI_SHA256",
    "PULUMI_AWS": "PULUMI_AWS_SHA256",
    "PULUMI_DOCKER_BUILD": "PULUMI_DOCKER_BUILD_SHA256",
    "PULUMI_KUBERNETES": "PULUMI_KUBERNETES_SHA256",
    "INGRESS_CONTROLLER_CHART": "INGRESS_CONTROLLER_CHART_SHA256",
    "INGRESS_CONTROLLER": "INGRESS_CONTROLLER_DIGEST",
    "JENKINS": "JENKINS_SIGNER",
    "JENKINS_PLUGIN_MANAGER": "JENKINS_PLUGIN_MANAGER_SHA256",
    "UV": "UV_SHA256",
    "BUILDKIT": "BUILDKIT_DIGEST",
    "KUBECTL": "KUBECTL_SHA256",
}
"""What says that a version is the one that is meant."""
OTHERWISE: Final = {
    "KUBERNETES": "AWS runs it",
    "COREDNS": "AWS has the builds, and names no checksum",
    "KUBE_PROXY": "AWS has the builds, and names no checksum",
    "VPC_CNI": "AWS has the builds, and names no checksum",
    "JAVA": SIGNED,
    "PYTHON": SIGNED,
    "JENKINS_SIGNED": "a year in the name of a key",
    "BUILDKIT_OLDEST": "a bound",
}
REFUSED: Final = {"PULUMI_AWS_SHA256", "PULUMI_DOCKER_BUILD_SHA256", "JENKINS_PLUGINS_SHA256"}
"""Without these, which `make plugins` finds out, a host installs nothing."""


@functools.cache
def lines() -> Sequence[tuple[str, str, str]]:
    """Every line that fetches something: the file, the line, and the text from there on."""
    return [found for place in PLACES for path in sorted(CHECKOUT.glob(place)) for found in fetching(path)]


def fetching(path: Path) -> Iterator[tuple[str, str, str]]:
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"^.*$", text, re.MULTILINE):
        if FETCHING.search(found[0]):
            yield path.relative_to(CHECKOUT).as_posix(), found[0], text[found.start() :]


def test_whatever_is_fetched_is_in_the_list_with_what_checks_it() -> None:
    unknown = [
        (where, line)
        for where, line, _ in lines()
        if len([one for one in FETCHES if one.where == where and re.search(one.line, line)]) != 1
    ]
    assert unknown == []


@pytest.mark.parametrize("one", FETCHES, ids=lambda one: f"{one.what} {one.where}")
def test_what_checks_it_is_there(one: Fetched) -> None:
    found = [(line, rest) for where, line, rest in lines() if where == one.where and re.search(one.line, line)]
    assert found, "it is not fetched any more"
    for line, rest in found:
        if one.beside:
            assert re.search(one.held, (CHECKOUT / one.beside).read_text(encoding="utf-8"))
        else:
            assert re.match(f"(.*?)(?:{one.held})", rest), line


def test_every_version_has_a_checksum_a_digest_or_a_reason_to_have_none() -> None:
    names = {name for name, value in vars(versions).items() if name.isupper() and isinstance(value, str)}
    checks = {name for name in names if name.endswith(("_SHA256", "_DIGEST", "_SIGNER"))}
    assert names - checks == PINNED.keys() | OTHERWISE.keys()
    assert set(PINNED.values()) | REFUSED == checks
    for name in checks:
        value = getattr(versions, name)
        assert re.fullmatch(r"(sha256:)?[0-9a-f]{64}|[0-9A-F]{40}", value) or (value == "" and name in REFUSED), name


@pytest.mark.parametrize(
    "line",
    [
        "curl -fsSL https://get.pulumi.com | sh",
        "	wget -q https://example.org/tool",
        "RUN apt-get install -y curl",
        "FROM python:3.13",
        '    PulumiCommand.install(root="/")',
        'fetch "https://example.org/tool" /usr/local/bin/tool',
        "    with opener.open(request) as response:",
    ],
)
def test_a_line_that_fetches_is_noticed(line: str) -> None:
    assert FETCHING.search(line)
