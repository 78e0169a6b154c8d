"""Whether the pinned checksums are those of the archives, as both sites have them: asked where a version is raised."""

import hashlib
from collections.abc import Callable
from http.client import HTTPException
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from infra.plugins import Plugin, plugins
from pipeline.outcomes import Failed

TIMEOUT: Final = 60.0
"""Seconds that a site may keep silent."""

Sum = Callable[[str], str]
"""From an address to the SHA-256 of what is there, in hexadecimal."""


def check(sum_of: Sum) -> list[str]:
    """A line for each plugin, all of whose checksums are pinned and right.

    Raises:
        Failed: one is not; the message has the lines of `infra/versions.py` that would be. Or the sites have different
            archives, or do not answer.
    """
    found = {plugin: _agreed(plugin, sum_of) for plugin in plugins()}
    wrong = [plugin for plugin, sha256 in found.items() if plugin.sha256 != sha256]
    if wrong:
        lines = "\n".join(f'{plugin.pin}: Final = "{found[plugin]}"' for plugin in wrong)
        names = ", ".join(f"{plugin.name} {plugin.version} ({_said(plugin)})" for plugin in wrong)
        raise Failed(
            f"Both sites have the same archives, with other checksums than infra/versions.py: {names}.",
            f"If a pin was right once, an archive was replaced: find out why. For a new version, put there:\n{lines}",
        )
    return [f"{plugin.name} {plugin.version}: {sha256}, at both sites and pinned" for plugin, sha256 in found.items()]


def sha256_at(address: str) -> str:
    """The SHA-256 of what is there.

    Raises:
        Failed: the site does not answer.
    """
    try:
        with urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - our own addresses
            return hashlib.file_digest(answer, "sha256").hexdigest()
    except (URLError, HTTPException, OSError) as error:
        raise Failed(f"{address} cannot be had: {error}.") from None


def _agreed(plugin: Plugin, sum_of: Sum) -> str:
    sites = (
        f"https://get.pulumi.com/releases/plugins/{plugin.archive}",
        f"https://github.com/pulumi/pulumi-{plugin.name}/releases/download/v{plugin.version}/{plugin.archive}",
    )
    sums = {site: sum_of(site) for site in sites}
    if len(set(sums.values())) > 1:
        listed = "\n".join(f"{sha256}  {site}" for site, sha256 in sums.items())
        raise Failed(f"The sites have different archives of {plugin.name} {plugin.version}. Use neither:\n{listed}")
    return sums[sites[0]]


def _said(plugin: Plugin) -> str:
    return f"pinned is {plugin.sha256}" if plugin.sha256 else "not pinned"
