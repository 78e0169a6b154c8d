"""The verb `verify`: does the live page show what was deployed, from every pod?"""

import argparse
import http.client
import json
import time
from dataclasses import dataclass, fields
from typing import Final, TextIO, cast, final
from urllib.error import URLError
from urllib.request import Request, urlopen

from pipeline import environments, record
from pipeline.deadline import Deadline, add_deadline_argument
from pipeline.environments import NO_STACK, Target, add_target_arguments
from pipeline.outcomes import Failed
from pipeline.progress import under_way
from pipeline.proxy import through

HELP: Final = "look at the live page until every pod shows what was deployed; the last line is its address"

PAUSE: Final = 0.2
"""Seconds between two looks. Each has a connection of its own, so the load balancer chooses a pod anew."""
TIMEOUT: Final = 5
"""Seconds that one look may take."""


@final
@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is live."""

    url: str
    page: "Page"
    pods: frozenset[str]
    """The pods that showed it: as many as there have to be."""


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """What has to be live."""

    environment: str
    branch: str
    version: str
    """The commit."""
    colour: str
    digest: str
    """The image's."""

    def differences(self, other: "Page") -> list[str]:
        """What the other shows instead."""
        return [
            f"its {field.name} is {getattr(other, field.name)!r}, not {getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_deadline_argument(parser, "5m")


def run(options: argparse.Namespace, out: TextIO) -> None:
    """Look until every pod has shown the right page, or the deadline.

    Raises:
        Failed: nothing is deployed, or the page was not right by the deadline.
        WrongUse: see `environments.find`.
    """
    deadline = Deadline.after(options.deadline)
    target = environments.find(options, out)
    if not isinstance(target, Target):
        print(NO_STACK.format(branch=target.deployed_as, verb="verify"), file=out)
        return
    with under_way(f"looking at {target.stack}"):
        seen = verify(target, deadline)
    record.seen(target.checkout, target.stack)
    print(f"{seen.page.environment}, branch {seen.page.branch}, {seen.page.version}, {seen.page.digest}", file=out)
    print(f"seen from every pod: {', '.join(sorted(seen.pods))}", file=out)
    print(seen.url, file=out, flush=True)


def verify(target: Target, deadline: Deadline) -> Seen:
    """Look until every pod has shown the right page, or the deadline.

    Raises:
        Failed: nothing is deployed, or the page was not right by the deadline.
        WrongUse: a program or a credential is missing.
    """
    outputs = target.pulumi.outputs(target.stack)
    if not outputs.get("url"):
        raise Failed(f"The stack {target.stack!r} has no address: nothing is deployed.", "Run `deploy` first.")
    configured = target.declared.environment
    expected = Page(
        environment=str(outputs["environment"]),
        branch=str(outputs["branch"]),
        version=str(outputs["commit"]),
        colour=configured.colour,
        digest=str(outputs["image"]).rpartition("@")[2],
    )
    url = str(outputs["url"])
    return Seen(url=url, page=expected, pods=frozenset(watch(url, expected, configured.replicas, deadline)))


def watch(url: str, expected: Page, replicas: int, deadline: Deadline) -> set[str]:
    """Look until this many pods have shown the expected page one after the other, with no other page in between.

    Raises:
        Failed: they had not by the deadline; the message says what was seen instead.
    """
    seen: set[str] = set()
    wrong = ""
    while not deadline.passed:
        try:
            found, pod = look(url)
            differences = expected.differences(found)
            # Only for a new pod: with two requests each time, a load balancer that takes turns would answer the first
            # of them from the same half of the pods for ever.
            if not differences and pod not in seen:
                differences = unsaid(url, expected)
        except (URLError, http.client.HTTPException, OSError, ValueError, KeyError) as error:
            differences, pod = [f"it does not answer: {error}"], ""
        if differences:
            wrong = "; ".join(differences) + (f" (pod {pod})" if pod else "")
            seen.clear()
        else:
            seen.add(pod)
            if len(seen) >= replicas:
                return seen
        time.sleep(min(PAUSE, deadline.remaining))
    answered = f"of {replicas} pods, {len(seen)} answered{': ' if seen else ''}{', '.join(sorted(seen))}"
    shown = "; ".join(filter(None, [wrong, answered]))
    raise Failed(
        f"{url} did not show what was deployed within {deadline}{through(url)}: {shown}.",
        "`kubectl get pods` in its namespace shows the pods; the Ingress's events show the load balancer.",
    )


def look(url: str) -> tuple[Page, str]:
    """What the page says of itself, and the pod that said so.

    Raises:
        OSError, HTTPException: it does not answer.
        ValueError, KeyError: it answers something else.
    """
    said = cast("dict[str, str]", json.loads(_get(f"{url}/version")))
    page = Page(
        environment=said["environment"],
        branch=said["branch"],
        version=said["version"],
        colour=said["colour"].lower(),
        digest=said["image"].rpartition("@")[2],
    )
    return page, said["pod"]


def unsaid(url: str, expected: Page) -> list[str]:
    """What the page for people leaves out.

    Raises:
        OSError, HTTPException: it does not answer.
    """
    html = _get(f"{url}/")
    return [
        f"the page does not say {fact!r}"
        for fact in (expected.environment, expected.branch, expected.version)
        if fact not in html
    ]


def _get(url: str) -> str:
    request = Request(url, headers={"Connection": "close", "Cache-Control": "no-cache"})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - the program exported this address
        return cast("bytes", response.read()).decode()
