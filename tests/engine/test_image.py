"""The image of an environment, whoever deploys it from wherever."""

import os
from pathlib import Path

from rehearsal import project
from tests.engine.world import OVERLAY, World, git


def test_another_clone_of_the_commit_with_other_line_ends_dates_and_modes_and_ignored_files_changes_nothing(
    live: World, tmp_path: Path
) -> None:
    clone, umask = tmp_path / "elsewhere" / "clone", os.umask(0o077)
    try:
        git(live.checkout, "-c", "core.autocrlf=true", "clone", "--quiet", ".", str(clone))
    finally:
        os.umask(umask)
    assert b"\r\n" in (clone / "app" / "Dockerfile").read_bytes()
    for path in (clone / "app").rglob("*"):
        os.utime(path, (0, 0))
    for name in (".coverage", "smallcase/.ruff_cache/rubbish"):
        (clone / "app" / name).parent.mkdir(exist_ok=True)
        (clone / "app" / name).touch()
    project.generate(clone, live.harness.project, OVERLAY)
    preview = live.preview("green", "--expect-no-changes")
    assert preview.succeeded, preview.outcome.output
