"""Whether the pinned checksums of plugins are those of the sites that have them: asked where a version is raised."""

import base64
import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, cast, final
from urllib.request import urlopen

from infra import versions
from infra.platform.boot import JENKINS
from infra.plugins import Plugin, plugins
from pipeline.outcomes import Failed

TIMEOUT: Final = 60.0
"""Seconds that a site may keep silent."""

UPDATE_CENTER: Final = "https://updates.jenkins.io/current/plugin-versions.json"
"""Every version of every plugin of Jenkins, with its SHA-256 in base64
(https://github.com/jenkins-infra/update-center2/blob/master/src/main/java/io/jenkins/update_center/json/PluginVersionsEntry.java)."""

Sum = Callable[[str], str]
"""From an address to the SHA-256 of what is there, in hexadecimal."""
Versions = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By plugin of Jenkins and version, what the update center says of it."""


@final
@dataclass(frozen=True, kw_only=True)
class Checked:
    """A pin, and what it should be."""

    what: str
    pin: str
    """What it is called in `infra/versions.py`."""
    pinned: str
    found: str

    def __str__(self) -> str:
        return f"{self.what} ({f'pinned is {self.pinned}' if self.pinned else 'not pinned'})"


def check(sum_of: Sum, jenkins: Versions) -> list[str]:
    """A line for each pin, all of which are there and right.

    Raises:
        Failed: one is not; the message has the lines of `infra/versions.py` that would be. Or sites have different
            archives, lack one, or do not answer.
    """
    found = [*(_of_pulumi(plugin, sum_of) for plugin in plugins()), _of_jenkins(jenkins)]
    wrong = [one for one in found if one.pinned != one.found]
    if wrong:
        lines = "\n".join(f'{one.pin}: Final = "{one.found}"' for one in wrong)
        raise Failed(
            f"The sites have other checksums than infra/versions.py: {', '.join(map(str, wrong))}.",
            f"If a pin was right once, an archive was replaced: find out why. For a new version, put there:\n{lines}",
        )
    return [f"{one.what}: {one.found}, at the sites and pinned" for one in found]


def sha256_at(address: str) -> str:
    """The SHA-256 of what is there.

    Raises:
        Failed: the site does not answer.
    """
    with _opened(address) as answer:
        return hashlib.file_digest(answer, "sha256").hexdigest()


def update_center(address: str = UPDATE_CENTER) -> Versions:
    """What Jenkins's update center lists.

    Raises:
        Failed: it does not answer.
    """
    with _opened(address) as answer:
        return cast("Mapping[str, Versions]", json.load(answer))["plugins"]


def listed(plugins_txt: Path = JENKINS / "plugins.txt") -> dict[str, str]:
    """The plugins of Jenkins with their versions."""
    lines = plugins_txt.read_text(encoding="utf-8").splitlines()
    return dict(line.split(":") for line in lines if line and not line.startswith("#"))


def together(sums: Mapping[str, str]) -> str:
    """The one checksum of plugins of Jenkins, by that of each in hexadecimal: `sha256sum *.jpi | sha256sum`."""
    files = {f"{name}.jpi": sha256 for name, sha256 in sums.items()}
    return hashlib.sha256("".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()).hexdigest()


@contextmanager
def _opened(address: str) -> Generator[HTTPResponse]:
    """What is there, to read."""
    try:
        with cast("HTTPResponse", urlopen(address, timeout=TIMEOUT)) as answer:  # noqa: S310 - our own addresses
            yield answer
    except (HTTPException, OSError, ValueError) as error:
        raise Failed(f"{address} cannot be had: {error}.") from None


def _of_pulumi(plugin: Plugin, sum_of: Sum) -> Checked:
    sites = (
        f"https://get.pulumi.com/releases/plugins/{plugin.archive}",
        f"https://github.com/pulumi/pulumi-{plugin.name}/releases/download/v{plugin.version}/{plugin.archive}",
    )
    sums = {site: sum_of(site) for site in sites}
    what = f"{plugin.name} {plugin.version}"
    if len(set(sums.values())) > 1:
        shown = "\n".join(f"{sha256}  {site}" for site, sha256 in sums.items())
        raise Failed(f"The sites have different archives of {what}. Use neither:\n{shown}")
    return Checked(what=what, pin=plugin.pin, pinned=plugin.sha256, found=sums[sites[0]])


def _of_jenkins(known: Versions) -> Checked:
    wanted = listed()
    missing = [f"{name} {version}" for name, version in wanted.items() if version not in known.get(name, {})]
    if missing:
        raise Failed(
            f"Jenkins's update center does not have {', '.join(missing)}.",
            "Take other versions into jenkins/plugins.txt: jenkins/README.md says which.",
        )
    sums = {name: base64.b64decode(known[name][version]["sha256"]).hex() for name, version in wanted.items()}
    return Checked(
        what=f"Jenkins's {len(wanted)} plugins",
        pin="JENKINS_PLUGINS_SHA256",
        pinned=versions.JENKINS_PLUGINS_SHA256,
        found=together(sums),
    )
