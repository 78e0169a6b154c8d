"""The stand-in cloud as a whole: the node, the stand-ins for what only AWS has, and what is told of them."""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from infra import versions
from rehearsal import hosts_file, node, places, surroundings
from rehearsal.load_balancer.chart import render_chart
from rehearsal.load_balancer.webhook import PATH as WEBHOOK_PATH
from rehearsal.node import Node
from rehearsal.node.probes import listens
from rehearsal.progress import Progress, RehearsalError
from rehearsal.project import Overlay
from rehearsal.removal import remove
from rehearsal.toolchain.pins import KUBERNETES
from rehearsal.toolchain.pulumi_tools import ensure_pulumi
from rehearsal.toolchain.tools import ensure_rehearsal_tools

CHECKOUT: Final = Path(__file__).resolve().parent.parent
_PLAIN: Final = re.compile(r"[\w/.+=@~-]+")


@final
@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stand-in cloud that is up."""

    node: Node
    overlay: Overlay
    variables: Mapping[str, str]
    """The environment of a command that speaks to it."""


def start(progress: Progress) -> Standing:
    """Bring the stand-in cloud up, or find it up.

    Raises:
        RehearsalError: the machine lacks something, something is taken, or a process does not come up.
    """
    # Before anything is fetched or built, which may take a quarter of an hour.
    check_paths(CHECKOUT, places.cache_directory(), places.state_directory())
    node.check()
    pulumi = ensure_pulumi(progress)
    running = node.start(ensure_rehearsal_tools(progress), progress)
    files = running.files
    chart = files.state / "chart"
    render_chart(chart, f"https://{places.WEBHOOK}{WEBHOOK_PATH}", files.authority.read_bytes())
    _spawn_cloud(running, progress)
    _spawn_load_balancer(running, progress)
    return Standing(
        node=running,
        overlay=overlay(chart, running.base_image),
        variables=surroundings.variables(
            os.environ, programs=[pulumi.directory, running.tools.kubernetes], pulumi_home=pulumi.home
        ),
    )


def check_paths(*paths: Path) -> None:
    """Refuse paths that some program of the rehearsal would split or take for something else: they stand in its
    settings, in addresses and in lists. Raises RehearsalError."""
    for path in paths:
        if not _PLAIN.fullmatch(str(path)):
            raise RehearsalError(
                f"The rehearsal does not work with the path {str(path)!r}, only with letters, digits and `/._+=@~-`.",
                "Move the clone, or set XDG_CACHE_HOME or XDG_STATE_HOME to another directory, and try again.",
            )


def version_difference(here: str = KUBERNETES, on_eks: str = versions.KUBERNETES) -> str | None:
    """What to say where the Kubernetes `here`, such as `v1.36.3`, has another minor version than that `on_eks`."""
    minor = ".".join(here.removeprefix("v").split(".")[:2])
    if minor == on_eks:
        return None
    return f"Kubernetes is {minor} here and {on_eks} on EKS: what changed between the two is not rehearsed."


def _spawn_cloud(running: Node, progress: Progress) -> None:
    """The stand-in `aws` and `eks` providers. What they made is kept beside Pulumi's state, so that both agree."""
    files = running.files
    argv = [
        *_python("rehearsal.cloud"),
        f"--state={files.state / 'cloud.json'}",
        f"--server=https://{places.API_SERVER}",
        f"--certificate-authority={files.authority}",
        f"--registry={places.REGISTRY}",
        f"--faults={files.state / 'faults.json'}",
    ]
    running.spawn("cloud", argv, _code("cloud"), listens(places.EKS_PROVIDER), progress)


def _spawn_load_balancer(running: Node, progress: Progress) -> None:
    """The stand-in for the AWS Load Balancer Controller and its load balancers."""
    files = running.files
    argv = [
        *_python("rehearsal.load_balancer"),
        f"--kubeconfig={files.load_balancer_kubeconfig}",
        f"--haproxy={running.tools.haproxy}",
        f"--directory={files.state / 'load-balancer'}",
        f"--certificate={files.webhook_certificate}",
        f"--key={files.webhook_key}",
    ]
    running.spawn("load-balancer", argv, _code("load_balancer"), listens(places.WEBHOOK), progress)


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _code(package: str) -> dict[str, str]:
    """Where a stand-in's code is, and which: one that runs older code than the checkout's is started anew."""
    digest = hashlib.sha256()
    root = CHECKOUT / "rehearsal"
    for path in sorted([root / "places.py", root / "hosts_file.py", *(root / package).rglob("*.py")]):
        digest.update(path.read_bytes())
    return {"PYTHONPATH": str(CHECKOUT), "SMALLCASE_CODE": digest.hexdigest()[:16]}


def empty_cache(progress: Progress) -> None:
    """Delete what was built or unpacked for later rehearsals; caches of Go itself stay. Raises as `remove` does."""
    with progress.step(f"deleting {places.cache_directory()}"):
        remove(places.cache_directory())


def stop(progress: Progress) -> None:
    """Take all of it away.

    Raises:
        RehearsalError: there is something that this project did not make.
    """
    node.stop(progress)
    hosts_file.forget_names(places.HOSTS_FILE)


def overlay(chart: Path, base_image: str) -> Overlay:
    """The values that differ from AWS: nothing but where things come from, and who may come in."""
    return Overlay(
        platform={
            "aws:allowedAccountIds": [places.ACCOUNT],
            "smallcase:apiAllowList": ["203.0.113.0/24"],
            "smallcase:hostImage": "ami-00000000000000000",
            "smallcase:ingressControllerChart": {"chart": str(chart)},
        },
        environment={"aws:allowedAccountIds": [places.ACCOUNT], "smallcase:baseImage": base_image},
    )
