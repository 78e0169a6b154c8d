"""Draining: an instance that is about to stop says so first, and keeps answering while it is taken out of service.

    python3 -m smallcase.drain 20

is for Kubernetes' preStop hook, which runs before SIGTERM. It leaves a marker and waits, in seconds, for load balancers
to look elsewhere. From the marker on, `/readyz` answers 503 and every answer closes its connection, so that a load
balancer does not keep one to an instance that is going.
"""

import os
import sys
import time
from pathlib import Path


def marker() -> Path:
    """The file that says so. It lives where the container may write although its root file system is read-only."""
    return Path(os.environ.get("TMPDIR", "/tmp")) / "smallcase.draining"


def is_draining() -> bool:
    """Whether this instance is on its way out."""
    return os.path.exists(marker())  # noqa: PTH110 - every request asks, and this is the quickest way


def clear() -> None:
    """Forget an earlier drain.

    Kubernetes runs the preStop hook also when it restarts a container whose liveness probe failed, and `/tmp` as an
    emptyDir outlives that restart: without this, the new container would never become ready.
    """
    marker().unlink(missing_ok=True)


def drain(seconds: float) -> None:
    """Mark this instance as draining and wait.

    It waits even when the marker cannot be written, since load balancers need the time all the same; then it raises
    OSError, which Kubernetes records as an event of the pod.
    """
    try:
        marker().touch()
    finally:
        time.sleep(seconds)


def main(arguments: list[str]) -> int:
    """Return the exit code: 2 for arguments that cannot be understood, 1 when the marker could not be written."""
    if len(arguments) != 1 or not (arguments[0].isascii() and arguments[0].isdecimal()):
        print(
            f"smallcase.drain: give one whole number of seconds to wait, not {' '.join(arguments)!r}", file=sys.stderr
        )
        return 2
    try:
        drain(int(arguments[0]))
    except OSError as error:
        print(f"smallcase.drain: not marked as draining, /readyz stays 200: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
