"""What an image is built from: the commit's own files, whatever surrounds them, or what its name has the hash of."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from infra import revision
from infra.revision import Revision, RevisionError

IDENTITY: Final = ("-c", "user.name=test", "-c", "user.email=test@example.test")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def checkout(tmp_path: Path, home: Path) -> Path:
    """Two texts, a program and a link, and a second commit that leaves them alone."""
    checkout = tmp_path / "checkout"
    assert home.is_dir()
    git(tmp_path, "init", "--quiet", "checkout")
    app = checkout / "app"
    app.mkdir()
    (app / "page.txt").write_text("one\n", encoding="utf-8")
    (app / "dos.txt").write_bytes(b"one\r\n")
    (app / "program").write_text("#!/bin/sh\n", encoding="utf-8")
    (app / "program").chmod(0o755)
    (app / "link").symlink_to("page.txt")
    (checkout / ".gitignore").write_text(".env\n.coverage\n.ruff_cache/\n", encoding="utf-8")
    commit(checkout, "the app")
    (checkout / "README").write_text("text\n", encoding="utf-8")
    commit(checkout, "docs")
    return checkout


def git(directory: Path, *arguments: str | Path) -> str:
    return subprocess.run(
        ["git", "-C", directory, *IDENTITY, *arguments], check=True, capture_output=True, encoding="utf-8", timeout=30
    ).stdout.strip()


def commit(directory: Path, message: str) -> str:
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", message)
    return git(directory, "rev-parse", "HEAD")


def dirty(checkout: Path) -> Revision:
    """The revision of a checkout whose app has changed."""
    found = revision.read(checkout)
    assert "-dirty-" in found.commit, found.commit
    assert found.app_commit.endswith(found.commit.partition("-")[2])
    return found


def test_a_clean_tree_is_named_after_its_commit_and_has_the_commits_files(checkout: Path) -> None:
    found = revision.read(checkout)
    assert found.commit == git(checkout, "rev-parse", "HEAD")[:12]
    assert found.app_commit == git(checkout, "rev-parse", "HEAD^")
    assert found.app.id == git(checkout, "rev-parse", "HEAD:app")
    assert {name: (file.mode, file.content) for name, file in found.app.files.items()} == {
        "dos.txt": (0o100644, b"one\r\n"),
        "link": (0o120000, b"page.txt"),
        "page.txt": (0o100644, b"one\n"),
        "program": (0o100755, b"#!/bin/sh\n"),
    }


def ignored_rubbish(checkout: Path) -> Path:
    for name in (".env", ".coverage", ".ruff_cache/a"):
        (checkout / "app" / name).parent.mkdir(exist_ok=True)
        (checkout / "app" / name).write_text("secret", encoding="utf-8")
    return checkout


def rubbish_that_the_user_ignores_everywhere(checkout: Path) -> Path:
    (checkout.parent / "ignored").write_text(".DS_Store\n", encoding="utf-8")
    git(checkout, "config", "--global", "core.excludesFile", checkout.parent / "ignored")
    (checkout / "app" / ".DS_Store").touch()
    return checkout


def rubbish_that_this_clone_ignores(checkout: Path) -> Path:
    (checkout / ".git" / "info" / "exclude").write_text("notes\n", encoding="utf-8")
    (checkout / "app" / "notes").touch()
    return checkout


def a_setting_that_shows_signatures(checkout: Path) -> Path:
    """The signature is none that a key has made, and its program says what GnuPG does of any."""
    gpg = checkout.parent / "gpg"
    gpg.write_text("#!/bin/sh\necho 'gpg: Signature made today' >&2\n", encoding="utf-8")
    gpg.chmod(0o755)
    git(checkout, "config", "--global", "gpg.program", gpg)
    git(checkout, "config", "--global", "log.showSignature", "true")
    return checkout


def line_ends_of_windows(checkout: Path) -> Path:
    git(checkout, "config", "--global", "core.autocrlf", "true")
    git(checkout.parent, "clone", "--quiet", "checkout", "windows")
    clone = checkout.parent / "windows"
    assert (clone / "app" / "page.txt").read_bytes() == b"one\r\n"
    return aged(clone)


def line_ends_of_windows_in_this_clone_alone(checkout: Path) -> Path:
    git(checkout.parent, "-c", "core.autocrlf=true", "clone", "--quiet", "--config=core.autocrlf=true", "checkout", "w")
    return checkout.parent / "w"


def aged(checkout: Path) -> Path:
    for path in (checkout / "app").rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    return checkout


def a_clone_under_another_umask(checkout: Path) -> Path:
    before = os.umask(0o077)
    try:
        git(checkout.parent, "clone", "--quiet", "checkout", "private")
    finally:
        os.umask(before)
    return checkout.parent / "private"


def a_linked_work_tree(checkout: Path) -> Path:
    git(checkout, "worktree", "add", "--quiet", "--detach", checkout.parent / "linked")
    return checkout.parent / "linked"


def a_clone_that_borrows_its_objects(checkout: Path) -> Path:
    git(checkout.parent, "clone", "--quiet", "--shared", "checkout", "shared")
    return checkout.parent / "shared"


def a_path_with_everything(checkout: Path) -> Path:
    directory = checkout.parent / 'a: "path" with\\every;thing é'
    git(checkout.parent, "clone", "--quiet", "checkout", directory)
    return directory


def an_index_of_its_own(checkout: Path) -> Path:
    for setting in ("core.splitIndex", "core.untrackedCache", "index.sparse"):
        git(checkout, "config", setting, "true")
    git(checkout, "update-index", "--split-index")
    return checkout


def a_sparse_checkout_without_the_app(checkout: Path) -> Path:
    git(checkout, "config", "core.sparseCheckout", "true")
    (checkout / ".git" / "info" / "sparse-checkout").write_text("/README\n", encoding="utf-8")
    return checkout


def another_commit_in_its_place(checkout: Path) -> Path:
    other = git(checkout, "commit-tree", "-m", "another", "HEAD^{tree}")
    git(checkout, "replace", "HEAD", other)
    return checkout


def a_history_that_is_cut_off_by_hand(checkout: Path) -> Path:
    (checkout / ".git" / "info" / "grafts").write_text(f"{git(checkout, 'rev-parse', 'HEAD')}\n", encoding="utf-8")
    return checkout


@pytest.mark.parametrize(
    "surroundings",
    [
        ignored_rubbish,
        rubbish_that_the_user_ignores_everywhere,
        rubbish_that_this_clone_ignores,
        a_setting_that_shows_signatures,
        line_ends_of_windows,
        line_ends_of_windows_in_this_clone_alone,
        aged,
        a_clone_under_another_umask,
        a_linked_work_tree,
        a_clone_that_borrows_its_objects,
        a_path_with_everything,
        an_index_of_its_own,
        a_sparse_checkout_without_the_app,
        another_commit_in_its_place,
        a_history_that_is_cut_off_by_hand,
    ],
)
def test_a_clean_tree_is_the_same_whatever_surrounds_it(checkout: Path, surroundings: Callable[[Path], Path]) -> None:
    if surroundings is a_setting_that_shows_signatures:
        sign(checkout)
    before = revision.read(checkout)
    assert revision.read(surroundings(checkout)) == before


def sign(checkout: Path) -> None:
    """Put a signature into the last commit that touched the app."""
    signed: list[str] = []
    for name in ("HEAD^", "HEAD"):
        head, message = git(checkout, "cat-file", "commit", name).split("\n\n", 1)
        if signed:
            head = "\n".join(f"parent {signed[0]}" if row.startswith("parent ") else row for row in head.splitlines())
        text = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n -----END PGP SIGNATURE-----\n\n{message}\n"
        (checkout.parent / "commit").write_text(text, encoding="utf-8")
        signed.append(git(checkout, "hash-object", "-t", "commit", "-w", checkout.parent / "commit"))
    git(checkout, "update-ref", "HEAD", signed[-1])


def test_variables_of_another_repository_do_not_count(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of Git's has them."""
    before = revision.read(checkout)
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    assert revision.read(checkout) == before


def test_asking_leaves_the_repository_as_it_is(checkout: Path) -> None:
    an_index_of_its_own(checkout)
    (checkout / "app" / "page.txt").write_text("two\n", encoding="utf-8")
    (checkout / "app" / "new").write_text("new\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in (checkout / ".git").rglob("*") if path.is_file()}
    assert dirty(checkout)
    assert {path: path.read_bytes() for path in (checkout / ".git").rglob("*") if path.is_file()} == before


def test_a_commit_outside_the_app_leaves_the_image_as_it_is(checkout: Path) -> None:
    before = revision.read(checkout)
    (checkout / "README").write_text("more text", encoding="utf-8")
    commit(checkout, "docs")
    after = revision.read(checkout)
    assert after.commit != before.commit
    assert (after.app_commit, after.app) == (before.app_commit, before.app)


def test_a_merge_that_brings_the_app_along_keeps_its_commit_and_so_its_image(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "develop")
    (checkout / "app" / "page.txt").write_text("two", encoding="utf-8")
    made = commit(checkout, "change")
    git(checkout, "checkout", "--quiet", "-")
    git(checkout, "merge", "--quiet", "--no-ff", "--message", "merge", "develop")
    assert revision.read(checkout).app_commit == made


def changed(app: Path) -> None:
    (app / "page.txt").write_text("two\n", encoding="utf-8")


def added(app: Path) -> None:
    (app / "new").touch()


def deleted(app: Path) -> None:
    (app / "page.txt").unlink()


def renamed(app: Path) -> None:
    (app / "page.txt").rename(app / "other.txt")


def made_executable(app: Path) -> None:
    (app / "page.txt").chmod(0o755)


def led_elsewhere(app: Path) -> None:
    (app / "link").unlink()
    (app / "link").symlink_to("program")


def replaced_by_what_it_leads_to(app: Path) -> None:
    (app / "link").unlink()
    (app / "link").write_text("page.txt", encoding="utf-8")


def named_in_another_encoding(app: Path) -> None:
    (app / os.fsdecode(b"caf\xe9")).touch()


def replaced_by_a_folder(app: Path) -> None:
    (app / "page.txt").unlink()
    (app / "page.txt").mkdir()
    (app / "page.txt" / "file").touch()


def changed_behind_a_mark(app: Path) -> None:
    git(app, "update-index", "--assume-unchanged", "page.txt")
    git(app, "update-index", "--skip-worktree", "program")
    (app / "page.txt").write_text("two\n", encoding="utf-8")
    (app / "program").write_text("two\n", encoding="utf-8")


def staged_alone(app: Path) -> None:
    (app / ".env").write_text("an example, not a secret", encoding="utf-8")
    git(app, "add", "--force", ".env")


CHANGES: Final = (
    changed,
    added,
    deleted,
    renamed,
    made_executable,
    led_elsewhere,
    replaced_by_what_it_leads_to,
    named_in_another_encoding,
    replaced_by_a_folder,
    changed_behind_a_mark,
    staged_alone,
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_app_is_named_after_what_a_commit_of_it_would_have(
    checkout: Path, change: Callable[[Path], None]
) -> None:
    change(checkout / "app")
    found = dirty(checkout)
    for mark in ("--no-assume-unchanged", "--no-skip-worktree"):
        git(checkout, "update-index", mark, "--", "app/page.txt", "app/program")
    commit(checkout, "the change")
    committed = revision.read(checkout)
    assert committed.app == found.app
    assert found.commit.endswith(f"-dirty-{git(checkout, 'rev-parse', 'HEAD:app')[:8]}")


def test_each_change_has_a_name_of_its_own_and_the_way_back_the_commits(checkout: Path) -> None:
    clean, names = revision.read(checkout).commit, set[str]()
    for change in CHANGES:
        copy = checkout.parent / change.__name__
        shutil.copytree(checkout, copy, symlinks=True)
        change(copy / "app")
        names.add(dirty(copy).commit)
    assert len(names) == len(CHANGES)
    changed(checkout / "app")
    git(checkout, "checkout", "--quiet", "--", "app")
    assert revision.read(checkout).commit == clean


def test_what_git_ignores_is_in_no_image_of_a_changed_app_either(checkout: Path) -> None:
    ignored_rubbish(checkout)
    rubbish_that_the_user_ignores_everywhere(checkout)
    rubbish_that_this_clone_ignores(checkout)
    changed(checkout / "app")
    assert set(dirty(checkout).app.files) == {"dos.txt", "link", "page.txt", "program"}


def test_a_file_that_was_tracked_and_is_ignored_now_is_not_shipped_with_what_it_holds_now(checkout: Path) -> None:
    (checkout / "app" / ".env").write_text("KEY=example", encoding="utf-8")
    git(checkout, "add", "--force", "app/.env")
    commit(checkout, "an example")
    git(checkout, "rm", "--quiet", "--cached", "app/.env")
    (checkout / "app" / ".env").write_text("KEY=secret", encoding="utf-8")
    assert ".env" not in dirty(checkout).app.files


def test_attributes_change_nothing_of_what_a_commit_has(checkout: Path) -> None:
    """They are for a checkout, or for `git archive`."""
    (checkout / ".gitattributes").write_text(
        "page.txt export-ignore ident eol=crlf\nutf16.txt working-tree-encoding=UTF-16\n*.subst export-subst\n",
        encoding="utf-8",
    )
    (checkout / "app" / "page.txt").write_text("$Id$\n", encoding="utf-8")
    (checkout / "app" / "utf16.txt").write_bytes("é".encode("utf-16"))
    (checkout / "app" / "a.subst").write_text("$Format:%H$\n", encoding="utf-8")
    commit(checkout, "attributes")
    git(checkout.parent, "clone", "--quiet", "checkout", "clone")
    clone = revision.read(checkout.parent / "clone")
    assert clone == revision.read(checkout)
    contents = {name: file.content for name, file in clone.app.files.items()}
    assert contents["page.txt"] == b"$Id$\n"
    assert contents["utf16.txt"] == "é".encode()
    assert contents["a.subst"] == b"$Format:%H$\n"


def test_a_program_in_a_folder_of_a_larger_repository_has_its_own_app(checkout: Path) -> None:
    inner = checkout / "inner"
    shutil.copytree(checkout / "app", inner / "app", symlinks=True)
    (inner / "app" / "page.txt").write_text("inner", encoding="utf-8")
    made = commit(checkout, "another program")
    found = revision.read(inner)
    assert (found.commit, found.app_commit) == (made[:12], made)
    assert found.app.files["page.txt"].content == b"inner"
    (inner / "app" / "page.txt").write_text("changed", encoding="utf-8")
    assert dirty(inner).app.files["page.txt"].content == b"changed"


def test_a_change_outside_the_app_does_not_make_the_image_dirty(checkout: Path) -> None:
    (checkout / "notes").write_text("text", encoding="utf-8")
    (checkout / "README").write_text("changed", encoding="utf-8")
    assert "dirty" not in revision.read(checkout).commit


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_shallow_clone_is_refused_where_its_history_does_not_reach_the_apps_last_commit(
    checkout: Path, depth: int
) -> None:
    (checkout / "README").write_text("more text", encoding="utf-8")
    commit(checkout, "docs")
    (checkout / "app" / "page.txt").write_text("two", encoding="utf-8")
    made = commit(checkout, "the app")
    (checkout / "README").write_text("yet more text", encoding="utf-8")
    commit(checkout, "docs")
    git(checkout.parent, "clone", "--quiet", f"--depth={depth}", checkout.as_uri(), "shallow")
    clone = checkout.parent / "shallow"
    if depth < 3:
        with pytest.raises(RevisionError, match="git fetch --unshallow"):
            revision.read(clone)
        git(clone, "fetch", "--quiet", "--unshallow")
    assert revision.read(clone).app_commit == made


def test_a_shallow_clone_that_has_the_only_commit_of_the_app_and_the_one_before_will_do(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "checkout")
    checkout = tmp_path / "checkout"
    for name in ("first", "before", "app/page.txt"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).touch()
        commit(checkout, name)
    git(tmp_path, "clone", "--quiet", "--depth=2", checkout.as_uri(), "shallow")
    assert revision.read(tmp_path / "shallow") == revision.read(checkout)


def test_a_repository_within_the_app_is_refused(checkout: Path) -> None:
    git(checkout, "clone", "--quiet", ".", "app/inner")
    with pytest.raises(RevisionError, match="'app/inner' is a repository of its own"):
        revision.read(checkout)
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message=a submodule")
    with pytest.raises(RevisionError, match="'app/inner' is a repository of its own"):
        revision.read(checkout)


def test_a_file_that_git_keeps_elsewhere_is_refused(checkout: Path) -> None:
    """Of a file in LFS, the commit has the address alone."""
    (checkout / ".gitattributes").write_text("*.png filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
    (checkout / "app" / "a.png").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    commit(checkout, "a picture")
    with pytest.raises(RevisionError, match=r"'app/a\.png' goes through the Git filter 'lfs'"):
        revision.read(checkout)


def test_a_refused_file_of_any_name_can_be_told(checkout: Path) -> None:
    """The engine takes UTF-8 alone."""
    (checkout / ".gitattributes").write_text("*.png filter=lfs\n", encoding="utf-8")
    (checkout / "app" / os.fsdecode(b"\xff.png")).touch()
    with pytest.raises(RevisionError) as refused:
        revision.read(checkout)
    assert r"app/\udcff.png" in str(refused.value)
    (checkout / ".gitattributes").unlink()
    git(checkout, "clone", "--quiet", ".", os.fsdecode(b"app/\xff"))
    with pytest.raises(RevisionError) as refused:
        revision.read(checkout)
    assert r"app/\udcff'" in str(refused.value)


def test_a_folder_without_git_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="Deploy from a clone"):
        revision.read(tmp_path)


def test_a_machine_without_git_is_told_what_to_install(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RevisionError, match=r"`git` is not on PATH. Install Git .* An image is named after the commit"):
        revision.read(checkout)


def test_a_checkout_whose_app_was_never_committed_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(RevisionError, match="cannot say which commit it is at"):
        revision.read(tmp_path)
    (tmp_path / "README").write_text("text", encoding="utf-8")
    commit(tmp_path, "docs")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "page.txt").touch()
    with pytest.raises(RevisionError, match="has no app/"):
        revision.read(tmp_path)


def test_an_app_that_was_deleted_is_refused(checkout: Path) -> None:
    shutil.rmtree(checkout / "app")
    with pytest.raises(RevisionError, match=r"There is no app/ in .*: `git checkout HEAD -- app`"):
        revision.read(checkout)


@pytest.mark.parametrize("emptied", [True, False])
def test_a_work_tree_that_was_never_checked_out_is_refused_with_what_brings_the_app(
    checkout: Path, *, emptied: bool
) -> None:
    before = revision.read(checkout)
    linked = checkout.parent / "linked"
    git(checkout, "worktree", "add", "--quiet", "--detach", "--no-checkout", linked)
    if emptied:
        (linked / "app").mkdir()
    with pytest.raises(RevisionError, match="There is no app/ in ") as refused:
        revision.read(linked)
    command = str(refused.value).split("`")[1]
    git(linked, *command.split()[1:])
    assert revision.read(linked) == before


def test_a_clone_without_a_files_content_is_refused(checkout: Path) -> None:
    git(checkout, "config", "uploadpack.allowFilter", "true")
    git(checkout.parent, "clone", "--quiet", "--no-checkout", "--filter=blob:none", checkout.as_uri(), "partial")
    shutil.move(checkout, checkout.parent / "gone")
    with pytest.raises(RevisionError):
        revision.read(checkout.parent / "partial")
