"""The update bot knows every pin that it can raise, and works within the flow."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from infra import versions
from operations.plugins import listed
from pipeline.checkout import Change
from pipeline.flow import check_branches
from tests.contract.test_pins import OTHERWISE, PINNED
from tests.stack_files import CHECKOUT

BOT = CHECKOUT / "renovate.json"
CONFIGURED = cast("dict[str, object]", json.loads(BOT.read_text(encoding="utf-8")))
BY_HAND = {*OTHERWISE, "JENKINS_SIGNED"}
"""AWS says what goes together, or nobody raises it for being newer."""


def found() -> Iterator[tuple[str, str]]:
    """What the bot's own managers find: a file, and a version in it."""
    for manager in cast("list[dict[str, list[str]]]", CONFIGURED["customManagers"]):
        [files], [pattern] = manager["managerFilePatterns"], manager["matchStrings"]
        [path] = [path for path in tracked() if re.search(files.strip("/"), path)]
        text = (CHECKOUT / path).read_text(encoding="utf-8")
        for match in re.finditer(pattern.replace("(?<", "(?P<"), text):
            groups = match.groupdict()
            yield path, groups.get("currentValue") or groups["version"]


def tracked() -> list[str]:
    ran = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, encoding="utf-8", check=True, timeout=30
    )
    return ran.stdout.splitlines()


def test_it_is_what_the_bot_takes() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([program, "--quiet", "--builtin-schema", "vendor.renovate", BOT], check=True, timeout=60)


def test_every_version_is_raised_by_the_bot_or_by_whom_the_page_says() -> None:
    of_bot = sorted(version for path, version in found() if path == "infra/versions.py")
    assert of_bot == sorted(getattr(versions, name) for name in PINNED)
    assert not PINNED.keys() & BY_HAND


def test_it_knows_every_plugin_of_jenkins_and_the_uv_of_the_makefile() -> None:
    plugins = [version for path, version in found() if path == "jenkins/plugins.txt"]
    assert sorted(plugins) == sorted(listed().values())
    assert ("Makefile", versions.UV) in found()


def test_its_branches_may_go_where_it_wants_them() -> None:
    [target] = cast("list[str]", CONFIGURED["baseBranchPatterns"])
    check_branches(Change(source=f"{CONFIGURED['branchPrefix']}flask-3.x", target=target, fork=""))


def test_it_merges_nothing() -> None:
    assert "automerge" not in BOT.read_text(encoding="utf-8")
