"""The image of an environment, whoever deploys it from wherever, and what says which it is."""

import json
import os
from pathlib import Path
from typing import cast

from infra.image_reference import ImageReference
from rehearsal import project
from rehearsal.cloud.resource import Resource
from tests.engine.world import DEPLOYMENT, IMAGE, OVERLAY, World, deployment, git, image_of

GREEN = "smallcase-green"

SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""What the engine marks a secret with: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/sig/sig.go"""


def variables_of(deployment: Resource) -> dict[str, str]:
    spec = cast("dict[str, dict[str, dict[str, list[dict[str, list[dict[str, str]]]]]]]", deployment.outputs["spec"])
    (container,) = spec["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def says_what_runs(world: World) -> str:
    """The commit that all agree on."""
    running = deployment(world.account(), GREEN)
    said, outputs = variables_of(running), world.harness.outputs("green")
    commit = ImageReference.parse(image_of(running)).commit
    assert outputs["image"] == image_of(running)
    assert said["SMALLCASE_IMAGE"] == f"smallcase@{ImageReference.parse(image_of(running)).digest}"
    assert said["SMALLCASE_VERSION"] == outputs["commit"] == commit
    return commit


def test_another_clone_of_the_commit_with_other_line_ends_dates_and_modes_and_ignored_files_changes_nothing(
    live: World, tmp_path: Path
) -> None:
    clone, umask = tmp_path / "elsewhere" / "clone", os.umask(0o077)
    try:
        git(live.checkout, "clone", "--quiet", ".", str(clone))
    finally:
        os.umask(umask)
    for path in (path for path in (clone / "app").rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        os.utime(path, (0, 0))
    for name in (".coverage", "smallcase/.ruff_cache/rubbish"):
        (clone / "app" / name).parent.mkdir(exist_ok=True)
        (clone / "app" / name).touch()
    project.generate(clone, live.harness.project, OVERLAY)
    preview = live.preview("green", "--expect-no-changes")
    assert preview.succeeded, preview.outcome.output


def test_whoever_decrypts_the_state_of_an_environment_finds_no_secret_in_it(live: World) -> None:
    state = json.dumps(live.export("green"))
    assert IMAGE in state
    assert SECRET not in state


def test_an_update_of_the_deployment_alone_says_the_version_of_the_image_that_it_runs(live: World) -> None:
    before = says_what_runs(live)
    with live.changed_page(), live.settings("green", {"smallcase:replicas": 3}):
        up = live.up("green", "--target", f"**{DEPLOYMENT}::deployment")
        assert up.succeeded, up.outcome.output
        assert up.outcome.changes() == {DEPLOYMENT: "update"}
        assert says_what_runs(live) == before
        up = live.up("green")
        assert up.outcome.changes() == {IMAGE: "update", DEPLOYMENT: "update"}
        assert says_what_runs(live) != before
