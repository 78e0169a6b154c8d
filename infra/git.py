"""Git as every question about a checkout is asked: the answer depends on the repository alone."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

OLDEST: Final = "2.32"
"""The first Git whose settings of the user and of the machine can be left aside
(https://github.com/git/git/blob/v2.32.0/Documentation/RelNotes/2.32.0.txt)."""

_INSTALL: Final = f"Install Git {OLDEST} or newer."

TIMEOUT: Final = 120
"""Seconds after which Git is taken to hang."""

_SETTINGS: Final = {
    # The repository may have settings of its own for these, and the first is read from the home directory as well.
    "core.attributesFile": os.devnull,
    # Line ends count as the commit has them, also in a work tree that a Windows user's settings have made.
    "core.autocrlf": "input",
    "core.safecrlf": "false",
    # What others say about the work tree: a program of the user's, and a cache.
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    # Part of an index, in the repository wherever the index is.
    "core.splitIndex": "false",
    "core.hooksPath": os.devnull,
    "log.showSignature": "false",
    # Whoever asks runs the checkout's own Python already: an owner to be careful of has been trusted before.
    "safe.directory": "*",
}
_REMOTE: Final = tuple(
    f"GIT_{kind}" for kind in ("ASKPASS", "CONFIG_", "CURL_", "HTTP_", "PROXY_", "SSH", "SSL_", "TRACE")
)
"""How the caller's variables of Git begin that say how to reach another repository, not where this one is."""


class GitError(Exception):
    """Git did not run to its end."""

    def __init__(self, message: str, way_out: str) -> None:
        super().__init__(f"{message} {way_out}")
        self.message: Final = message
        self.way_out: Final = way_out


def environment(caller: Mapping[str, str], *, remote: bool = False) -> dict[str, str]:
    """The variables to run Git, or a program that runs it, with: none of the caller's `GIT_*`, which a hook would set
    for another repository, and none of the settings of the user and of the machine, but for `ignore_rules`.

    Args:
        caller: the variables to start from.
        remote: keep what says how another repository is reached: settings (proxies, credentials, addresses that
            stand for others) and variables.
    """
    kept = _REMOTE if remote else ()
    variables = {name: value for name, value in caller.items() if not name.startswith("GIT_") or name.startswith(kept)}
    variables |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    if remote:
        return variables
    for number, (name, value) in enumerate(_SETTINGS.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables | {
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        # Commits that stand for others: refs/replace, and info/grafts before that.
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def ignore_rules(directory: Path) -> Sequence[str]:
    """Options by which Git ignores what the user ignores in every repository, such as `.env`: that keeps a file out and
    brings none in.

    Raises:
        GitError: as `run` does.
    """
    found = run(directory, "config", "--type=path", "--get", "core.excludesFile", remote=True).stdout
    return ("-c", f"core.excludesFile={os.fsdecode(found).rstrip()}") if found else ()


def run(
    directory: Path,
    *arguments: str | Path,
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
    remote: bool = False,
    timeout: float = TIMEOUT,
) -> subprocess.CompletedProcess[bytes]:
    """Git's answer in a directory, whatever it is. It asks no questions and speaks English.

    Args:
        variables: set on top of `environment`.
        remote: as `environment` has it.
        timeout: seconds after which it is taken to hang.

    Raises:
        GitError: Git is missing or too old, does not run, or does not end in time.
    """
    try:
        _require_new_enough(shutil.which("git") or "git")
        return subprocess.run(
            ["git", *arguments],
            cwd=directory,
            env={**environment(os.environ, remote=remote), **(variables or {})},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("`git` is not on PATH.", _INSTALL) from None
    except OSError as error:
        raise GitError(
            f"`git` does not run: {error.strerror}.", f"`command -v git` says which it is. {_INSTALL}"
        ) from None
    except subprocess.TimeoutExpired:
        raise GitError(
            f"`git {arguments[0]}` did not end within {timeout:.0f} seconds.", "Is origin within reach? Try it by hand."
        ) from None


@functools.cache
def _require_new_enough(program: str) -> None:
    """Let only a Git through that knows the variables in `environment`: an older one passes over them in silence."""
    said = subprocess.run(
        [program, "version"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=TIMEOUT,
        check=False,
    ).stdout.strip()
    found = re.match(r"git version ([0-9]+)\.([0-9]+)", said)
    if not found or tuple(map(int, found.groups())) < tuple(map(int, OLDEST.split("."))):
        raise GitError(
            f"{program} is too old: `git version` says {said!r}, and before {OLDEST} settings of the user count.",
            _INSTALL,
        )
