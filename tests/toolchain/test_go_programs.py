"""Which Go programs are built, from what, and what is said where they cannot be."""

import io
import shutil
from pathlib import Path

import pytest

from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain import go_programs
from rehearsal.toolchain.pins import KUBERNETES, MODULES, required_version

EVERY_MODULE = (
    go_programs.PULUMI,
    go_programs.KUBERNETES_PROVIDER,
    go_programs.DOCKER_BUILD_PROVIDER,
    go_programs.KUBERNETES_PROGRAMS,
    go_programs.BUILDKIT,
    go_programs.REGISTRY,
    go_programs.PAUSE,
)


def _fake_go(directory: Path, answer: str) -> None:
    program = directory / "go"
    program.write_text(f'#!/bin/sh\nif [ "$1" = env ]; then echo local; else echo "{answer}"; fi\n', encoding="utf-8")
    program.chmod(0o755)


def test_every_module_directory_has_its_programs() -> None:
    assert {module.name for module in EVERY_MODULE} == {path.name for path in MODULES.iterdir()}


def test_the_version_of_kubernetes_is_the_one_in_its_go_mod() -> None:
    assert f"k8s.io/kubernetes {KUBERNETES}" in (MODULES / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    major_minor = dict(go_programs.KUBERNETES_PROGRAMS.variables)["k8s.io/component-base/version.gitMinor"]
    assert KUBERNETES.split(".")[1] == major_minor


def test_a_module_that_go_mod_does_not_require_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"k8s\.io/kubernete$"):
        required_version("kubernetes", "k8s.io/kubernete")


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.19 linux/arm64", (1, 19)),
        ("go version devel +a1b2c3 linux/amd64", ()),
    ],
)
def test_the_numbers_of_a_go_version_are_read(answer: str, numbers: tuple[int, ...]) -> None:
    assert go_programs.go_version(answer) == numbers


def test_a_machine_without_go_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RehearsalError, match=r"Go is missing.*kubernetes") as refused:
        go_programs.require_go(go_programs.KUBERNETES_PROGRAMS)

    assert "https://go.dev/dl/" in refused.value.way_out


def test_a_go_that_is_too_old_is_refused_with_the_version_that_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _fake_go(tmp_path, "go version go1.20.1 linux/amd64")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(RehearsalError, match=r"go1\.20\.1 .* too old"):
        go_programs.require_go(go_programs.KUBERNETES_PROGRAMS)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go"])
def test_any_change_of_a_source_or_pin_is_another_key(tmp_path: Path, file: str) -> None:
    module = tmp_path / "registry"
    shutil.copytree(MODULES / "registry", module)
    before = go_programs.key(go_programs.REGISTRY, "go1.26", module)
    assert before == go_programs.key(go_programs.REGISTRY, "go1.26", module)

    with (module / file).open("a", encoding="utf-8") as changed:
        changed.write("\n// changed\n")

    assert go_programs.key(go_programs.REGISTRY, "go1.26", module) != before


def test_a_build_takes_the_pins_as_they_are_whatever_the_user_has_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`-mod=readonly`, or Go would mend `go.mod` by itself; no work file, no paths of this machine in the program."""
    _fake_go(tmp_path, "go version go9.99 linux/amd64")
    with (tmp_path / "go").open("a", encoding="utf-8") as program:
        program.write(f'if [ "$1" = build ]; then echo "$GOWORK|$CGO_ENABLED|$PWD|$*" > {tmp_path}/built; fi\n')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("GOWORK", "/home/me/go.work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    go_programs.build(go_programs.REGISTRY, Progress(io.StringIO()))

    work, cgo, directory, arguments = (tmp_path / "built").read_text(encoding="utf-8").split("|")
    assert (work, cgo, directory) == ("off", "0", str(MODULES / "registry"))
    assert arguments.split()[:4] == ["build", "-mod=readonly", "-trimpath", "-ldflags"]


def test_another_go_is_another_key() -> None:
    keys = {go_programs.key(go_programs.REGISTRY, go) for go in ("go1.26.7", "go1.26.8")}
    assert len(keys) == 2
