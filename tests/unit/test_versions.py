"""A version that is said twice is the same."""

import re
import tomllib
from typing import cast

import pytest

from infra import versions
from infra.plugins import Plugin, plugins
from tests.stack_files import CHECKOUT

PROJECT = cast(
    "dict[str, dict[str, list[str]]]", tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
)["project"]
REQUIRED = dict(requirement.split("==") for requirement in PROJECT["dependencies"])
LOCK = cast("dict[str, list[dict[str, object]]]", tomllib.loads((CHECKOUT / "uv.lock").read_text(encoding="utf-8")))
LOCKED = {package["name"]: package.get("version", "") for package in LOCK["package"]}


@pytest.mark.parametrize("package", sorted(REQUIRED))
def test_every_sdk_is_locked_in_the_version_that_is_required(package: str) -> None:
    assert LOCKED[package] == REQUIRED[package]


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("pulumi", versions.PULUMI),
        ("pulumi-aws", versions.PULUMI_AWS),
        ("pulumi-docker-build", versions.PULUMI_DOCKER_BUILD),
        ("pulumi-kubernetes", versions.PULUMI_KUBERNETES),
        ("uv", versions.UV),
    ],
)
def test_what_the_program_installs_is_what_it_is_tested_with(package: str, version: str) -> None:
    assert LOCKED[package] == version


def test_the_uv_of_the_agents_is_a_wheel_of_the_lock_file_for_their_kind() -> None:
    [uv] = [package for package in LOCK["package"] if package["name"] == "uv"]
    wheels = cast("list[dict[str, str]]", uv["wheels"])
    [url] = [wheel["url"] for wheel in wheels if wheel["hash"] == f"sha256:{versions.UV_SHA256}"]
    assert "manylinux" in url
    assert "x86_64" in url


def test_the_agents_have_the_builder_that_the_rehearsal_has() -> None:
    go_mod = (CHECKOUT / "rehearsal" / "toolchain" / "modules" / "buildkit" / "go.mod").read_text(encoding="utf-8")
    assert re.search(rf"^require github\.com/moby/buildkit v{re.escape(versions.BUILDKIT)}$", go_mod, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/first-deployment.md"])
def test_the_oldest_buildkit_is_said_to_whoever_makes_a_builder_and_is_no_newer_than_the_agents(page: str) -> None:
    assert f"BuildKit {versions.BUILDKIT_OLDEST} or newer" in (CHECKOUT / page).read_text(encoding="utf-8")
    oldest, ours = (tuple(map(int, text.split("."))) for text in (versions.BUILDKIT_OLDEST, versions.BUILDKIT))
    assert oldest <= ours


def test_a_builder_made_by_hand_is_that_of_the_agents() -> None:
    page = (CHECKOUT / "docs" / "first-deployment.md").read_text(encoding="utf-8")
    assert f"--driver-opt image=moby/buildkit:v{versions.BUILDKIT}@{versions.BUILDKIT_DIGEST}\n" in page


def test_the_agents_have_a_kubectl_that_speaks_to_the_cluster() -> None:
    theirs, ours = (version.split(".")[:2] for version in (versions.KUBERNETES, versions.KUBECTL))
    assert theirs[0] == ours[0]
    assert abs(int(theirs[1]) - int(ours[1])) <= 1


def test_the_agents_have_the_oldest_python_that_the_project_takes() -> None:
    assert PROJECT["requires-python"] == f">={versions.PYTHON}"


@pytest.mark.parametrize("plugin", plugins(), ids=lambda plugin: plugin.name)
def test_the_checksum_of_a_plugin_is_one_or_is_said_to_be_missing(plugin: Plugin) -> None:
    assert re.fullmatch("[0-9a-f]{64}|", plugin.sha256)
    assert getattr(versions, plugin.pin) == plugin.sha256
