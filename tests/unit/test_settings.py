from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, replace
from ipaddress import IPv4Network

import pytest
from PIL import Image

from infra import settings
from infra.branches import BRANCHES
from infra.fargate import PodSize
from infra.settings import Settings, SettingsError
from tests.stack_files import CHECKOUT, STACKS, configuration, declared, own_values

DIGEST = "sha256:" + "a1" * 32


def parse(stack: str, **changes: object) -> Settings:
    return settings.parse(configuration(stack, **changes))


def refusal(stack: str, **changes: object) -> str:
    with pytest.raises(SettingsError) as refused:
        parse(stack, **changes)
    return str(refused.value)


def test_every_key_that_the_program_knows_is_declared_with_type_default_and_description() -> None:
    assert {key.removeprefix("smallcase:") for key in declared()} == settings.KEYS
    assert all({"type", "default", "description"} <= set(declaration) for declaration in declared().values())


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_is_valid(stack: str) -> None:
    assert parse(stack).stack == stack


def test_each_environment_has_a_colour_of_its_own_as_the_readme_shows_it() -> None:
    colours = {stack: str(own_values(stack)["smallcase:colour"]) for stack in ("blue", "green", "develop")}
    assert colours == {"blue": "#2563eb", "green": "#15803d", "develop": "#f59e0b"}
    for stack, colour in colours.items():
        with Image.open(CHECKOUT / "docs" / "pages" / f"{stack}.png") as picture:
            shown = picture.convert("RGB").getpixel((5, 5))
        assert shown == tuple(bytes.fromhex(colour.removeprefix("#")))


def test_the_three_environments_differ_by_no_more_than_six_named_keys() -> None:
    may_differ = {f"smallcase:{key}" for key in ("branch", "colour", "replicas", "size", "image", "host")}
    environments = [own_values(stack) for stack in ("blue", "green", "develop")]
    assert set().union(*environments) <= may_differ


def test_a_whole_organisations_range_is_the_widest_that_is_let_in() -> None:
    platform = parse("platform", apiAllowList=["12.0.0.0/8"]).platform
    assert platform is not None
    assert platform.api_allow_list == (IPv4Network("12.0.0.0/8"),)


def test_each_branch_has_exactly_one_stack() -> None:
    branches = [str(own_values(stack).get("smallcase:branch", "")) for stack in STACKS]
    assert sorted(filter(None, branches)) == sorted(BRANCHES)


def test_a_stack_that_is_self_without_a_branch_owns_the_platform_alone() -> None:
    parsed = parse("platform")
    assert parsed.platform is not None
    assert parsed.environment is None


@pytest.mark.parametrize("stack", ["Platform", "a_platform", "a.platform", "a--platform", "-a"])
def test_a_stack_whose_name_aws_would_not_take_owns_no_platform(stack: str) -> None:
    with pytest.raises(SettingsError, match=rf"Stack '{stack}' cannot own a platform.*`pulumi stack rename NAME -s"):
        settings.parse(replace(configuration("platform"), stack=stack))


def test_an_environment_refers_to_the_stack_that_owns_its_platform() -> None:
    parsed = parse("green")
    assert (parsed.platform, parsed.platform_stack) == (None, "platform")


def test_a_stack_that_is_self_with_a_branch_owns_both_layers() -> None:
    parsed = parse("green", platform="self")
    assert parsed.platform is not None
    assert parsed.environment is not None
    assert parsed.platform_stack == "green"


def test_values_become_typed_and_frozen() -> None:
    platform = parse("platform", natGateways="per-zone", zones=3).platform
    assert platform is not None
    assert (platform.network, platform.zones, platform.nat_per_zone) == (IPv4Network("10.42.0.0/16"), 3, True)
    environment = parse("blue").environment
    assert environment is not None
    assert environment.size == PodSize.parse("0.25vCPU-0.5GB")
    with pytest.raises(FrozenInstanceError):
        environment.replicas = 7  # pyright: ignore[reportAttributeAccessIssue]


def test_a_namespace_is_named_after_its_stack_as_the_branching_table_says() -> None:
    names = {stack: parse(stack).environment for stack in ("blue", "green", "develop")}
    assert {stack: found and found.namespace for stack, found in names.items()} == {
        "blue": "smallcase-blue",
        "green": "smallcase-green",
        "develop": "smallcase-develop",
    }


def test_an_image_to_promote_is_read_by_tag_and_digest() -> None:
    environment = parse("blue", image=f"registry.test/smallcase:green-0123456789ab@{DIGEST}").environment
    assert environment is not None
    assert environment.image is not None
    assert (environment.image.commit, environment.image.digest) == ("0123456789ab", DIGEST)


@pytest.mark.parametrize(
    ("stack", "changes", "expected"),
    [
        ("green", {"colr": "#fff"}, ["smallcase:colr", "no setting", "pulumi config rm smallcase:colr -s green"]),
        ("green", {"branch": "stagin"}, ["'stagin'", "develop, staging, master", "config set smallcase:branch"]),
        ("green", {"colour": "green"}, ["'green'", "#rrggbb", "-s green"]),
        ("green", {"colour": ""}, ["smallcase:colour", "not set", "#rrggbb"]),
        ("green", {"replicas": 0}, ["'0'", "at least one pod", "config set smallcase:replicas 2"]),
        ("green", {"replicas": -1}, ["'-1'", "1 to 100"]),
        ("green", {"replicas": 1000}, ["'1000'", "1 to 100"]),
        ("green", {"replicas": "two"}, ["'two'", "whole number"]),
        ("green", {"size": "1vCPU-9GB"}, ["'1vCPU-9GB'", "2, 3, 4, 5, 6, 7, 8 GB"]),
        ("green", {"size": "3vCPU-8GB"}, ["'3vCPU-8GB'", "0.25, 0.5, 1, 2, 4, 8, 16 vCPU"]),
        ("green", {"size": "small"}, ["'small'", "0.25vCPU-0.5GB"]),
        ("green", {"namespace": "shop"}, ["'shop'", "no Fargate profile selects", "smallcase-*"]),
        ("green", {"namespace": "kube-system"}, ["'kube-system'", "smallcase-*"]),
        ("green", {"namespace": "smallcase-Green"}, ["'smallcase-Green'", "no name of a namespace"]),
        ("green", {"image": "registry.test/smallcase:green-1"}, ["sha256:<64 hex digits>"]),
        ("green", {"image": f"registry.test/smallcase:latest@{DIGEST}"}, ["'latest'", "which environment and commit"]),
        ("green", {"baseImage": "python:3.11-slim"}, ["'python:3.11-slim'", "pinned by digest"]),
        ("green", {"host": "www_example"}, ["'www_example'", "host name"]),
        ("green", {"platform": ""}, ["smallcase:platform", "not set", "`self`"]),
        ("green", {"platform": "green"}, ["'green'", "`self`", "config set smallcase:platform self -s green"]),
        ("platform", {"network": "10.0.0.0/24"}, ["'10.0.0.0/24'", "too small", "/16 to /20"]),
        ("platform", {"network": "10.0.0.0/8"}, ["'10.0.0.0/8'", "larger than a VPC"]),
        ("platform", {"network": "10.0.0.1/16"}, ["'10.0.0.1/16'", "host bits"]),
        ("platform", {"network": "52.0.0.0/16"}, ["'52.0.0.0/16'", "not a private range"]),
        ("platform", {"zones": 1}, ["'1'", "2 or 3"]),
        ("platform", {"natGateways": "two"}, ["'two'", "`one` or `per-zone`"]),
        ("platform", {"apiAllowList": []}, ["'[]'", "nobody could reach", "config set --secret --path"]),
        ("platform", {"apiAllowList": ["0.0.0.0/0"]}, ["0.0.0.0/0", "to the world"]),
        ("platform", {"apiAllowList": ["0.0.0.0/1", "128.0.0.0/1"]}, ["0.0.0.0/1", "to the world"]),
        ("platform", {"apiAllowList": ["12.0.0.0/7"]}, ["12.0.0.0/7", "to the world"]),
        ("platform", {"apiAllowList": ["192.168.1.7/32"]}, ["nobody comes from 192.168.1.7/32 over the internet"]),
        ("platform", {"apiAllowList": ["100.64.3.0/24"]}, ["nobody comes from 100.64.3.0/24 over the internet"]),
        ("platform", {"apiAllowList": "mine"}, ["'mine'", "not a list"]),
        (
            "platform",
            {"administrators": ["arn:aws:s3:::bucket"]},
            ["'arn:aws:s3:::bucket'", "no ARN of a role or user"],
        ),
        (
            "platform",
            {"hostImage": ""},
            ["smallcase:hostImage", "not set", "make -s host-image REGION=us-east-1 STACK=platform"],
        ),
        ("platform", {"hostImage": "al2023"}, ["'al2023'", "Amazon Linux 2023"]),
        ("platform", {"registryEndpoints": "maybe"}, ["'maybe'", "true or false"]),
        ("platform", {"domain": "example"}, ["'example'", "hosted zone"]),
        (
            "platform",
            {"domain": "example.org"},
            ["smallcase:jenkinsAllowList", "nobody could", "config set --secret --path"],
        ),
        ("platform", {"jenkinsAllowList": ["0.0.0.0/0"]}, ["0.0.0.0/0", "to the world"]),
        ("platform", {"githubRepository": "smallcase"}, ["'smallcase'", "owner/name"]),
        ("platform", {"githubApp": "mine"}, ["'mine'", "number of a GitHub App"]),
        ("platform", {"alarmMail": "nobody"}, ["'nobody'", "mail address"]),
        ("platform", {"ingressControllerChart": {"repo": "x"}}, ["`chart` is missing", "config rm"]),
        ("platform", {"ingressControllerChart": {"chart": "x", "repo": "y"}}, ["unknown: repo"]),
        ("platform", {"platform": "platform2"}, ["owns nothing", "Pulumi.<stack>.yaml", "config set smallcase:branch"]),
    ],
)
def test_a_bad_value_is_refused_with_the_key_the_value_what_is_allowed_and_the_way_out(
    stack: str, changes: dict[str, object], expected: list[str]
) -> None:
    message = refusal(stack, **changes)
    assert [part for part in expected if part not in message] == []


def refusal_of(others: Mapping[str, str], secrets: Sequence[str] = ()) -> str:
    with pytest.raises(SettingsError) as refused:
        settings.parse(replace(configuration("green", others), secrets=frozenset(secrets)))
    return str(refused.value)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"aws:region": "Frankfurt"}, "aws:region is 'Frankfurt'"),
        ({"aws:region": "us-gov-west-1"}, "no pods on Fargate"),
        ({"aws:allowedAccountIds": '["12"]'}, "'12' is no account id"),
        # What Pulumi makes of `[012345670123]`, and of the string that `pulumi config set` without a path writes.
        ({"aws:allowedAccountIds": "[1402433619]"}, "in quotes: YAML takes one that begins with 0 for another number"),
        ({"aws:allowedAccountIds": "012345670123"}, "not a list"),
        ({"aws:forbiddenAccountIds": '["12"]'}, "'12' is no account id"),
        (
            {"aws:allowedAccountIds": '["123456789012"]', "aws:forbiddenAccountIds": '["210987654321"]'},
            "takes this or aws:allowedAccountIds",
        ),
    ],
)
def test_another_region_or_account_is_checked_too(others: Mapping[str, str], expected: str) -> None:
    assert expected in refusal_of(others)


@pytest.mark.parametrize("key", ["allowedAccountIds", "forbiddenAccountIds"])
def test_accounts_are_allowed_or_forbidden(key: str) -> None:
    parsed = settings.parse(configuration("green", {f"aws:{key}": '["123456789012"]'}))
    assert (parsed.account_ids, parsed.forbidden_account_ids) == (
        (("123456789012",), ()) if key == "allowedAccountIds" else ((), ("123456789012",))
    )


@pytest.mark.parametrize(
    "key", ["aws:profile", "aws:assumeRoles", "aws:defaultTags", "aws:accessKey", "aws:Region", "aws:endpoints"]
)
def test_what_the_provider_of_aws_would_never_hear_is_refused_with_what_it_is_said_by(key: str) -> None:
    message = refusal_of({key: "somebody"})
    assert f"{key} would change nothing" in message
    assert "AWS_PROFILE" in message
    assert f"`pulumi config rm {key} -s green`" in message
    assert "somebody" not in message


@pytest.mark.parametrize("key", ["kubernetes:kubeconfig", "eks:anything", "smalcase:branch", "aws-native:region"])
def test_a_setting_of_a_package_that_reads_none_here_is_refused(key: str) -> None:
    assert f"nothing here reads `{key.partition(':')[0]}:`. Remove it with `pulumi config rm {key}" in refusal_of(
        {key: ""}
    )


@pytest.mark.parametrize("key", ["docker-build:host", "github:token", "pulumi:tags"])
def test_what_default_providers_and_the_engine_read_is_none_of_this_programs_business(key: str) -> None:
    given = replace(configuration("green", {key: "1"}), secrets=frozenset([key]))
    assert settings.parse(given).stack == "green"


@pytest.mark.parametrize(
    "key", ["smallcase:platform", "smallcase:branch", "smallcase:replicas", "aws:region", "aws:allowedAccountIds"]
)
def test_a_secret_is_refused_by_its_name_and_not_shown(key: str) -> None:
    message = refusal_of({key: "a-secret"}, secrets=[key])
    assert f"{key} is encrypted" in message
    assert "a-secret" not in message


@pytest.mark.parametrize("key", sorted(settings.ADDRESSES))
def test_an_encrypted_address_that_is_refused_is_not_shown_and_encrypted_again(key: str) -> None:
    given = replace(configuration("platform", {key: '["203.0.113.300/32"]'}), secrets=frozenset([key]))
    with pytest.raises(SettingsError) as refused:
        settings.parse(given)
    assert f"{key} is encrypted, and not allowed" in str(refused.value)
    assert "pulumi config set --secret" in str(refused.value)
    assert "203.0.113.300" not in str(refused.value)
