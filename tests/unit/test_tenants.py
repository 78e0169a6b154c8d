"""Which environments are on a platform, and whose they are."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from infra import tenants
from infra.settings import SettingsError
from infra.tenants import Tenant
from tests.stack_files import CHECKOUT, project

Files = Mapping[str, Mapping[str, object]]


def on(platform: str, directory: Path, files: Files) -> dict[str, Tenant]:
    return {tenant.stack: tenant for tenant in tenants.on(platform, project(directory, files))}


def refusal(directory: Path, files: Files) -> str:
    with pytest.raises(SettingsError) as refused:
        on("platform", directory, files)
    return str(refused.value)


def test_the_committed_environments_are_of_the_domain_of_their_branch() -> None:
    found = {tenant.stack: (tenant.branch.domain, tenant.namespace) for tenant in tenants.on("platform", CHECKOUT)}
    assert found == {
        "develop": ("open", "smallcase-develop"),
        "green": ("deploy", "smallcase-green"),
        "blue": ("deploy", "smallcase-blue"),
    }


def test_an_environment_is_on_the_platform_that_its_file_names(tmp_path: Path) -> None:
    files = {
        "qa": {"smallcase:branch": "staging", "smallcase:platform": "second"},
        "second": {"smallcase:platform": "self"},
    }
    assert on("second", tmp_path, files).keys() == {"qa"}
    assert {tenant.stack for tenant in tenants.on("platform", tmp_path)} == {"develop", "green", "blue"}


def test_an_environment_that_owns_its_platform_is_on_it(tmp_path: Path) -> None:
    files = {
        "green": {"smallcase:branch": "staging", "smallcase:platform": "self"},
        "develop": {"smallcase:branch": "develop", "smallcase:platform": "green"},
    }
    assert on("green", tmp_path, files).keys() == {"green", "develop"}


@pytest.mark.parametrize(
    ("stack", "settings", "says"),
    [
        ("qa", {"smallcase:branch": "main"}, "smallcase:branch is 'main'"),
        ("qa", {"smallcase:branch": "staging", "smallcase:namespace": "kube-system"}, "no Fargate profile selects"),
        ("qa", {"smallcase:branch": "staging", "smallcase:host": "*.example.org"}, "smallcase:host is '*.example.org'"),
        # A pattern, which would be the right on every stack that it fits.
        ("*", {"smallcase:branch": "develop"}, "cannot be called '*'"),
        ("bl?e", {"smallcase:branch": "develop"}, "cannot be called 'bl?e'"),
        # What begins as the checkpoint of `blue` does.
        ("blue.json.x", {"smallcase:branch": "develop"}, "where the name of a checkpoint ends"),
        ("blue.json-x", {"smallcase:platform": "self"}, "where the name of a checkpoint ends"),
        (
            "blue2",
            {"smallcase:branch": "develop", "smallcase:namespace": "smallcase-blue"},
            "would share the namespace",
        ),
    ],
)
def test_what_would_give_the_wrong_rights_is_refused(
    stack: str, settings: Mapping[str, object], says: str, tmp_path: Path
) -> None:
    said = refusal(tmp_path, {stack: settings})
    assert says in said
    assert "\n" not in said


@pytest.mark.parametrize("text", ["config: [", "\udcff", "[]", "config: 1"])
def test_a_file_that_is_none_gives_no_rights(text: str, tmp_path: Path) -> None:
    project(tmp_path, {})
    (tmp_path / "Pulumi.qa.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=r"Pulumi\.qa\.yaml"):
        tenants.on("platform", tmp_path)
