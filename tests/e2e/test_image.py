"""The image, built for real: the same from every clone of a commit, and not at all by a BuildKit that is too old."""

import json
import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from infra import git, revision
from infra.environment.context import lay_out
from infra.environment.image import build_arguments
from rehearsal import places
from tests.e2e.conftest import Rehearsal
from tests.stack_files import CHECKOUT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def build(rehearsal: Rehearsal, root: Path, answer: Path, **arguments: str) -> subprocess.CompletedProcess[str]:
    """Build the application of a checkout as the program does, but for the push, and with nothing from a cache."""
    node, source = rehearsal.standing.node, revision.read(root)
    answer.mkdir()
    context = lay_out(source.app, answer)
    given = {**build_arguments(source, node.base_image), **arguments}
    image = f"type=image,name={places.REGISTRY}/smallcase:trial,oci-mediatypes=true,rewrite-timestamp=true"
    return subprocess.run(
        [
            node.tools.buildctl,
            f"--addr=unix://{node.files.buildkit_socket}",
            "build",
            "--no-cache",
            "--progress=plain",
            "--frontend=dockerfile.v0",
            *(f"--opt=build-arg:{name}={value}" for name, value in given.items()),
            f"--local=context={context}",
            f"--local=dockerfile={context}",
            f"--output={image}",
            f"--metadata-file={answer / 'answer.json'}",
        ],
        env=rehearsal.standing.variables,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def digest(rehearsal: Rehearsal, root: Path, answer: Path) -> str:
    built = build(rehearsal, root, answer)
    assert built.returncode == 0, built.stderr
    return cast("dict[str, str]", json.loads((answer / "answer.json").read_text(encoding="utf-8")))[
        "containerimage.digest"
    ]


def in_odd_surroundings(checkout: Path, clone: Path) -> Path:
    """A clone with another umask, Windows's line ends, old files and what Git ignores, and a linked work tree of it."""
    umask = os.umask(0o077)
    try:
        for arguments in (
            ("clone", "--quiet", checkout, clone / "main"),
            ("-C", clone / "main", "worktree", "add", "--quiet", "--detach", clone / "linked"),
        ):
            made = git.run(clone.parent, *arguments)
            assert made.returncode == 0, made.stderr
    finally:
        os.umask(umask)
    for path in (path for path in (clone / "linked" / "app").rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        os.utime(path, (0, 0))
    for name in (".coverage", "smallcase/.ruff_cache/rubbish"):
        (clone / "linked" / "app" / name).parent.mkdir(exist_ok=True)
        (clone / "linked" / "app" / name).touch()
    return clone / "linked"


def test_every_clone_of_a_commit_gives_one_digest(rehearsal: Rehearsal, tmp_path: Path) -> None:
    made = git.run(tmp_path, "clone", "--quiet", CHECKOUT, "plain")
    assert made.returncode == 0, made.stderr
    plain = digest(rehearsal, tmp_path / "plain", tmp_path / "one")
    assert digest(rehearsal, in_odd_surroundings(CHECKOUT, tmp_path / "odd"), tmp_path / "two") == plain


def test_what_the_provider_has_built_is_built_again_to_the_byte(rehearsal: Rehearsal, tmp_path: Path) -> None:
    assert digest(rehearsal, CHECKOUT, tmp_path / "again") == rehearsal.page("green").digest


def test_a_buildkit_that_takes_no_mode_from_a_variable_ends_with_what_to_do(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """What it then takes is the mode of the file."""
    built = build(rehearsal, CHECKOUT, tmp_path / "old", MODE="0644")
    assert built.returncode != 0
    assert "This BuildKit is older than" in built.stderr
