from pathlib import Path

import pytest
import yaml

from rehearsal import project
from rehearsal.project import Overlay

OVERLAY = Overlay(
    platform={"smallcase:apiAllowList": ["127.0.0.0/8"]}, environment={"smallcase:baseImage": "base@sha256:0"}
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "infra").mkdir(parents=True)
    (root / "app").mkdir()
    for name, text in {
        "Pulumi.yaml": "name: smallcase\nconfig:\n  smallcase:platform: platform\n",
        "__main__.py": "",
        "Pulumi.platform.yaml": "config:\n  smallcase:platform: self\n",
        "Pulumi.blue.yaml": "config:\n  smallcase:branch: master\n",
        "Pulumi.green.yaml": "config:\n  smallcase:branch: staging\n  smallcase:platform: self\n",
        "Pulumi.develop.yaml": "config:\n  smallcase:branch: develop\n",
    }.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def config_of(directory: Path, stack: str) -> dict[str, object]:
    return yaml.safe_load((directory / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]


def test_the_program_is_linked_and_not_copied(checkout: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    project.generate(checkout, directory, OVERLAY)
    assert {name for name in project.LINKED if (directory / name).resolve() == (checkout / name).resolve()} == set(
        project.LINKED
    )


def test_each_stack_gets_the_overlay_of_the_layers_it_owns(checkout: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    project.generate(checkout, directory, OVERLAY)
    assert config_of(directory, "platform") == {"smallcase:platform": "self", **OVERLAY.platform}
    assert config_of(directory, "develop") == {"smallcase:branch": "develop", **OVERLAY.environment}
    assert config_of(directory, "green") == {
        "smallcase:branch": "staging",
        "smallcase:platform": "self",
        **OVERLAY.platform,
        **OVERLAY.environment,
    }


@pytest.mark.trap("T58")
def test_the_checkout_is_left_as_it_was(checkout: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.iterdir() if path.is_file()}
    project.generate(checkout, tmp_path / "project", OVERLAY)
    assert {path: path.read_bytes() for path in checkout.iterdir() if path.is_file()} == before


def test_what_pulumi_wrote_about_encryption_survives_a_second_generation(checkout: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    project.generate(checkout, directory, OVERLAY)
    file = directory / "Pulumi.blue.yaml"
    file.write_text("encryptionsalt: v1:abc\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    project.generate(checkout, directory, OVERLAY)
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["encryptionsalt"] == "v1:abc"


def test_a_second_generation_of_the_same_writes_nothing(checkout: Path, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    project.generate(checkout, directory, OVERLAY)
    before = {path: path.stat().st_mtime_ns for path in directory.glob("*.yaml")}
    project.generate(checkout, directory, OVERLAY)
    assert {path: path.stat().st_mtime_ns for path in directory.glob("*.yaml")} == before
