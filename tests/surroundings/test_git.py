"""The project in clones and under variables of Git that are not those of a fresh clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.repository import git
from tests.surroundings.conftest import cloned, installed

TESTS = "tests/unit/test_decisions.py"
"""Tests that make repositories."""


def commit(worktree: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    return subprocess.run(
        ["git", *identity, "commit", "--quiet", "--allow-empty", "--message", "a change"],
        cwd=worktree,
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )


def state(*worktrees: Path) -> list[str]:
    """What tests could change in a repository: its settings, its branches, what is staged and what is not."""
    common = Path(git(worktrees[0], "rev-parse", "--path-format=absolute", "--git-common-dir"))
    config = (common / "config").read_text(encoding="utf-8")
    branches = git(worktrees[0], "for-each-ref")
    return [config, branches, *(git(tree, "status", "--porcelain", "--untracked-files=all") for tree in worktrees)]


@pytest.mark.surroundings("a Git hook of a linked work tree", "Tests run, and leave the repository alone.")
def test_tests_in_a_hook_of_a_linked_work_tree_leave_its_repository_alone(origin: Path, tmp_path: Path) -> None:
    clone = cloned(origin, tmp_path / "clone")
    worktree = tmp_path / "worktree"
    git(clone, "worktree", "add", "--quiet", str(worktree))
    installed(worktree)
    # Git runs it with GIT_DIR, GIT_INDEX_FILE and others set. It ends badly, so that nothing is committed.
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.write_text(
        f"#!/bin/sh\n{sys.executable} -m pytest -q -n0 -p no:cacheprovider {TESTS} >'{tmp_path}/said' 2>&1\n"
        f"echo $? >'{tmp_path}/code'\nexit 1\n",
        encoding="utf-8",
    )
    hook.chmod(0o755)
    before = state(clone, worktree)
    commit(worktree)
    assert (tmp_path / "code").read_text(encoding="utf-8") == "0\n", (tmp_path / "said").read_text(encoding="utf-8")
    assert state(clone, worktree) == before
