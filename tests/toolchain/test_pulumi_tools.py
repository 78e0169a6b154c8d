"""Which `pulumi` is taken: the pinned version and no other, and never in silence."""

import io
from pathlib import Path

import pytest

from infra import versions
from rehearsal.progress import Progress
from rehearsal.toolchain.pulumi_tools import LANGUAGE_HOST, cli_on_path, plugin_directory, with_own_host


def _cli(directory: Path, version: str, *, with_host: bool = True) -> Path:
    directory.mkdir()
    program = directory / "pulumi"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    if with_host:
        (directory / "pulumi-language-python").touch(mode=0o755)
    return program


def test_a_cli_of_another_version_is_passed_over_with_a_line_that_says_so(tmp_path: Path) -> None:
    other = _cli(tmp_path / "other", "v3.1.0")
    right = _cli(tmp_path / "right", f"v{versions.PULUMI}")
    said = io.StringIO()

    found = cli_on_path(f"{other.parent}:{right.parent}", Progress(said))

    assert found == right
    assert f"passing over {other}: it is v3.1.0, not v{versions.PULUMI}" in said.getvalue()


@pytest.mark.parametrize(("version", "with_host"), [("v3.1.0", True), (f"v{versions.PULUMI}", False)])
def test_no_cli_is_found_where_none_is_the_whole_right_version(tmp_path: Path, version: str, with_host: bool) -> None:
    program = _cli(tmp_path / "bin", version, with_host=with_host)

    assert cli_on_path(str(program.parent), Progress(io.StringIO())) is None


def test_a_plugin_lies_where_the_engine_looks() -> None:
    assert plugin_directory("docker-build", "0.0.22") == "resource-docker-build-v0.0.22"


def test_a_built_cli_gets_the_language_host_beside_its_own_file_where_the_engine_looks_first(tmp_path: Path) -> None:
    built = _cli(tmp_path / "built", f"v{versions.PULUMI}", with_host=False)

    directory = with_own_host(built, tmp_path / "cache")

    host = directory / "pulumi-language-python"
    assert (directory / "pulumi").samefile(built)
    assert host.stat().st_mode & 0o100
    assert (host.parent.parent / LANGUAGE_HOST.name).read_bytes() == LANGUAGE_HOST.read_bytes()
