"""The stand-in cloud as a whole: the node, the stand-ins for what only AWS has, and what the program is told of them."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal import node, places, surroundings
from rehearsal.load_balancer.chart import render_chart
from rehearsal.load_balancer.hosts import forget_hosts
from rehearsal.node import Node
from rehearsal.node.probes import listens
from rehearsal.progress import Progress
from rehearsal.project import Overlay
from rehearsal.toolchain.pulumi_tools import ensure_pulumi
from rehearsal.toolchain.tools import ensure_rehearsal_tools

CHECKOUT: Final = Path(__file__).resolve().parent.parent


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
    pulumi = ensure_pulumi(progress)
    running = node.start(ensure_rehearsal_tools(progress), progress)
    files = running.files
    chart = files.state / "chart"
    render_chart(chart, f"https://{places.WEBHOOK}/mutate-pods", files.authority.read_bytes())
    _spawn_cloud(running, progress)
    _spawn_load_balancer(running, progress)
    return Standing(
        node=running,
        overlay=overlay(chart, running.base_image),
        variables=surroundings.variables(
            pulumi.environment, programs=[*pulumi.directories, running.tools.kubernetes], pulumi_home=pulumi.home
        ),
    )


def stop(progress: Progress) -> None:
    """Take all of it away.

    Raises:
        RehearsalError: there is something that this project did not make.
    """
    node.stop(progress)
    forget_hosts(places.HOSTS_FILE)


def overlay(chart: Path, base_image: str) -> Overlay:
    """The values that differ from AWS: nothing but where things come from, and who may come in."""
    return Overlay(
        platform={
            "aws:allowedAccountIds": [places.ACCOUNT],
            "smallcase:apiAllowList": ["127.0.0.0/8"],
            "smallcase:ingressControllerChart": {"chart": str(chart)},
        },
        environment={"aws:allowedAccountIds": [places.ACCOUNT], "smallcase:baseImage": base_image},
    )
