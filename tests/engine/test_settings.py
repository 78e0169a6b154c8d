"""Settings mean to the verbs what they mean to Pulumi, and the commands that messages offer mend what is refused."""

import json
import os
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

import pulumi
import pulumi_aws as aws
import pytest

from infra import contract, go_yaml, settings
from infra.branch_rules import require_owners
from infra.platform import domain, network
from infra.settings import Configuration, GitHub, SettingsError
from operations import host_image
from operations.__main__ import main as operations
from pipeline.stack_files import configurations, settings_in, stack_file, write
from tests.commands import commands_in, run
from tests.engine.harness import Harness
from tests.stack_files import ALLOW_LIST, CHECKOUT, own_values

AMI: Final = "ami-0fedcba9876543210"

ALIKE: Final = (
    *(
        "2",
        "2.0",
        '"2.0"',
        "'2'",
        "+2",
        "-0",
        "0x10",
        "0o17",
        "0O17",
        "010",
        "08",
        "0b11",
        "1_000",
        "1e3",
        "1.5",
        ".5",
        "1e-7",
    ),
    *(
        "1e21",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901",
        "yes",
        "on",
        "y",
        "True",
        "TRUE",
        "'true'",
    ),
    *("null", "~", "", '""', "1:30", "012345670123", "012345678901", "!!str 010", "=", "a b", '"a\\tb"', "'it''s'"),
    *("|\n    two\n    lines", ">-\n    one\n    line", "[]", "{}", "[012345670123, '012345670123', x, ~, 2.0, no]"),
    *(
        "{a: 1, b: [2, {c: yes}], 3: d}",
        "&here [x]",
        '["<&>", "\\u2028", "é"]',
        "{secure: cipher}",
        "[{secure: cipher}]",
    ),
    *("{a: {secure: cipher, b: 1}}", "{secure: 5}", "http://a:b@c/#d", "plain#text", "text # comment"),
)
"""Values as people write them into a stack's file."""


@pytest.fixture(scope="module")
def harness(pulumi_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """The project as it is committed, with a state of its own."""
    harness = Harness.create(tmp_path_factory.mktemp("settings"), pulumi_cli, {}, name="smallcase")
    harness.link(CHECKOUT, "Pulumi.yaml")
    for stack in ("platform", "green"):
        created = harness.pulumi("stack", "init", stack, "--no-select")
        assert created.code == 0, created.output
    return harness


def by_pulumi(harness: Harness, stack: str, *options: str) -> Configuration:
    """What the CLI says that a stack's settings are."""
    ran = harness.pulumi("config", "--json", "--stack", stack, *options)
    assert ran.code == 0, ran.output
    said = cast("Mapping[str, Mapping[str, object]]", json.loads(ran.stdout))
    return Configuration(
        stack=stack,
        values={key: str(entry.get("value", "")) for key, entry in said.items()},
        secrets=frozenset(key for key, entry in said.items() if entry["secret"]),
    )


def plain(given: Configuration) -> Mapping[str, object]:
    """Values that are no secrets, for comparison: JSON by what it says, not by how it is laid out."""

    def meant(text: str) -> object:
        return json.loads(text) if text[:1] in ("[", "{") else text

    return {key: meant(text) for key, text in given.values.items() if key not in given.secrets}


def is_alike(harness: Harness, text: str) -> Configuration:
    """Write a stack's file, and see that it means to both the same."""
    (harness.project / stack_file("green")).write_text(text, encoding="utf-8")
    ours, theirs = configurations(harness.project)["green"], by_pulumi(harness, "green")
    assert ours.secrets == theirs.secrets
    differences = {key: (value, plain(theirs).get(key)) for key, value in plain(ours).items()}
    assert {key: pair for key, pair in differences.items() if pair[0] != pair[1]} == {}
    assert ours.values.keys() == theirs.values.keys()
    return ours


def test_each_way_to_write_a_value_means_what_it_means_to_pulumi(harness: Harness) -> None:
    lines = [f"  key{index}: {value}" for index, value in enumerate(ALIKE)]
    given = is_alike(harness, "\n".join(["config:", *lines, ""]))
    assert len(given.secrets) == 2


def test_whatever_looks_like_a_number_means_what_it_means_to_pulumi(harness: Harness) -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    written = {"".join(chance.choices("0123456789+-._eExXoObB:~nulTfyN", k=chance.randint(1, 7))) for _ in range(2000)}
    written = {text for text in written if text.strip(":") == text and text != "-"}
    certain: list[str] = []
    for text in sorted(written):
        try:
            go_yaml.load(text.encode())
        except ValueError:
            continue
        certain.append(text)
    assert len(certain) > 0.99 * len(written)
    is_alike(harness, "\n".join(["config:", *(f"  key{index}: {text}" for index, text in enumerate(certain)), ""]))


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  branch: staging\n",
        "config:\n  smallcase:config:branch: staging\n  aws:config:region: eu-west-1\n",
        'config:\n  "branch": staging\n  "github:owner": someone\n',
        "config: {branch: staging, aws:region: eu-west-1}\n",
        '{"config":{"smallcase:branch":"staging"}}',
        "encryptionsalt: v1:abc\nconfig:\n  branch: staging\n",
        "config:\n  platform:\n  smallcase:zones: ~\n",
        "config:\n  domain: &name example.org\n  host: *name\n",
        "config:\n",
        "",
        "# nothing\n",
        "\ufeffconfig:\n  branch: staging\n",
        "---\nconfig:\n  branch: staging\n...\n",
        "%YAML 1.1\n---\nconfig:\n  host: yes\n",
    ],
)
def test_each_way_to_write_a_file_means_what_it_means_to_pulumi(harness: Harness, text: str) -> None:
    is_alike(harness, text)


def test_what_is_written_for_pulumi_means_the_same_to_it(harness: Harness, tmp_path: Path) -> None:
    lines = [f"  key{index}: {value}" for index, value in enumerate(ALIKE)]
    (tmp_path / stack_file("green")).write_text(
        "\n".join(["config:", *lines, "  quoted: '0o17'", ""]), encoding="utf-8"
    )
    written = harness.project / stack_file("green")
    write(written, {"config": settings_in(tmp_path / stack_file("green"))})
    given = is_alike(harness, written.read_text(encoding="utf-8"))
    assert given.values["smallcase:quoted"] == "0o17"
    assert len(given.secrets) == 2


@pytest.mark.parametrize(
    "text", ["config:\n  a: 1\n  a: 2\n", "config: [a]\n", "config: text\n", "- a\n", "config: {1: a}"]
)
def test_a_file_that_pulumi_refuses_is_refused(harness: Harness, text: str) -> None:
    (harness.project / stack_file("green")).write_text(text, encoding="utf-8")
    assert harness.pulumi("config", "--json", "--stack", "green").code != 0


def lay(harness: Harness, stack: str, values: Mapping[str, object]) -> None:
    """A stack's file that is right, with these values laid over it."""
    right = {**own_values(stack), **(ALLOW_LIST if stack == "platform" else {})}
    write(harness.project / stack_file(stack), {"config": {**right, **values}})


def refusal(given: Configuration) -> str:
    """Why the program refuses settings; nothing where it takes them."""
    try:
        settings.parse(given)
    except SettingsError as error:
        return str(error)
    return ""


def mend(harness: Harness, stack: str, programs: Path | None = None) -> Configuration:
    """Run what the refusal of a stack's settings offers, until they are taken: a domain, once right, asks for more."""
    path = [str(programs), harness.environment["PATH"]] if programs else [harness.environment["PATH"]]
    given, mended = by_pulumi(harness, stack, "--show-secrets"), set[str]()
    while message := refusal(given):
        key = message.split()[0]
        assert key not in mended, message
        mended.add(key)
        (command,) = commands_in(message, "pulumi config", "$(make")
        run(command, harness.project, {**harness.environment, "PATH": os.pathsep.join(path)})
        given = by_pulumi(harness, stack, "--show-secrets")
    assert mended, "nothing was refused"
    assert plain(configurations(harness.project)[stack]) == plain(given)
    return given


@pytest.mark.parametrize(
    ("stack", "key", "value"),
    [
        ("green", "smallcase:colr", "#ffffff"),
        ("green", "smalcase:branch", "staging"),
        ("green", "kubernetes:context", "mine"),
        ("green", "aws:profile", "company"),
        ("green", "aws:assumeRoles", [{"roleArn": "arn:aws:iam::123456789012:role/x"}]),
        ("green", "aws:region", "Frankfurt"),
        ("green", "aws:allowedAccountIds", "123456789012"),
        ("green", "aws:allowedAccountIds", [12345670123]),
        ("green", "aws:allowedAccountIds", ["123456789012", "1"]),
        ("green", "aws:allowedAccountIds", {"a": "123456789012"}),
        ("green", "aws:forbiddenAccountIds", [1]),
        ("green", "smallcase:branch", "stagin"),
        ("green", "smallcase:platform", ""),
        ("green", "smallcase:platform", "a/b"),
        ("green", "smallcase:colour", "green"),
        ("green", "smallcase:replicas", 0),
        ("green", "smallcase:replicas", [2]),
        ("green", "smallcase:size", "small"),
        ("green", "smallcase:image", "x"),
        ("green", "smallcase:baseImage", "python:3.11-slim"),
        ("green", "smallcase:host", "www_example"),
        ("green", "smallcase:namespace", "shop"),
        ("platform", "smallcase:platform", "platform"),
        ("platform", "smallcase:network", "10.0.0.0/8"),
        ("platform", "smallcase:zones", 4),
        ("platform", "smallcase:natGateways", "two"),
        ("platform", "smallcase:administrators", ["me"]),
        ("platform", "smallcase:apiAllowList", []),
        ("platform", "smallcase:apiAllowList", ["203.0.113.7/32", "0.0.0.0/0"]),
        ("platform", "smallcase:apiAllowList", "203.0.113.7/32"),
        ("platform", "smallcase:registryEndpoints", "maybe"),
        ("platform", "smallcase:ingressControllerChart", {"repo": "x"}),
        ("platform", "smallcase:domain", "example"),
        ("platform", "smallcase:jenkinsAllowList", ["0.0.0.0/0"]),
        ("platform", "smallcase:githubRepository", "smallcase"),
        ("platform", "smallcase:githubApp", "mine"),
        ("platform", "smallcase:alarmMail", "nobody"),
    ],
)
def test_the_command_that_a_refusal_offers_mends_what_it_refuses(
    harness: Harness, stack: str, key: str, value: object
) -> None:
    lay(harness, stack, {key: value})
    mend(harness, stack)


@pytest.mark.parametrize(
    "others",
    [
        {"smallcase:domain": "example.org"},
        {"aws:allowedAccountIds": ["123456789012"], "aws:forbiddenAccountIds": ["210987654321"]},
        {"smallcase:githubRepository": "someone/smallcase", "smallcase:githubApp": 1},
        {"smallcase:githubRepository": "someone/smallcase", "github:owner": "someone"},
        {"smallcase:githubRepository": "a/b", "smallcase:githubApp": 1, "github:owner": "a", "smallcase:approvals": 7},
    ],
)
def test_the_command_mends_what_is_refused_for_another_setting(harness: Harness, others: Mapping[str, object]) -> None:
    lay(harness, "platform", others)
    mend(harness, "platform")


def test_an_account_that_begins_with_0_is_taken_in_quotes_and_by_the_command(harness: Harness) -> None:
    lay(harness, "green", {})
    path = harness.project / stack_file("green")
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}  aws:allowedAccountIds: [012345670123]\n", encoding="utf-8")
    assert "'1402433619' is no account id" in refusal(by_pulumi(harness, "green"))
    given = mend(harness, "green")
    assert settings.parse(given).account_ids == ("123456789012",)
    run(
        "pulumi config set --path 'aws:allowedAccountIds[0]' 012345670123 -s green",
        harness.project,
        harness.environment,
    )
    assert settings.parse(by_pulumi(harness, "green")).account_ids == ("012345670123",)
    path.write_text(f"{text}  aws:allowedAccountIds: ['012345670123']\n", encoding="utf-8")
    assert settings.parse(by_pulumi(harness, "green")).account_ids == ("012345670123",)


@pytest.mark.parametrize(
    ("stack", "path"),
    [
        ("green", "smallcase:branch"),
        ("green", "smallcase:replicas"),
        ("green", "smallcase:platform"),
        ("green", "aws:allowedAccountIds[0]"),
        ("platform", "smallcase:administrators[0]"),
        ("platform", "smallcase:ingressControllerChart.chart"),
    ],
)
def test_a_secret_is_refused_and_the_command_says_it_in_plain_text(harness: Harness, stack: str, path: str) -> None:
    lay(harness, stack, {})
    secret = f"pulumi config set --secret --path '{path}' cipher -s {stack}"
    run(secret, harness.project, harness.environment)
    key = re.split(r"\[|\.", path)[0]
    assert f"{key} is encrypted" in refusal(by_pulumi(harness, stack))
    assert key in configurations(harness.project)[stack].secrets
    assert not mend(harness, stack).secrets


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("smallcase:apiAllowList[0]", "203.0.113.9/32"),
        ("smallcase:jenkinsAllowList[0]", "203.0.113.9/32"),
        ("smallcase:alarmMail", "somebody@example.org"),
    ],
)
def test_an_address_of_people_is_taken_encrypted(harness: Harness, path: str, address: str) -> None:
    lay(harness, "platform", {})
    run(f"pulumi config set --secret --path '{path}' {address} -s platform", harness.project, harness.environment)
    assert address not in (harness.project / stack_file("platform")).read_text(encoding="utf-8")
    given = by_pulumi(harness, "platform", "--show-secrets")
    assert given.secrets == {path.partition("[")[0]} == configurations(harness.project)["platform"].secrets
    assert address in given.values[path.partition("[")[0]]
    assert refusal(given) == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("smallcase:apiAllowList", []),
        ("smallcase:jenkinsAllowList", ["0.0.0.0/0"]),
        ("smallcase:alarmMail", "nobody"),
    ],
)
def test_the_command_that_is_offered_for_an_address_of_people_encrypts_it(
    harness: Harness, key: str, value: object
) -> None:
    lay(harness, "platform", {key: value})
    assert mend(harness, "platform").secrets == {key}


def test_a_host_image_is_pinned_by_what_the_refusal_offers(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host_image, "newest", {"eu-west-1": AMI}.__getitem__)
    assert operations(["host-image", "--region", "eu-west-1", "--stack", "platform"]) == 0
    answer = f'[ "$*" = \'-s host-image REGION=eu-west-1 STACK=platform\' ] && echo "{capsys.readouterr().out.strip()}"'
    (tmp_path / "make").write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    (tmp_path / "make").chmod(0o755)
    lay(harness, "platform", {"smallcase:hostImage": "", "aws:region": "eu-west-1"})
    assert mend(harness, "platform", tmp_path).values["smallcase:hostImage"] == AMI


def test_a_stack_that_owns_nothing_gets_a_branch_by_the_command(harness: Harness) -> None:
    lay(harness, "green", {"smallcase:branch": ""})
    assert mend(harness, "green").values["smallcase:branch"] == "develop"


def test_a_stack_whose_name_no_platform_can_have_is_renamed_with_its_file(pulumi_cli: Path, tmp_path: Path) -> None:
    harness = Harness.create(tmp_path, pulumi_cli, {}, name="smallcase")
    harness.link(CHECKOUT, "Pulumi.yaml")
    assert harness.pulumi("stack", "init", "A_Platform").code == 0
    lay(harness, "platform", {})
    (harness.project / stack_file("platform")).rename(harness.project / stack_file("A_Platform"))
    (command,) = commands_in(refusal(by_pulumi(harness, "A_Platform")), "pulumi stack rename")
    run(command.replace("NAME", "platform"), harness.project, harness.environment)
    settings.parse(by_pulumi(harness, "platform"))


def unknown(*_: object, **__: object) -> None:
    raise RuntimeError("unknown stack")


def two_zones(**_: object) -> SimpleNamespace:
    return SimpleNamespace(names=["a", "b"])


def no_owners(directory: Path) -> None:
    require_owners(GitHub(owner="someone", name="smallcase", app=1, approvals=1, developers=""), directory)


def no_platform(_: Path) -> None:
    contract.refer_to("elsewhere")


def no_zones(_: Path) -> None:
    network.available_zones(3, pulumi.InvokeOptions())


def no_hosted_zone(_: Path) -> None:
    domain.hosted_zone("example.org", pulumi.InvokeOptions())


@pytest.mark.parametrize(
    ("refused", "before", "after"),
    [
        (no_owners, {"smallcase:approvals": 1}, ("smallcase:approvals", "0")),
        (no_platform, {"smallcase:platform": "elsewhere"}, ("smallcase:platform", "self")),
        (no_zones, {"smallcase:zones": 3}, ("smallcase:zones", "2")),
        (
            no_hosted_zone,
            {"smallcase:domain": "example.org", "smallcase:jenkinsAllowList": ["203.0.113.7/32"]},
            ("smallcase:domain", ""),
        ),
    ],
)
def test_a_command_that_is_offered_once_the_program_runs_is_taken_too(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[[Path], None],
    before: Mapping[str, object],
    after: tuple[str, str],
) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "platform")
    for package, name in ((pulumi.runtime, "invoke"), (aws.route53, "get_zone")):
        monkeypatch.setattr(package, name, unknown)
    monkeypatch.setattr(aws, "get_availability_zones", two_zones)
    lay(harness, "platform", before)
    with pytest.raises(pulumi.RunError) as message:
        refused(harness.project)
    (command,) = commands_in(str(message.value), "pulumi config")
    run(command, harness.project, harness.environment)
    given = by_pulumi(harness, "platform")
    settings.parse(given)
    key, value = after
    assert given.values[key] == value


def test_owners_are_named_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "platform")
    with pytest.raises(SettingsError) as message:
        no_owners(tmp_path)
    (command,) = commands_in(str(message.value), "mkdir")
    run(command, tmp_path, os.environ)
    no_owners(tmp_path)
