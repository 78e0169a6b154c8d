"""Whether an advisory is out for a package that is locked: the image's, the program's and those of its tests."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from pipeline.checkout import REPORTS
from pipeline.outcomes import Failed

CHECKOUT: Final = Path(__file__).resolve().parent.parent
TIMEOUT: Final = 600
"""Seconds that all questions to the database may take together."""

SHOWN: Final = 5
"""How many packages are named of which nothing is known."""

Audit = Callable[[Path], str]
"""From a file of requirements to what `pip-audit --format json` prints of it."""


@final
@dataclass(frozen=True, kw_only=True)
class Package:
    """What the database says of one package."""

    name: str
    version: str
    advisories: tuple[str, ...]
    unread: str
    """Why it says nothing, in words."""


def check(audit: Audit, requirements: Mapping[str, Path]) -> list[str]:
    """A line for each list of packages, none of which has an advisory.

    Parameters:
        requirements: files by what they are for.

    Raises:
        Failed: one has, or the database says nothing of one: that is no good news.
    """
    found = {what: list(packages(audit(path))) for what, path in requirements.items()}
    advisories = [
        f"{one.name} {one.version} ({what}): {'; '.join(one.advisories)}"
        for what, listed in found.items()
        for one in listed
        if one.advisories
    ]
    unread = {one.name: one.unread for listed in found.values() for one in listed if one.unread}
    said: list[str] = []
    if advisories:
        said.append("There are advisories:\n  " + "\n  ".join(advisories))
    if unread:
        said.append(
            f"The advisory database is out of reach for {len(unread)} packages, so nothing is known of them: "
            f"{', '.join(sorted(unread)[:SHOWN])}{' …' if len(unread) > SHOWN else ''}. It says: {min(unread.values())}"
        )
    if said:
        raise Failed(
            "\n".join(said),
            "Raise what has a fix: `uv lock --upgrade-package NAME`, for the image as app/requirements.txt says. "
            "If the database is out of reach, ask from where https://pypi.org/pypi/pip/json answers.",
        )
    return [f"{what}: {len(listed)} packages, no advisory" for what, listed in found.items()]


def packages(answer: str) -> Iterator[Package]:
    """The packages in an answer of pip-audit, which skips what it finds nowhere and ends well
    (https://github.com/pypa/pip-audit/blob/main/pip_audit/_format/json.py)."""
    for one in cast("Sequence[Mapping[str, object]]", json.loads(answer)["dependencies"]):
        known = cast("Sequence[Mapping[str, object]]", one.get("vulns") or ())
        yield Package(
            name=str(one["name"]),
            version=str(one.get("version") or ""),
            advisories=tuple(
                f"{each['id']}, {_fixed(cast('Sequence[str]', each.get('fix_versions') or ()))}" for each in known
            ),
            unread=str(one.get("skip_reason") or ""),
        )


def of_checkout() -> dict[str, Path]:
    """The lists of this project, each with versions and checksums."""
    exported = CHECKOUT / REPORTS / "requirements.txt"
    exported.parent.mkdir(exist_ok=True)
    options = ("--locked", "--all-groups", "--no-emit-project", "--quiet", "--output-file", str(exported))
    command = (sys.executable, "-m", "uv", "export", *options)
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if ran.returncode != 0:
        raise Failed(f"`{' '.join(command)}` failed: {ran.stderr.strip()}")
    return {"the image": CHECKOUT / "app" / "requirements.txt", "the program, its tests and tools": exported}


def by_pip_audit(requirements: Path) -> str:
    """What the database of PyPI says of the packages in a file.

    Raises:
        Failed: it cannot be asked at all.
    """
    options = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    command = (sys.executable, "-m", "pip_audit", *options, "--requirement", str(requirements))
    try:
        ran = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"The advisory database did not answer within {TIMEOUT} seconds: nothing is known.") from None
    # It ends with 1 where there are advisories, and where it broke down.
    if not ran.stdout.startswith("{"):
        last = (ran.stderr.strip().splitlines() or ["no reason"])[-1]
        raise Failed(f"The advisory database is out of reach, so nothing is known: {last}")
    return ran.stdout


def _fixed(versions: Sequence[str]) -> str:
    return f"fixed in {', '.join(versions)}" if versions else "no fix yet"
