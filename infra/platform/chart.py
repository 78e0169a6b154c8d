"""A Helm chart's archive, compared with its checksum before Helm sees it: its repository may replace it."""

import hashlib
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import pulumi

from infra.values import Chart

FOLDER: Final = Path(".charts")
"""Beside `Pulumi.yaml`, where the program runs and Pulumi's provider too: a path that is the same on every machine."""
TIMEOUT: Final = 60.0
"""Seconds that the repository may keep silent."""


class ChartRefused(pulumi.RunError):
    """The chart cannot be had, or is another one than is pinned."""


def archive(chart: Chart, version: str, sha256: str) -> str:
    """The file for Helm: fetched from the chart's repository unless it is here; a folder is as it is.

    Raises:
        ChartRefused: it cannot be had, or has another checksum.
    """
    if not chart.repository:
        return chart.chart
    path = FOLDER / f"{chart.chart}-{version}.tgz"
    address = f"{chart.repository}/{path.name}"
    content = path.read_bytes() if path.exists() else _fetched(address)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ChartRefused(
            f"{path if path.exists() else address} has the checksum {found}, and infra/versions.py has {sha256}. "
            "It is not used. A new version has a new checksum: docs/upgrades.md. Otherwise find out who replaced it."
        )
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)
    return str(path)


def _fetched(address: str) -> bytes:
    try:
        with urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - the setting's own address
            return bytes(answer.read())
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise ChartRefused(
            f"{address} cannot be had: {error}. It has to be there for each `up` of a platform; "
            "`smallcase:ingressControllerChart` names another repository."
        ) from None
