"""Debian programs, unpacked and not installed: no package's service starts, and nothing of the machine changes."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rehearsal.places import cache_directory
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import cached_directory

PROGRAMS: Final[Mapping[str, str]] = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "haproxy": "haproxy",
    "nft": "nftables",
    "mmdebstrap": "mmdebstrap",
    "wrk": "wrk",
}
"""A program to the package that has it."""

CNI_PACKAGE: Final = "containernetworking-plugins"
CNI_PLUGINS: Final = ("bridge", "host-local", "loopback")

_PATHS: Final = ("usr/sbin", "usr/bin", "sbin", "bin")
_CNI_DIRECTORIES: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))


def debian_programs(progress: Progress) -> Path:
    """A directory with `bin/` (every program of PROGRAMS) and `cni/` (every plugin of CNI_PLUGINS).

    Packages that are not installed are downloaded with the dependencies this machine lacks and unpacked. A machine
    without apt has to have the programs on PATH; RehearsalError lists those it lacks.
    """
    return _unpacked(sorted({*PROGRAMS.values(), CNI_PACKAGE}), CNI_PLUGINS, _link, progress)


def cloud_init(progress: Progress) -> Path:
    """The program `cloud-init`, to ask it what it thinks of user data. Installed, it would run at the next boot.

    Raises RehearsalError on a machine that has neither apt nor the program.
    """
    return _unpacked(["cloud-init"], (), _link_cloud_init, progress) / "bin" / "cloud-init"


def _unpacked(
    packages: Sequence[str], plugins: Sequence[str], link: Callable[[Path, Path], None], progress: Progress
) -> Path:
    """A directory with the packages under `root/`, finished by `link`, which is given both."""
    apt = _has_apt()

    def make(directory: Path) -> None:
        root = directory / "root"
        root.mkdir()
        if apt:
            with progress.step(f"unpacking {', '.join(packages)} from Debian packages"):
                for archive in _download(packages, directory):
                    subprocess.run(["dpkg-deb", "-x", archive, root], check=True, capture_output=True)
            shutil.rmtree(directory / "archives", ignore_errors=True)
        link(directory, root)

    system = (
        subprocess.run(
            ["dpkg", "--print-architecture"], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if apt
        else None
    )
    release = (
        Path("/etc/os-release").read_text(encoding="utf-8", errors="surrogateescape")
        if Path("/etc/os-release").exists()
        else ""
    )
    key = hashlib.sha256(repr((packages, plugins, release, system and system.stdout)).encode()).hexdigest()[:16]
    return cached_directory(f"debian/{key}", make)


def _has_apt() -> bool:
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _download(packages: Sequence[str], directory: Path) -> list[Path]:
    """Fetch the packages and those dependencies that are not installed; the machine's own lists stay as they are."""
    archives = directory / "archives"
    (archives / "partial").mkdir(parents=True)
    lists = cache_directory() / "apt-lists"
    own_lists = ["-o", f"Dir::State::lists={lists}"]
    options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]

    def fetch(with_own_lists: bool) -> subprocess.CompletedProcess[str]:
        command = ["apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *options]
        return _apt([*command, *(own_lists if with_own_lists else []), *packages])

    have_lists = any(Path("/var/lib/apt/lists").glob("*_Packages*"))
    fetched = fetch(with_own_lists=False) if have_lists else None
    if fetched is None or fetched.returncode != 0:
        # No package lists, or lists so old that the packages they name are gone.
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        _apt(["apt-get", "update", *options, *own_lists])
        fetched = fetch(with_own_lists=True)
    if fetched.returncode != 0:
        raise RehearsalError(
            f"apt-get cannot download {', '.join(packages)}:\n{fetched.stderr.strip()[-1500:]}",
            "Check the network and the machine's apt sources (`apt-get update` must succeed), then try again.",
        )
    return sorted(archives.glob("*.deb"))


def _apt(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _link(directory: Path, root: Path) -> None:
    """Fill `bin/` and `cni/` from the unpacked packages, or from the machine where the package is installed."""
    (directory / "bin").mkdir()
    (directory / "cni").mkdir()
    final_root = _final(directory) / "root"
    libraries = sorted({path.parent for path in root.rglob("*.so.*")})
    missing: list[str] = []
    for program, package in PROGRAMS.items():
        unpacked = next((root / path / program for path in _PATHS if (root / path / program).exists()), None)
        installed = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if unpacked and libraries:
            search = ":".join(str(final_root / path.relative_to(root)) for path in libraries)
            wrapper = directory / "bin" / program
            target = final_root / unpacked.relative_to(root)
            wrapper.write_text(
                "#!/bin/sh\n"
                f"LD_LIBRARY_PATH='{search}'${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n"
                "export LD_LIBRARY_PATH\n"
                f"exec '{target}' \"$@\"\n"
                if _is_dynamic(unpacked)
                else f"#!/bin/sh\nexec '{target}' \"$@\"\n",
                encoding="utf-8",
            )
            wrapper.chmod(0o755)
        elif unpacked or installed:
            target = final_root / unpacked.relative_to(root) if unpacked else Path(str(installed))
            (directory / "bin" / program).symlink_to(target)
        else:
            missing.append(f"{program} (Debian package {package})")
    for plugin in CNI_PLUGINS:
        unpacked = root / "usr/lib/cni" / plugin
        found = final_root / "usr/lib/cni" / plugin if unpacked.exists() else None
        found = found or next((place / plugin for place in _CNI_DIRECTORIES if (place / plugin).exists()), None)
        if found:
            (directory / "cni" / plugin).symlink_to(found)
        else:
            missing.append(f"the CNI plugin {plugin} (Debian package {CNI_PACKAGE})")
    if missing:
        raise RehearsalError(
            f"This machine lacks {', '.join(missing)}, and has no apt to get them with.",
            "Install them with the machine's package manager, so that they are on PATH, and try again.",
        )


def _link_cloud_init(directory: Path, root: Path) -> None:
    (directory / "bin").mkdir()
    program = directory / "bin" / "cloud-init"
    modules = Path("usr/lib/python3/dist-packages")
    if (root / modules / "cloudinit").is_dir():
        python = "usr/bin/python3"
        interpreter = _final(directory) / "root" / python if (root / python).exists() else Path("/") / python
        program.write_text(
            "#!/bin/sh\n"
            f"PYTHONPATH='{_final(directory) / 'root' / modules}'\n"
            "export PYTHONPATH\n"
            f"exec '{interpreter}' -m cloudinit.cmd.main \"$@\"\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    elif installed := shutil.which("cloud-init"):
        program.symlink_to(installed)
    else:
        raise RehearsalError(
            "This machine lacks cloud-init, and has no apt to get it with.",
            "Install it with the machine's package manager, so that it is on PATH, and try again.",
        )


def _final(directory: Path) -> Path:
    """What a directory of the cache is called once it is complete."""
    return directory.with_name(directory.name.removeprefix(".").removesuffix(".unfinished"))


def _is_dynamic(program: Path) -> bool:
    """Whether a program is an ELF file that names a loader, and so takes shared libraries."""
    with program.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"\x7fELF") and b"ld-linux" in head
