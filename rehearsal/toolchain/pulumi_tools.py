"""The Pulumi CLI with its Python language host and the two provider plugins that are never stood in, in exact versions.

The order: what is on this machine in the right version, Pulumi's archives with the pinned checksums, a build from Go
modules, which Go checks by `go.sum`. Another version than the pinned one is never used in silence.
"""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from infra import versions
from infra.plugins import plugins
from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs
from rehearsal.toolchain.cache import cached_directory
from rehearsal.toolchain.go_programs import GoModule

LANGUAGE_HOST: Final = Path(__file__).parent / "language_host.py"
LANGUAGE_HOST_PROGRAM: Final = Path(__file__).parent / "bin" / "pulumi-language-python"
"""Our own Python language host, which goes with a CLI built from its Go module."""

OFFICIAL_SITE: Final = "https://get.pulumi.com"

PLUGINS: Final[Mapping[str, tuple[str, GoModule]]] = {
    "kubernetes": (versions.PULUMI_KUBERNETES, go_programs.KUBERNETES_PROVIDER),
    "docker-build": (versions.PULUMI_DOCKER_BUILD, go_programs.DOCKER_BUILD_PROVIDER),
}


@final
@dataclass(frozen=True, kw_only=True)
class PulumiTools:
    """What to put into a command's environment."""

    directory: Path
    """The CLI's, with its Python language host; comes first on PATH."""
    home: Path
    """For PULUMI_HOME: holds the plugins."""


def ensure_pulumi(progress: Progress) -> PulumiTools:
    """The CLI and the plugins, without root and without anything of the cluster.

    Raises RehearsalError where they can neither be found, nor installed, nor built.
    """
    directory = ensure_cli(progress)
    cli = directory / "pulumi"
    found = {name: _plugin(name, version, module, cli, progress) for name, (version, module) in PLUGINS.items()}
    key = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]

    def make(home: Path) -> None:
        for name, program in found.items():
            place = home / "plugins" / plugin_directory(name, PLUGINS[name][0])
            place.mkdir(parents=True)
            (place / f"pulumi-resource-{name}").symlink_to(program)

    return PulumiTools(directory=directory, home=cached_directory(f"pulumi-home/{key}", make))


def ensure_cli(progress: Progress) -> Path:
    """The directory of the CLI in the pinned version, with its Python language host beside it.

    Raises RehearsalError where it can neither be found, nor installed, nor built.
    """
    found = cli_on_path(os.environ.get("PATH", ""), progress) or _official_cli(progress)
    return found.parent if found else with_own_host(go_programs.build(go_programs.PULUMI, progress) / "pulumi")


def with_own_host(cli: Path, cache: Path | None = None) -> Path:
    """A directory with this CLI and our language host: the engine takes the one beside its own file."""
    contents = [path.read_bytes() for path in (LANGUAGE_HOST, LANGUAGE_HOST_PROGRAM)]
    key = hashlib.sha256(b"\0".join([str(cli).encode(), *contents])).hexdigest()[:16]

    def make(directory: Path) -> None:
        (directory / "bin").mkdir()
        try:
            (directory / "bin" / cli.name).hardlink_to(cli)
        except OSError:
            shutil.copy2(cli, directory / "bin" / cli.name)
        shutil.copy2(LANGUAGE_HOST, directory / LANGUAGE_HOST.name)
        shutil.copy2(LANGUAGE_HOST_PROGRAM, directory / "bin" / LANGUAGE_HOST_PROGRAM.name)

    return cached_directory(f"pulumi/{key}", make, cache) / "bin"


def plugin_directory(name: str, version: str) -> str:
    """Where the engine looks for a resource plugin, below `plugins` of its home."""
    return f"resource-{name}-v{version}"


def cli_on_path(path: str, progress: Progress) -> Path | None:
    """The first CLI in the pinned version that has its Python language host beside it; others get a line each."""
    for directory in path.split(os.pathsep):
        program = Path(directory) / "pulumi"
        if not directory or not os.access(program, os.X_OK):
            continue
        found = _version(program)
        if found != f"v{versions.PULUMI}":
            progress.note(f"passing over {program}: it is {found or 'of unknown version'}, not v{versions.PULUMI}")
        elif not _has_official_host(program):
            progress.note(f"passing over {program}: pulumi-language-python is not beside it")
        else:
            return program
    return None


def _version(program: Path) -> str | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [program, "version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _has_official_host(cli: Path) -> bool:
    return (cli.resolve().parent / "pulumi-language-python").exists() or (
        cli.parent / "pulumi-language-python"
    ).exists()


def _official_cli(progress: Progress) -> Path | None:
    """The CLI of Pulumi's own archive, or None where its site is not reached, or no checksum is pinned."""
    archive = f"{OFFICIAL_SITE}/releases/sdk/pulumi-v{versions.PULUMI}-linux-x64.tar.gz"

    def make(directory: Path) -> None:
        with progress.step(f"fetching pulumi {versions.PULUMI}"):
            with urllib.request.urlopen(archive, timeout=60) as answer:  # noqa: S310 - the site above
                content = cast("bytes", answer.read())
            if hashlib.sha256(content).hexdigest() != versions.PULUMI_SHA256:
                raise ValueError(f"{archive} does not have the checksum {versions.PULUMI_SHA256}, so it is not used")
            with tarfile.open(fileobj=io.BytesIO(content)) as packed:
                packed.extractall(directory, filter="data")

    if go_programs.is_built(go_programs.PULUMI) or not _official_site_answers():
        return None
    try:
        return cached_directory(f"official/pulumi-{versions.PULUMI}", make) / "pulumi" / "pulumi"
    except (OSError, ValueError, tarfile.TarError) as error:
        progress.note(f"pulumi cannot be fetched ({error}); building instead")
        return None


def _official_site_answers() -> bool:
    """Whether archives can be had for this machine: the checksums are those for Linux on x86-64."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return False
    try:
        with urllib.request.urlopen(OFFICIAL_SITE, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _plugin(name: str, version: str, module: GoModule, cli: Path, progress: Progress) -> Path:
    program = f"pulumi-resource-{name}"
    installed = (
        Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        / "plugins"
        / plugin_directory(name, version)
        / program
    )
    if installed.exists():
        return installed
    sha256 = next(plugin.sha256 for plugin in plugins() if plugin.name == name)
    if sha256 and not go_programs.is_built(module) and _official_site_answers():

        def make(directory: Path) -> None:
            with progress.step(f"pulumi plugin install resource {name} {version}"):
                subprocess.run(
                    [cli, "plugin", "install", "resource", name, version, "--checksum", sha256],
                    env={**os.environ, "PULUMI_HOME": str(directory), "PULUMI_SKIP_UPDATE_CHECK": "true"},
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    check=True,
                    timeout=600,
                )

        try:
            home = cached_directory(f"official/{plugin_directory(name, version)}", make)
            return home / "plugins" / plugin_directory(name, version) / program
        except (subprocess.SubprocessError, OSError) as error:
            progress.note(f"the official plugin install failed ({error}); building instead")
    return go_programs.build(module, progress) / program
