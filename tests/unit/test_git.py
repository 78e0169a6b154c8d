import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from infra import git

IDENTITY = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def ask(directory: Path, *arguments: str) -> str:
    ran = git.run(directory, *arguments, variables=IDENTITY)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.decode().strip()


def make_repository(directory: Path, text: str) -> Path:
    directory.mkdir()
    ask(directory, "init", "--quiet")
    (directory / "file").write_text(text, encoding="utf-8")
    ask(directory, "add", "--all")
    ask(directory, "commit", "--quiet", "--message", text)
    sign(directory)
    return directory


def sign(directory: Path) -> None:
    """Put a signature into the last commit, one that no key has made."""
    head, message = ask(directory, "cat-file", "commit", "HEAD").split("\n\n", 1)
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n -----END PGP SIGNATURE-----\n\n{message}\n".encode()
    made = git.run(directory, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).stdout.decode().strip()
    ask(directory, "update-ref", "HEAD", made)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", "text\n")


def set_variables(repository: Path) -> Mapping[str, str]:
    """What Git sets for a hook of another repository."""
    other = make_repository(repository.parent / "other", "other")
    return {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
    }


def show_signatures(repository: Path) -> Mapping[str, str]:
    gpg = repository.parent / "gpg"
    gpg.write_text("#!/bin/sh\necho 'gpg: Signature made today' >&2\n", encoding="utf-8")
    gpg.chmod(0o755)
    return _settings_of_the_user(repository, f"[log]\n\tshowSignature = true\n[gpg]\n\tprogram = {gpg}\n")


def hide_what_is_new(repository: Path) -> Mapping[str, str]:
    return _settings_of_the_user(repository, "[status]\n\tshowUntrackedFiles = no\n")


def watch_files(repository: Path) -> Mapping[str, str]:
    watcher = repository.parent / "watcher"
    watcher.write_text(f"#!/bin/sh\ntouch {repository.parent / 'asked'}\n", encoding="utf-8")
    watcher.chmod(0o755)
    ask(repository, "config", "core.fsmonitor", str(watcher))
    return {}


def replace_the_commit(repository: Path) -> Mapping[str, str]:
    # A date of its own, or the second may be the same commit.
    ran = git.run(
        repository,
        "commit-tree",
        "-m",
        "another",
        "HEAD^{tree}",
        variables={**IDENTITY, "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z"},
    )
    ask(repository, "replace", "HEAD", ran.stdout.decode().strip())
    return {}


def _settings_of_the_user(repository: Path, text: str) -> Mapping[str, str]:
    (repository.parent / "gitconfig").write_text(text, encoding="utf-8")
    return {"GIT_CONFIG_GLOBAL": str(repository.parent / "gitconfig")}


Surroundings = Callable[[Path], Mapping[str, str]]


@pytest.mark.parametrize(
    "surroundings",
    [
        set_variables,
        show_signatures,
        hide_what_is_new,
        watch_files,
        replace_the_commit,
    ],
)
def test_neither_variables_nor_settings_nor_replacements_change_an_answer(
    repository: Path, monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings
) -> None:
    (repository / "new").touch()
    questions = (("log", "-1", "--format=%H %s"), ("status", "--porcelain"), ("rev-parse", "--show-toplevel"))
    before = [ask(repository, *question) for question in questions]
    for name, value in surroundings(repository).items():
        monkeypatch.setenv(name, value)
    assert [ask(repository, *question) for question in questions] == before
    assert not (repository.parent / "asked").exists()


def ignore_by_a_setting(repository: Path) -> Mapping[str, str]:
    (repository.parent / "ignored").write_text("new\n", encoding="utf-8")
    return _settings_of_the_user(repository, f"[core]\n\texcludesFile = {repository.parent / 'ignored'}\n")


def ignore_by_the_usual_file(repository: Path) -> Mapping[str, str]:
    home = repository.parent / "home"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text("new\n", encoding="utf-8")
    return {"HOME": str(home), "XDG_CONFIG_HOME": ""}


def ignore_in_this_repository_alone(repository: Path) -> Mapping[str, str]:
    (repository.parent / "ignored").write_text("new\n", encoding="utf-8")
    ask(repository, "config", "core.excludesFile", str(repository.parent / "ignored"))
    return {}


@pytest.mark.parametrize("rules", [ignore_by_a_setting, ignore_by_the_usual_file, ignore_in_this_repository_alone])
def test_what_a_user_ignores_everywhere_is_ignored(
    repository: Path, monkeypatch: pytest.MonkeyPatch, rules: Surroundings
) -> None:
    (repository / "new").touch()
    for name, value in rules(repository).items():
        monkeypatch.setenv(name, value)
    assert ask(repository, *git.ignore_rules(repository), "status", "--porcelain") == ""


def test_line_ends_that_a_checkout_has_made_are_no_change(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ask(repository, "-c", "core.autocrlf=true", "clone", "--quiet", ".", str(clone))
    assert (clone / "file").read_bytes() == b"text\r\n"
    os.utime(clone / "file", (0, 0))
    assert ask(clone, "status", "--porcelain") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout away")
def test_a_checkout_of_another_owner_answers(repository: Path) -> None:
    for file in (repository, *repository.rglob("*")):
        os.chown(file, 65534, 65534)
    assert ask(repository, "rev-parse", "HEAD")


def test_another_repository_is_reached_by_the_users_settings_and_variables_alone() -> None:
    reaching = {
        "GIT_ASKPASS": "a",
        "GIT_SSH_COMMAND": "b",
        "GIT_CONFIG_GLOBAL": "c",
        "GIT_SSL_CAINFO": "d",
        "PATH": "e",
    }
    found = git.environment({**reaching, "GIT_DIR": "f", "GIT_INDEX_FILE": "g"}, remote=True)
    assert found.items() > reaching.items()
    assert found.keys() - reaching.keys() == {"GIT_TERMINAL_PROMPT", "LC_ALL"}


def test_a_git_that_hangs_is_given_up(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(git.GitError, match="did not end within 120 seconds"):
        git.run(repository, "status")


def stand_in(directory: Path, version: str) -> Path:
    """A `git` that says this version, and writes down what else it is asked."""
    directory.mkdir()
    program = directory / "git"
    program.write_text(f"#!/bin/sh\necho \"$1\" >>{directory}/asked\necho 'git version {version}'\n", encoding="utf-8")
    program.chmod(0o755)
    return directory


@pytest.mark.parametrize("version", ["2.31.9", "1.99.0", "", "\N{ARABIC-INDIC DIGIT THREE}.1"])
def test_a_git_that_would_go_by_the_users_settings_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin", version)))
    with pytest.raises(git.GitError) as refused:
        git.run(tmp_path, "status")
    assert f"{tmp_path}/bin/git is too old: `git version` says 'git version {version}".strip() in refused.value.message
    assert refused.value.way_out == "Install Git 2.32 or newer."
    assert (tmp_path / "bin" / "asked").read_text(encoding="utf-8") == "version\n"


@pytest.mark.parametrize("version", ["2.32.0", "2.39.5 (Apple Git-154)", "2.100.0.windows.1", "3.0"])
def test_a_git_is_asked_once_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin", version)))
    for _ in range(2):
        git.run(tmp_path, "status")
    assert (tmp_path / "bin" / "asked").read_text(encoding="utf-8").split() == ["version", "status", "status"]
