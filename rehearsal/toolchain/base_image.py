"""The file system of the image that the rehearsal's own images are built from: a small Debian with Python.

It stands in for the official Python image, which comes from a registry that the rehearsal does without. It carries the
machine's certificate bundle and pip settings, so that a build inside it reaches the package index as the machine does.
"""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.cache import cached_directory
from rehearsal.toolchain.pins import BASE_IMAGE_EPOCH, BASE_IMAGE_PACKAGES, DEBIAN_SUITE

CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_SETTINGS: Final = Path("/etc/pip.conf")
DROPPED: Final = ("var/log/*", "var/cache/ldconfig", "usr/share/doc", "usr/share/man", "usr/share/locale")


def base_image_archive(mmdebstrap: Path, progress: Progress) -> Path:
    """The path of the base image's `rootfs.tar`, from the cache or made now."""
    return debian_archive("base-image", BASE_IMAGE_PACKAGES, mmdebstrap, progress)


def debian_archive(name: str, packages: Sequence[str], mmdebstrap: Path, progress: Progress) -> Path:
    """The path of a `rootfs.tar` with these packages, made by mmdebstrap from this machine's apt sources unless the
    cache has it under that name."""
    carried = [path for path in (CERTIFICATES, PIP_SETTINGS) if path.exists()]
    digest = hashlib.sha256(repr((DEBIAN_SUITE, packages, BASE_IMAGE_EPOCH, DROPPED)).encode())
    for path in carried:
        digest.update(str(path).encode() + b"\0" + path.read_bytes())

    def make(directory: Path) -> None:
        command: list[str | Path] = [
            mmdebstrap,
            "--quiet",
            "--mode=unshare",
            "--variant=minbase",
            f"--include={','.join(packages)}",
            *(f"--customize-hook=upload {path} {path}" for path in carried),
            # What differs from one run to the next, or is of no use in an image.
            f'--customize-hook=cd "$1" && rm -rf {" ".join(DROPPED)}',
            DEBIAN_SUITE,
            directory / "rootfs.tar",
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(BASE_IMAGE_EPOCH), "TMPDIR": str(directory)}
        with progress.step(f"making the file system {name} with mmdebstrap"):
            made = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                cwd=directory,
            )
        if made.returncode != 0:
            raise RehearsalError(
                f"mmdebstrap could not make the file system {name}:\n{made.stderr.strip()[-1500:]}",
                "Check the network and the machine's apt sources, then try again.",
            )

    return cached_directory(f"{name}/{digest.hexdigest()[:16]}", make) / "rootfs.tar"
