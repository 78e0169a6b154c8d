"""Programs built from Go modules, kept in the cache under a key of everything that decides what they are."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from infra import versions
from rehearsal.places import cache_directory
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import cached_directory
from rehearsal.toolchain.pins import KUBERNETES, MODULES


@final
@dataclass(frozen=True, kw_only=True)
class GoModule:
    """One of our modules: the programs (file name to package) it builds, with the values set at link time."""

    name: str
    programs: Mapping[str, str]
    variables: Mapping[str, str]
    static: bool = False


def _kubernetes_version(version: str) -> dict[str, str]:
    """Without these a server says `v0.0.0-master`, and clients cannot tell what it understands."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    return {
        f"{package}.{variable}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for variable, value in (("gitVersion", version), ("gitMajor", major), ("gitMinor", minor))
    }


PULUMI: Final = GoModule(
    name="pulumi",
    programs={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
    # The Automation API refuses a CLI that does not know its version.
    variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{versions.PULUMI}"},
)
KUBERNETES_PROVIDER: Final = GoModule(
    name="kubernetes-provider",
    programs={"pulumi-resource-kubernetes": "."},
    variables={"main.version": versions.PULUMI_KUBERNETES},
)
_DOCKER_BUILD: Final = "github.com/pulumi/pulumi-docker-build/provider"
DOCKER_BUILD_PROVIDER: Final = GoModule(
    name="docker-build-provider",
    programs={"pulumi-resource-docker-build": f"{_DOCKER_BUILD}/cmd/pulumi-resource-docker-build"},
    variables={f"{_DOCKER_BUILD}.Version": versions.PULUMI_DOCKER_BUILD},
)
KUBERNETES_PROGRAMS: Final = GoModule(
    name="kubernetes",
    programs={
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    },
    variables=_kubernetes_version(KUBERNETES),
)
BUILDKIT: Final = GoModule(
    name="buildkit",
    programs={name: f"github.com/moby/buildkit/cmd/{name}" for name in ("buildkitd", "buildctl")},
    variables={},
)
REGISTRY: Final = GoModule(name="registry", programs={"registry": "."}, variables={}, static=True)
PAUSE: Final = GoModule(name="pause", programs={"pause": "."}, variables={}, static=True)


def required_go(go_mod: str) -> tuple[int, ...]:
    """The Go version that the text of a `go.mod` asks for, as numbers."""
    found = re.search(r"^go (\d+(?:\.\d+)*)", go_mod, re.MULTILINE)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def go_version(answer: str) -> tuple[int, ...]:
    """The numbers in an answer of `go version`; empty for a development build, which is taken as new enough."""
    found = re.search(r"\bgo(\d+(?:\.\d+)*)", answer)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def require_go(module: GoModule) -> str:
    """The answer of `go version`. Raises RehearsalError where Go is missing or too old for the module."""
    needed = required_go((MODULES / module.name / "go.mod").read_text(encoding="utf-8"))
    wanted = ".".join(str(part) for part in needed)
    way_out = f"Install Go {wanted} or newer from https://go.dev/dl/, put its bin directory on PATH and try again."
    if not shutil.which("go"):
        raise RehearsalError(f"Go is missing, and {module.name} has to be built from its Go module.", way_out)
    answer = _go_version_answer()
    found = go_version(answer)
    # From 1.21 on, Go fetches a newer toolchain by itself unless it was told not to.
    automatic = found >= (1, 21) and _go_env("GOTOOLCHAIN").startswith(("auto", "path"))
    if found and found < needed and not automatic:
        raise RehearsalError(f"{answer} is too old to build {module.name}, which needs Go {wanted}.", way_out)
    return answer


def _go_version_answer() -> str:
    return subprocess.run(
        ["go", "version"], capture_output=True, encoding="utf-8", errors="replace", check=True, cwd="/"
    ).stdout.strip()


def _go_env(name: str) -> str:
    return subprocess.run(
        ["go", "env", name], capture_output=True, encoding="utf-8", errors="replace", check=True, cwd="/"
    ).stdout.strip()


def _link_flags(module: GoModule) -> str:
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in module.variables.items())])


def key(module: GoModule, go: str, directory: Path | None = None) -> str:
    """A hash of what decides the programs: sources, pins, flags, environment and the Go version."""
    directory = directory or MODULES / module.name
    digest = hashlib.sha256()
    sources = sorted(path for path in directory.rglob("*") if path.suffix in (".go", ".mod", ".sum"))
    for path in sources:
        digest.update(f"{path.relative_to(directory)}\0".encode() + path.read_bytes() + b"\0")
    digest.update(repr((go, sorted(module.programs.items()), _link_flags(module), module.static)).encode())
    return digest.hexdigest()[:16]


def is_built(module: GoModule) -> bool:
    """Whether the cache has the module's programs already, for the Go on PATH."""
    return bool(shutil.which("go")) and (cache_directory() / _cache_name(module, _go_version_answer())).is_dir()


def build(module: GoModule, progress: Progress) -> Path:
    """The directory with the module's programs, built unless the cache has them.

    Raises RehearsalError where Go is missing or too old, or the build fails.
    """
    go = require_go(module)

    def make(directory: Path) -> None:
        command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", _link_flags(module), "-o", f"{directory}/"]
        single = next(iter(module.programs)) if list(module.programs.values()) == ["."] else None
        if single:
            command[-1] = str(directory / single)
        # A vendoring or work-file setting of the user must not decide what is built here.
        environment = {**os.environ, "GOWORK": "off"} | ({"CGO_ENABLED": "0"} if module.static else {})
        with progress.step(f"building {', '.join(module.programs)} from Go modules"):
            built = subprocess.run(
                [*command, *module.programs.values()],
                cwd=MODULES / module.name,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        if built.returncode != 0:
            tail = "\n".join(line for line in built.stderr.splitlines() if not line.startswith("go: downloading"))
            raise RehearsalError(
                f"{module.name} could not be built from its Go module:\n{tail[-2000:]}",
                "Where a download failed, check the network and `go env GOPROXY`, then try again.",
            )

    return cached_directory(_cache_name(module, go), make)


def _cache_name(module: GoModule, go: str) -> str:
    return f"go/{module.name}-{key(module, go)}"
