"""What a stack's file may say. What it means to Pulumi itself, tests/engine/test_settings.py asks."""

from pathlib import Path

import pytest

from infra import go_yaml
from pipeline.outcomes import WrongUse
from pipeline.stack_files import configurations
from tests.pipeline.repository import Repository, RunVerb

PROJECT = "name: smallcase\nconfig:\n  smallcase:platform: {type: string, default: platform}\n  aws:region: us-east-1\n"
VERBS = (
    ("preview",),
    ("deploy", "--plan", "plan"),
    ("verify",),
    ("drift",),
    ("release",),
    ("teardown", "platform", "--really", "platform"),
)


@pytest.mark.parametrize("key", ["smallcase:branch", "branch", "'branch'", "smallcase:config:branch"])
def test_a_key_with_or_without_the_project_is_the_same(repository: Repository, run_verb: RunVerb, key: str) -> None:
    files = {"Pulumi.yaml": PROJECT, "Pulumi.develop.yaml": f"config:\n  {key}: develop\n"}
    repository.commit("settings", branch="develop", files=files)
    ran = run_verb(repository.check_out("develop"), "deploy", BRANCH_NAME="develop")
    assert ran.code == 3
    assert "No plan is given" in ran.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config:\n  smallcase:branch: {secure: cipher}\n", "smallcase:branch is encrypted"),
        ("config:\n  branch: Develop\n", "smallcase:branch is 'Develop'"),
        ("config:\n  branch: [develop]\n", """smallcase:branch is '["develop"]'"""),
        ("config:\n  branch: develop\n  smallcase:branch: ''\n", "smallcase:branch under two names"),
        ("config:\n  branch: develop\n  branch: staging\n", "line 3: 'branch' is there twice"),
        ("config:\nsmallcase:branch: develop\n", "says smallcase:branch beside `config:`"),
        ("environment: [base]\n", "imports environments"),
    ],
)
def test_no_verb_passes_over_a_stack_that_may_deploy_the_branch(
    repository: Repository, run_verb: RunVerb, verb: tuple[str, ...], text: str, said: str
) -> None:
    files = {"Pulumi.yaml": PROJECT, "Pulumi.develop.yaml": text}
    repository.commit("settings", branch="develop", files=files)
    ran = run_verb(repository.check_out("develop"), *verb, BRANCH_NAME="develop")
    assert (ran.code, said in ran.stderr) == (2, True), ran
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("Pulumi.develop.yaml", "config: {a: 2024-01-02}", "line 1: '2024-01-02' is text in quotes"),
        ("Pulumi.develop.yaml", "config: {a: .inf}", "line 1: '.inf' is text in quotes"),
        ("Pulumi.develop.yaml", "config: {a: !!binary aGVsbG8=}", "the tag tag:yaml.org,2002:binary is not read here"),
        ("Pulumi.develop.yaml", "config: {a: !x y}", "the tag !x is not read here"),
        ("Pulumi.develop.yaml", "config:\n  a: &a {x: 1}\n  b: {<<: *a}", "line 3: '<<' is text in quotes"),
        ("Pulumi.develop.yaml", "config: &a {a: [*a]}", "contains itself"),
        ("Pulumi.develop.yaml", "config: {a: " + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
        ("Pulumi.develop.yaml", "config: {[a]: 1}", "a key is no text"),
        ("Pulumi.develop.yaml", "config: {1: a}", "has the key 1"),
        ("Pulumi.develop.yaml", "config: {a:b:c: 1}", "has the key 'a:b:c'"),
        ("Pulumi.develop.yaml", "config:\n\tbranch: develop", "line 2: found character '\\t'"),
        ("Pulumi.develop.yaml", "config: {}\n---\nconfig: {branch: develop}", "line 2: but found another document"),
        ("Pulumi.develop.yaml", "config: false", "is not a mapping but False"),
        ("Pulumi.develop.yaml", "false", "is not a mapping"),
        ("Pulumi.develop.yml", "config: {branch: develop}", "Pulumi.develop.yml is of another format"),
        ("Pulumi.develop.json", '{"config": {"branch": "develop"}}', "Pulumi.develop.json is of another format"),
        ("Pulumi.json", '{"name": "smallcase"}', "Pulumi.json is of another format"),
        ("Pulumi.yaml", "name: other", "is of the project 'other'"),
        ("Pulumi.yaml", "name: smallcase\nstackConfigDir: stacks", "says that the stacks' files are elsewhere"),
        ("Pulumi.yaml", "name: smallcase\nconfig: stacks", "says that the stacks' files are elsewhere"),
    ],
)
def test_what_pulumi_may_take_otherwise_or_pass_over_is_refused(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(WrongUse) as refused:
        configurations(tmp_path)
    assert said in str(refused.value)
    assert str(tmp_path / file) in str(refused.value)
    assert str(refused.value).count("\n") == 1


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.develop.yaml").write_bytes(b"config: {host: caf\xe9}")
    with pytest.raises(WrongUse, match=r"Pulumi\.develop\.yaml is not readable: .*invalid continuation byte"):
        configurations(tmp_path)


def test_the_projects_defaults_lie_below_what_a_stack_says(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        PROJECT + "  zones: {type: integer}\n  replicas: 2.0\n  host: ~\n  size: {value: small}\n", encoding="utf-8"
    )
    (tmp_path / "Pulumi.develop.yaml").write_text("config:\n  platform:\n  aws:profile: {value: x}\n", encoding="utf-8")
    assert configurations(tmp_path)["develop"].values == {
        "smallcase:platform": "",
        "smallcase:replicas": "2",
        "smallcase:size": "small",
        "aws:region": "us-east-1",
        "aws:profile": '{"value": "x"}',
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0O17", 15),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", float(2**64)),
        ("+9223372036854775807", 2**63 - 1),
        ("+9223372036854775808", float(2**63)),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -float(2**63)),
    ],
)
def test_a_number_is_whole_as_long_as_it_fits_one_of_gos(text: str, number: float) -> None:
    found = go_yaml.load(text.encode())
    assert (found, type(found)) == (number, type(number))
