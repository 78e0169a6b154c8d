"""What is not as it has to be around a verb: files, programs, variables. Each is one message, and no stack trace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.repository import Ran, Repository, RunVerb, git, live

ROOT = Path(__file__).parent.parent.parent
PROJECT = "name: smallcase\nconfig:\n  smallcase:platform: {default: platform}\n"
DEVELOP = "config:\n  smallcase:branch: develop\n"

REPORTS = {
    "preview": "preview.md",
    "drift": "drift.md",
    "test": "junit.xml",
}


def is_wrong_use(ran: Ran, *named: str) -> None:
    assert ran.code == 2, ran
    assert [words for words in named if words not in ran.stderr] == []
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("\n") == 2, "a message and a way out"


def in_a_shell(clone: Path, script: str) -> Ran:
    """A verb as a shell starts it: `pipeline flow >/dev/full`."""
    ran = subprocess.run(
        ["/bin/bash", "-c", f'pipeline() {{ "{sys.executable}" -m pipeline "$@"; }}; {script}'],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "BRANCH_NAME": "master"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Ran(code=ran.returncode, stdout=ran.stdout, stderr=ran.stderr)


@pytest.mark.parametrize("verb", REPORTS)
def test_reports_that_are_a_file_are_named(repository: Repository, run_verb: RunVerb, verb: str) -> None:
    clone = repository.check_out("develop")
    (clone / "reports").write_text("", encoding="utf-8")
    is_wrong_use(run_verb(clone, verb, BRANCH_NAME="develop"), str(clone / "reports"), "cannot be used")


@pytest.mark.parametrize(("verb", "report"), REPORTS.items())
def test_a_report_that_is_a_folder_is_named(repository: Repository, run_verb: RunVerb, verb: str, report: str) -> None:
    clone = repository.check_out("develop")
    (clone / "reports" / report).mkdir(parents=True)
    is_wrong_use(run_verb(clone, verb, BRANCH_NAME="develop"), str(clone / "reports" / report), "Is a directory")


def test_a_checkout_that_may_not_be_written_is_named(
    repository: Repository, run_verb: RunVerb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    clone = repository.check_out("develop")
    is_wrong_use(run_verb(clone, "test"), str(clone / "reports"), "Read-only file system")


@pytest.mark.parametrize("name", ["folder", "Pulumi.blue.yaml", "settings.json"])
def test_what_is_no_plan_is_not_replaced_by_one(repository: Repository, run_verb: RunVerb, name: str) -> None:
    clone = repository.check_out("develop")
    (clone / "folder").mkdir()
    (clone / "settings.json").write_text('{"mine": true}', encoding="utf-8")
    ran = run_verb(clone, "preview", "--save-plan", name, BRANCH_NAME="develop")
    is_wrong_use(ran, str(clone / name), "is no plan")
    assert (clone / name).exists()


@pytest.mark.parametrize(
    ("mode", "reason"), [(0o644, "Permission denied"), (0o755, "Exec format error")], ids=["not executable", "a text"]
)
def test_a_git_that_does_not_run_is_named_with_the_reason(
    repository: Repository, run_verb: RunVerb, tmp_path: Path, mode: int, reason: str
) -> None:
    (tmp_path / "git").write_text("no program\n", encoding="utf-8")
    (tmp_path / "git").chmod(mode)
    is_wrong_use(run_verb(repository.server, "flow", PATH=str(tmp_path)), "`git` does not run", reason)


def test_a_working_directory_that_is_gone_is_named(repository: Repository) -> None:
    ran = in_a_shell(repository.server, "mkdir gone && cd gone && rmdir ../gone && pipeline flow")
    is_wrong_use(ran, "The working directory is gone")


@pytest.mark.parametrize(
    ("where", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "Standard output is closed"), ("| true", "Broken pipe")],
)
def test_an_output_that_takes_nothing_is_named(repository: Repository, where: str, reason: str) -> None:
    # The reader of a pipe has to be gone first.
    wait = "sleep 0.5; " if where == "| true" else ""
    ran = in_a_shell(repository.server, f"set -o pipefail; {{ {wait}pipeline flow; }} {where}")
    is_wrong_use(ran, reason)


def test_a_changelog_in_another_encoding_is_released_with_what_can_be_read(
    repository: Repository, run_verb: RunVerb
) -> None:
    (repository.server / "CHANGELOG.md").write_bytes(b"# Changes\n\n## [1.2.0]\n\n- A caf\xe9.\n")
    git(repository.server, "add", "--all")
    git(repository.server, "commit", "--quiet", "--message", "changelog")
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master")
    assert ran.code == 0, ran.stderr
    assert set(repository.tags()) == {"v1.2.0"}


def test_a_file_whose_name_is_in_another_encoding_is_named_as_well_as_can_be(
    repository: Repository, run_verb: RunVerb
) -> None:
    clone = repository.check_out("master")
    (clone / os.fsdecode(b"caf\xe9")).touch()
    ran = run_verb(clone, "release", BRANCH_NAME="master")
    assert ran.code == 3
    assert "caf\N{REPLACEMENT CHARACTER}" in ran.stderr


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("Pulumi.develop.yaml", "config: [smallcase:branch]\n", "is not a mapping but ['smallcase:branch']"),
        ("Pulumi.develop.yaml", "config: text\n", "is not a mapping but 'text'"),
        ("Pulumi.yaml", "name: smallcase\nconfig: 3\n", "is not a mapping but 3"),
        ("Pulumi.yaml", "name: smallcase\n", "smallcase:platform is '': not set"),
    ],
)
def test_settings_of_the_wrong_shape_are_named(
    repository: Repository, run_verb: RunVerb, file: str, text: str, named: str
) -> None:
    files = {"Pulumi.yaml": PROJECT, "Pulumi.develop.yaml": DEVELOP, "plan": '{"smallcase": {}}', file: text}
    repository.commit("settings", branch="develop", files=files)
    ran = run_verb(repository.check_out("develop"), "deploy", "--plan", "plan", BRANCH_NAME="develop")
    is_wrong_use(ran, named)


def test_a_folder_with_the_name_of_a_stacks_file_is_named(repository: Repository, run_verb: RunVerb) -> None:
    repository.commit("settings", branch="develop", files={"Pulumi.yaml": PROJECT, "Pulumi.x.yaml/file": ""})
    ran = run_verb(repository.check_out("develop"), "verify", BRANCH_NAME="develop")
    is_wrong_use(ran, "Pulumi.x.yaml cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GITHUB_REPOSITORY", "a b/c"),
        ("GITHUB_REPOSITORY", "a"),
        ("GITHUB_REPOSITORY", "a/b/c"),
        ("GITHUB_API_URL", "nonsense"),
        ("GITHUB_API_URL", "file:///etc"),
        ("GITHUB_API_URL", "https://a b"),
        ("GITHUB_SERVER_URL", "github.com"),
    ],
)
def test_a_github_that_there_cannot_be_is_named_and_nothing_is_tagged(
    repository: Repository, run_verb: RunVerb, variable: str, value: str
) -> None:
    variables = {"GITHUB_REPOSITORY": "someone/smallcase", "GITHUB_TOKEN": "a-token", variable: value}
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master", **variables)
    is_wrong_use(ran, f"{variable} is {value!r}")
    assert repository.tags() == {}


@pytest.mark.parametrize("address", ["http://127.0.0.1:port", "http://127.0.0.1:1"])
def test_a_github_that_cannot_be_asked_is_a_failure(repository: Repository, run_verb: RunVerb, address: str) -> None:
    variables = {"GITHUB_REPOSITORY": "someone/smallcase", "GITHUB_TOKEN": "a-token\n", "GITHUB_API_URL": address}
    ran = run_verb(live(repository, "master"), "release", BRANCH_NAME="master", **variables)
    assert ran.code == 1
    assert f"GitHub did not answer at {address}" in ran.stderr
    assert "a-token" not in ran.stderr


@pytest.mark.parametrize("test", ["nosuchfile", "tests/nosuchfile.py::test_it"])
def test_a_test_that_is_not_there_is_named(repository: Repository, run_verb: RunVerb, test: str) -> None:
    is_wrong_use(run_verb(repository.check_out("develop"), "test", test), f"has no {test}")
