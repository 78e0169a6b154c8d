"""The verb `hooks`: do GitHub's web hooks still come from where Jenkins's load balancer lets them in?

It runs at night. A test before a deployment would stop deployments on the day that GitHub adds an address.
"""

import argparse
import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from ipaddress import IPv4Network
from typing import Final, TextIO, cast
from urllib.error import URLError
from urllib.request import Request, urlopen

from infra import github_hooks
from pipeline.github import TIMEOUT, api
from pipeline.outcomes import Drifted, Failed

HELP: Final = "compare the addresses of GitHub's web hooks with the list in infra/github_hooks.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: there is one list, and one GitHub."""


def run(options: argparse.Namespace, out: TextIO) -> None:  # noqa: ARG001
    """Print that the list is GitHub's.

    Raises:
        Drifted: it is not.
        Failed: GitHub does not say.
        WrongUse: see `github.api`.
    """
    theirs = published(f"{api(os.environ)}/meta")
    ours = set(github_hooks.RANGES)
    if theirs != ours:
        found = [f"{len(names)} {what}: {_listed(names)}" for what, names in _differences(ours, theirs) if names]
        raise Drifted(
            f"GitHub's web hooks come from other addresses than the list of {github_hooks.AS_OF}. {'; '.join(found)}.",
            "Change RANGES and AS_OF in infra/github_hooks.py, and bring the platform up from origin/master.",
        )
    print(f"GitHub's web hooks come from the {len(ours)} ranges of the list.", file=out)


def published(address: str) -> set[IPv4Network]:
    """The ranges that GitHub publishes, without those of IPv6.

    Raises:
        Failed: it does not answer, or with something else.
    """
    request = Request(address, headers={"Accept": "application/vnd.github+json"})  # noqa: S310 - our own address
    try:
        with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            ranges = cast("Mapping[str, list[str]]", json.load(response))["hooks"]
        return {IPv4Network(item) for item in ranges if ":" not in item}
    except (URLError, HTTPException, OSError, ValueError, KeyError, TypeError) as error:
        raise Failed(f"GitHub did not say at {address} where its web hooks come from: {error!r}") from None


def _differences(ours: set[IPv4Network], theirs: set[IPv4Network]) -> tuple[tuple[str, set[IPv4Network]], ...]:
    return (
        ("that are not let in, so that their pushes are found by a scan", theirs - ours),
        ("that are let in and are not GitHub's any more", ours - theirs),
    )


def _listed(ranges: set[IPv4Network]) -> str:
    return ", ".join(map(str, sorted(ranges)))
