"""Which `pulumi` is taken: the pinned version and no other, and never in silence."""

import io
import os
import shutil
from pathlib import Path

import pytest

from infra import versions
from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs, pulumi_tools
from rehearsal.toolchain.pulumi_tools import LANGUAGE_HOST, cli_on_path, ensure_pulumi, plugin_directory, with_own_host


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


INSTALLER = """#!/bin/sh
# As Pulumi's: --no-edit-path --install-root DIRECTORY --version VERSION.
bin=$3/bin
mkdir -p "$bin"
touch "$bin/pulumi-language-python"
cat >"$bin/pulumi" <<EOF
#!/bin/sh
[ "\\$1" != version ] || { echo v$5; exit; }
[ "\\$1 \\$2 \\$3" = "plugin install resource" ] || exit 1
mkdir -p "\\$PULUMI_HOME/plugins/resource-\\$4-v\\$5"
touch "\\$PULUMI_HOME/plugins/resource-\\$4-v\\$5/pulumi-resource-\\$4"
EOF
chmod +x "$bin/pulumi"
"""
"""Installs a CLI that knows its version and how to install a plugin."""


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without Pulumi and without a cache; Pulumi's site answers, and nothing may be built."""

    def built(*_: object) -> None:
        raise AssertionError("something was built")

    def download(_url: str, path: str) -> None:
        shutil.copyfile(installer, path)

    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "mkdir", "touch", "cat", "chmod", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    installer = tmp_path / "install.sh"
    installer.write_text(INSTALLER, encoding="utf-8")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("pulumi.automation._cmd._download_to_file", download)
    monkeypatch.setattr(go_programs, "build", built)
    return tmp_path


@pytest.mark.usefixtures("fresh_machine")
def test_where_pulumis_site_answers_its_installer_brings_the_cli_and_the_plugins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulumi_tools, "_official_site_answers", lambda: True)
    tools = ensure_pulumi(Progress(io.StringIO()))
    assert os.access(tools.directory / "pulumi", os.X_OK)
    for name, version in (("kubernetes", versions.PULUMI_KUBERNETES), ("docker-build", versions.PULUMI_DOCKER_BUILD)):
        assert (tools.home / "plugins" / plugin_directory(name, version) / f"pulumi-resource-{name}").is_file()


def test_a_plugin_that_the_user_has_is_taken_from_where_pulumi_keeps_it(fresh_machine: Path) -> None:
    for name, (version, _) in pulumi_tools.PLUGINS.items():
        place = fresh_machine / "home" / "plugins" / plugin_directory(name, version)
        place.mkdir(parents=True)
        (place / f"pulumi-resource-{name}").write_text("the user's", encoding="utf-8")
    cli = _cli(fresh_machine / "cli", f"v{versions.PULUMI}")
    os.environ["PATH"] = f"{cli.parent}:{os.environ['PATH']}"
    tools = ensure_pulumi(Progress(io.StringIO()))
    assert tools.directory == cli.parent
    plugin = tools.home / "plugins" / plugin_directory("kubernetes", versions.PULUMI_KUBERNETES)
    assert (plugin / "pulumi-resource-kubernetes").read_text(encoding="utf-8") == "the user's"
