"""The versions of what only the rehearsal uses. A version that stands in a `go.mod` is read from there."""

from pathlib import Path
from typing import Final

MODULES: Final = Path(__file__).parent / "modules"
"""The Go programs of the rehearsal, a module each with its `go.mod` and `go.sum`."""

DEBIAN_SUITE: Final = "bookworm"
"""What the base image is made of; its Python is 3.11."""

BASE_IMAGE_PACKAGES: Final = ("ca-certificates", "python3", "python3-venv")

BASE_IMAGE_EPOCH: Final = 1747699200
"""Seconds since 1970 that every file of the base image is dated at most (SOURCE_DATE_EPOCH), for a stable digest."""


def required_version(module: str, path: str) -> str:
    """The version of the Go module `path` in the `go.mod` of our `module`, such as `v1.34.2`.

    Raises LookupError if that file does not require it.
    """
    for line in (MODULES / module / "go.mod").read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("require ").split()
        if len(words) >= 2 and words[0] == path and words[1].startswith("v"):
            return words[1]
    raise LookupError(f"{module}/go.mod does not require {path}")


KUBERNETES: Final = required_version("kubernetes", "k8s.io/kubernetes")
BUILDKIT: Final = required_version("buildkit", "github.com/moby/buildkit")
