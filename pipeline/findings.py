"""What the registry's scan of an image found: a critical vulnerability with a fix does not go on to production.

A scan begins with the push, and an image is pushed and deployed in one `pulumi up`: where nobody approves, it already
runs when the findings are there. So staging's are read before production is planned.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TextIO, final

from pipeline import aws
from pipeline.branches import FLOW, stack_of
from pipeline.environments import Target
from pipeline.json_values import mapping, sequence
from pipeline.outcomes import Refused

PATIENCE: Final = 60.0
"""Seconds that a scan has to end; of a small image it takes some ten."""
PAUSE: Final = 3.0
"""Seconds between two looks."""
TIMEOUT: Final = 30
"""Seconds that AWS may take to answer."""

DONE: Final = frozenset({"COMPLETE", "ACTIVE"})
"""Of a basic scan, and of an enhanced one, which goes on for as long as the image is watched."""
COMING: Final = frozenset({"PENDING", "IN_PROGRESS"})
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html"""
_LATER: Final = re.compile(r"ScanNotFoundException|ThrottlingException|TooManyRequests|Rate exceeded|ServerException")
_ECR: Final = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")

RULE: Final = (
    "The rule: a critical vulnerability that has a fix, and that what runs does not have, goes no further. What "
    "`smallcase:image` names is never refused for it."
)
WAY_OUT: Final = (
    "Take the fix: a newer base image in app/Dockerfile, or newer packages in app/requirements.txt. In an emergency a "
    "person deploys from a laptop: docs/pipeline.md, `What the scan of an image says`."
)


@final
@dataclass(frozen=True, kw_only=True, order=True)
class Critical:
    """A critical vulnerability in a package of an image."""

    name: str
    package: str
    version: str = ""
    fixed: str = ""
    """The version with the fix."""
    fix: bool | None = None
    """Whether there is one; None where the scan does not say, as a basic one does not."""

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.package

    def __str__(self) -> str:
        fixed = f", fixed in {self.fixed or 'a newer version'}" if self.fix else ""
        return f"{self.name} in {self.package} {self.version}".rstrip() + fixed


@final
@dataclass(frozen=True, kw_only=True)
class Scan:
    """What is known of an image."""

    criticals: frozenset[Critical] = frozenset()
    unread: str = ""
    """Why nothing is known of it, in words."""


@final
@dataclass(frozen=True, kw_only=True)
class Judged:
    """What follows from two scans."""

    refused: tuple[Critical, ...] = ()
    warning: str = ""


def judge(new: Scan, running: Scan) -> Judged:
    """Hold a new image's findings against those of the one that runs: what is known to be fixable and new is refused,
    what is not known is only told."""
    if new.unread:
        return Judged(warning=f"What the scan found in the new image is not known: {new.unread}.")
    known = {critical.key for critical in running.criticals}
    more = sorted(critical for critical in new.criticals if critical.key not in known)
    if running.unread and more:
        listed = "; ".join(map(str, more))
        return Judged(
            warning=f"The new image has {listed}. Whether what runs has that too is not known: {running.unread}."
        )
    told = [critical for critical in more if not critical.fix]
    warning = f"New in the image, and no fix is known: {'; '.join(map(str, told))}." if told else ""
    return Judged(refused=tuple(critical for critical in more if critical.fix), warning=warning)


def criticals(answer: Mapping[str, object]) -> Iterator[Critical]:
    """The critical findings in an answer of `aws ecr describe-image-scan-findings`, of a basic or an enhanced scan
    (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFindings.html)."""
    findings = mapping(answer.get("imageScanFindings"))
    for finding in map(mapping, sequence(findings.get("findings"))):
        if finding.get("severity") == "CRITICAL":
            said = {
                _word(one.get("key")): _word(one.get("value"))
                for one in map(mapping, sequence(finding.get("attributes")))
            }
            yield Critical(
                name=_word(finding.get("name")),
                package=said.get("package_name", "a package"),
                version=said.get("package_version", ""),
            )
    for finding in map(mapping, sequence(findings.get("enhancedFindings"))):
        if finding.get("severity") == "CRITICAL" and finding.get("status", "ACTIVE") == "ACTIVE":
            details = mapping(finding.get("packageVulnerabilityDetails"))
            for package in map(mapping, sequence(details.get("vulnerablePackages"))):
                fixed = _word(package.get("fixedInVersion"))
                yield Critical(
                    name=_word(details.get("vulnerabilityId") or finding.get("title")),
                    package=_word(package.get("name")),
                    version=_word(package.get("version")),
                    fixed="" if fixed == "NotAvailable" else fixed,
                    # PARTIAL: some of the packages have one.
                    fix=finding.get("fixAvailable") == "YES" or fixed not in {"", "NotAvailable"},
                )


def scan(image: str, environment: Mapping[str, str]) -> Scan:
    """What the registry found in an image, waited for until it is there.

    Parameters:
        image: as `pulumi stack output image` prints it.
        environment: with the credentials.
    """
    end = time.monotonic() + PATIENCE
    while True:
        found, again = _ask(image, environment)
        if not again or time.monotonic() + PAUSE > end:
            return found
        time.sleep(PAUSE)


def of_promotion(target: Target) -> str:
    """Hold staging's image against the one that runs in production, before production is planned: it is built from the
    same commit, and the same commit gives the same image. What is to be told of it; nothing of other environments.

    Raises:
        Refused: the scan found what production should not get.
        WrongUse: a credential or the CLI is missing.
        Failed: the state cannot be read.
    """
    *_, source, production = FLOW
    if target.build.branch != production or target.declared.environment.image:
        return ""
    before = stack_of(source, target.pulumi.project)
    promoted = target.image_of(before) if before else ""
    if not promoted:
        return f"Nothing of {source} is deployed, so no scan says what production would get."
    return _held(
        target, promoted, target.image_of(target.stack), f"The image of {before} does not go on to {target.stack}"
    )


def of_deployment(target: Target, before: str, out: TextIO) -> None:
    """Hold an image that was just deployed against the one that ran before.

    Raises:
        Refused: the scan found what it should not have; it runs, and nothing is released of it.
        WrongUse: a credential or the CLI is missing.
        Failed: the state cannot be read.
    """
    if target.declared.environment.image:
        return
    image = target.image_of(target.stack)
    if not image:
        return
    told = _held(target, image, before, f"{target.stack} is deployed, and its image is in use now. It goes no further")
    if told:
        print(told, file=out, flush=True)


def _held(target: Target, image: str, before: str, refusal: str) -> str:
    """What is to be told of an image that is not refused."""
    if image.rpartition("@")[2] == before.rpartition("@")[2]:
        return ""
    environment = target.pulumi.environment
    judged = judge(scan(image, environment), scan(before, environment) if before else Scan())
    if judged.refused:
        listed = "".join(f"\n  {critical}" for critical in judged.refused)
        raise Refused(
            f"{refusal}: the registry's scan found, and what ran before does not have:{listed}\n{RULE}", WAY_OUT
        )
    return judged.warning


def _ask(image: str, environment: Mapping[str, str]) -> tuple[Scan, bool]:
    """What the registry says now, and whether that may change."""
    name, _, digest = image.rpartition("@")
    registry, _, repository = name.rpartition(":")[0].partition("/")
    ours = _ECR.fullmatch(registry)
    where = ("--registry-id", ours["account"], "--region", ours["region"]) if ours else ()
    asking = ("ecr", "describe-image-scan-findings", "--repository-name", repository)
    try:
        ran = aws.run(*asking, "--image-id", f"imageDigest={digest}", *where, environment=environment, timeout=TIMEOUT)
    except FileNotFoundError:
        return Scan(unread="`aws` is not on PATH"), False
    except subprocess.TimeoutExpired:
        return Scan(unread=f"AWS did not answer within {TIMEOUT} seconds"), True
    if ran.returncode != 0:
        said = " ".join(ran.stderr.split())[-300:]
        return Scan(unread=said or f"`aws` ended with {ran.returncode}"), bool(_LATER.search(said))
    try:
        answer = mapping(json.loads(ran.stdout))
    except ValueError:
        return Scan(unread="`aws` answered something else than JSON"), False
    status = mapping(answer.get("imageScanStatus"))
    word = str(status.get("status"))
    if word in DONE:
        return Scan(criticals=frozenset(criticals(answer))), False
    return Scan(unread=f"the scan is {word} {status.get('description') or ''}".strip()), word in COMING


def _word(value: object) -> str:
    """In one line: what somebody named a package stands in a report that is approved."""
    return " ".join(str(value or "").split())
