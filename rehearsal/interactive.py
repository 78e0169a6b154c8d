"""An interactive shell that stays in the rehearsal whatever its user's start-up file sets.

Such files put directories first on PATH (Pulumi's installer does) and export `KUBECONFIG` or `AWS_PROFILE`. So the file
is read first, as anywhere, and the rehearsal's variables are set again after it.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rehearsal.surroundings import FORGOTTEN, OWN

_OTHERS: Final = f"^({'|'.join(FORGOTTEN)})"


def shell_command(shell: str, variables: Mapping[str, str], state: Path) -> tuple[list[str], dict[str, str]]:
    """What to run, and under which variables, for an interactive `shell` in the rehearsal; its start-up file is written
    below `state`.

    Parameters:
        shell: the user's, as in SHELL: bash, zsh and fish are known, anything else is taken for a POSIX shell.
        variables: the rehearsal's whole environment.
    """
    own = {name: value for name, value in variables.items() if name.startswith(FORGOTTEN) or name in OWN}
    directory = state / "shell"
    directory.mkdir(mode=0o700, exist_ok=True)
    match Path(shell).name:
        case "bash":
            start = _written(directory / "bashrc", _read_first('"$HOME/.bashrc"') + posix(own))
            return [shell, "--rcfile", str(start), "-i"], dict(variables)
        case "zsh":
            # Where zsh looks for `.zshrc`; the user's own is looked for where it would have been.
            home = shlex.quote(variables.get("ZDOTDIR", variables.get("HOME", "")))
            read = _read_first('"$ZDOTDIR/.zshrc"')
            _written(directory / ".zshrc", f"ZDOTDIR={home}\n{read}{posix(own)}")
            return [shell, "-i"], {**variables, "ZDOTDIR": str(directory)}
        case "fish":
            start = _written(directory / "init.fish", fish(own))
            return [shell, "--interactive", f"--init-command=source {shlex.quote(str(start))}"], dict(variables)
        case _:
            # The one file that POSIX has an interactive shell read.
            start = _written(directory / "shrc", _read_first(shlex.quote(variables.get("ENV", ""))) + posix(own))
            return [shell, "-i"], {**variables, "ENV": str(start)}


def posix(own: Mapping[str, str]) -> str:
    """Commands that set these variables, and take away others that could lead a tool elsewhere."""
    lines = [
        f"for name in $(env | sed -nE 's/{_OTHERS}([A-Za-z0-9_]*)=.*/\\1\\2/p'); do unset \"$name\"; done; unset name",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(own.items())),
    ]
    return "\n".join(lines) + "\n"


def fish(own: Mapping[str, str]) -> str:
    """The same in fish's words."""
    lines = [
        f"for name in (set --names --export | string match --regex '{_OTHERS}.*'); set --erase $name; end",
        *(
            f"set --global --export {name} {_fish_quoted(value)}"
            for name, value in sorted(own.items())
            if name != "PATH"
        ),
        *(
            ["set --global --export PATH " + " ".join(map(_fish_quoted, own["PATH"].split(":")))]
            if "PATH" in own
            else []
        ),
    ]
    return "\n".join(lines) + "\n"


def _fish_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _read_first(file: str) -> str:
    """The command that reads a file, a word of the shell, if it is there."""
    return f"[ ! -r {file} ] || . {file}\n"


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
