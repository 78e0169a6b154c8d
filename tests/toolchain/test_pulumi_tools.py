"""Which `pulumi` is taken: the pinned version and no other, and never in silence."""

import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from infra import versions
from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs, pulumi_tools
from rehearsal.toolchain.pulumi_tools import (
    LANGUAGE_HOST,
    cli_on_path,
    ensure_cli,
    ensure_pulumi,
    plugin_directory,
    with_own_host,
)


def _cli(directory: Path, version: str, *, with_host: bool = True) -> Path:
    directory.mkdir()
    program = directory / "pulumi"
    program.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
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


CLI = f"""#!/bin/sh
[ "$1" != version ] || {{ echo v{versions.PULUMI}; exit; }}
[ "$1 $2 $3 $6" = "plugin install resource --checksum" ] || exit 1
mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"
echo "$7" >"$PULUMI_HOME/plugins/resource-$4-v$5/pulumi-resource-$4"
"""
"""A CLI that knows its version and how to install a plugin, which then says with which checksum."""


def archive() -> bytes:
    """Such as Pulumi's."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for name, text in (("pulumi", CLI), ("pulumi-language-python", "")):
            entry = tarfile.TarInfo(f"pulumi/{name}")
            entry.size, entry.mode = len(text), 0o755
            made.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without Pulumi and without a cache; Pulumi's site answers, and what is built says so."""

    def built(module: go_programs.GoModule, _: Progress) -> Path:
        (tmp_path / "built").mkdir(exist_ok=True)
        for name in module.programs:
            (tmp_path / "built" / name).write_text("built", encoding="utf-8")
        return tmp_path / "built"

    packed = archive()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "mkdir", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    served = tmp_path / "site" / "releases" / "sdk"
    served.mkdir(parents=True)
    (served / f"pulumi-v{versions.PULUMI}-linux-x64.tar.gz").write_bytes(packed)
    monkeypatch.setattr(pulumi_tools, "OFFICIAL_SITE", (tmp_path / "site").as_uri())
    monkeypatch.setattr(pulumi_tools, "_official_site_answers", lambda: True)
    monkeypatch.setattr(versions, "PULUMI_SHA256", hashlib.sha256(packed).hexdigest())
    monkeypatch.setattr(versions, "PULUMI_KUBERNETES_SHA256", "k" * 64)
    monkeypatch.setattr(versions, "PULUMI_DOCKER_BUILD_SHA256", "")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(go_programs, "build", built)
    return tmp_path


def plugin(tools: pulumi_tools.PulumiTools, name: str) -> str:
    version, _ = pulumi_tools.PLUGINS[name]
    place = tools.home / "plugins" / plugin_directory(name, version) / f"pulumi-resource-{name}"
    return place.read_text(encoding="utf-8").strip()


@pytest.mark.usefixtures("fresh_machine")
def test_where_pulumis_site_answers_it_brings_what_has_a_checksum_and_the_rest_is_built() -> None:
    tools = ensure_pulumi(Progress(io.StringIO()))
    assert os.access(tools.directory / "pulumi", os.X_OK)
    assert plugin(tools, "kubernetes") == "k" * 64, "the CLI compares it"
    assert plugin(tools, "docker-build") == "built"


@pytest.mark.usefixtures("fresh_machine")
def test_an_archive_with_another_checksum_is_not_unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(versions, "PULUMI_SHA256", "f" * 64)
    said = io.StringIO()
    tools = ensure_pulumi(Progress(said))
    assert "does not have the checksum ffff" in said.getvalue()
    assert (tools.directory / "pulumi").read_text(encoding="utf-8") == "built"
    assert not (tmp_path / "cache" / "smallcase" / "official").joinpath(f"pulumi-{versions.PULUMI}").exists()


def test_where_no_archive_fits_the_machine_none_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def unreached(address: str, **_: object) -> None:
        asked.append(address)
        raise OSError

    monkeypatch.setattr("urllib.request.urlopen", unreached)

    def not_built(_: go_programs.GoModule) -> bool:
        return False

    def built(*_: object) -> Path:
        return _cli(tmp_path / "bin", "", with_host=False).parent

    monkeypatch.setattr(go_programs, "is_built", not_built)
    monkeypatch.setattr(go_programs, "build", built)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    ensure_cli(Progress(io.StringIO()))
    assert asked == []


def test_a_plugin_that_the_user_has_is_taken_from_where_pulumi_keeps_it(fresh_machine: Path) -> None:
    for name, (version, _) in pulumi_tools.PLUGINS.items():
        place = fresh_machine / "home" / "plugins" / plugin_directory(name, version)
        place.mkdir(parents=True)
        (place / f"pulumi-resource-{name}").write_text("the user's", encoding="utf-8")
    cli = _cli(fresh_machine / "own", f"v{versions.PULUMI}")
    os.environ["PATH"] = f"{cli.parent}:{os.environ['PATH']}"
    tools = ensure_pulumi(Progress(io.StringIO()))
    assert tools.directory == cli.parent
    assert plugin(tools, "kubernetes") == "the user's"
