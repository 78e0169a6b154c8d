"""The image as its Dockerfile describes it: what makes it small, locked, unprivileged and the same twice."""

import re
import shlex
from typing import Final

from infra import versions
from tests.app.conftest import APP

DOCKERFILE: Final = (APP / "Dockerfile").read_text(encoding="utf-8")
TEXT: Final = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
"""One instruction a line, without comments."""
INSTRUCTIONS: Final = [(line.partition(" ")[0], line.partition(" ")[2]) for line in TEXT.splitlines() if line]
FINAL_STAGE: Final = INSTRUCTIONS[max(index for index, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def arguments(instruction: str, stage: list[tuple[str, str]] = INSTRUCTIONS) -> list[str]:
    return [rest for name, rest in stage if name == instruction]


def test_the_base_is_pinned_by_digest() -> None:
    assert re.fullmatch(r"BASE=python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", arguments("ARG")[0])


def test_both_stages_start_from_that_base_and_from_no_other() -> None:
    assert arguments("FROM") == ["${BASE} AS dependencies", "${BASE}"]


def test_it_runs_as_a_user_without_rights_whom_kubernetes_can_check_by_number() -> None:
    """`runAsNonRoot` refuses a name, since it may be anybody's."""
    assert arguments("USER", FINAL_STAGE) == ["10001:10001"]


def test_dependencies_are_installed_by_hash_and_never_built() -> None:
    [install] = [rest for rest in arguments("RUN") if "pip install" in rest]
    words = shlex.split(install)
    assert {"--require-hashes", "--only-binary", "--no-cache-dir", "--no-compile"} <= set(words)
    assert words[words.index("--only-binary") + 1] == ":all:"
    assert words[words.index("--requirement") + 1] == "/requirements.txt"


def test_every_dependency_is_locked_with_its_hashes() -> None:
    locked = re.sub(r"\\\n\s*", "", (APP / "requirements.txt").read_text(encoding="utf-8"))
    lines = [line for line in locked.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 2
    assert [line for line in lines if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    wanted = [
        line for line in (APP / "requirements.in").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert [line for line in wanted if not any(found.startswith(f"{line} ") for found in lines)] == []


def test_the_image_holds_the_packages_and_the_application_and_nothing_else_of_the_build() -> None:
    assert arguments("COPY", FINAL_STAGE) == [
        "--from=dependencies /build/packages /srv/packages",
        "--chmod=0755 smallcase /srv/app/smallcase",
    ]
    assert arguments("ADD") == []


def test_modes_are_octal_or_a_variable_that_an_old_buildkit_leaves_as_it_is() -> None:
    """Letters are refused before BuildKit 0.20, and make the folder of the application unreadable before 0.21."""
    modes = re.findall(r"--chmod=(\S+)", TEXT)
    assert modes == ["${MODE}", "0755"]
    [mode] = [argument.removeprefix("MODE=") for argument in arguments("ARG") if argument.startswith("MODE=")]
    assert re.fullmatch("0[0-7]{3}", mode)
    # No checkout has it, or the check would take a file's own mode for the one that was asked for.
    assert mode not in ("0600", "0640", "0644", "0664", "0700", "0750", "0755", "0775")
    [check] = [rest for rest in arguments("RUN") if "stat" in rest]
    assert f"= {mode.removeprefix('0')} " in check


def test_a_buildkit_that_is_too_old_is_told_which_one_is_needed_and_how_to_get_it() -> None:
    [check] = [rest for rest in arguments("RUN") if "stat" in rest]
    assert f"This BuildKit is older than {versions.BUILDKIT_OLDEST}. Make a new builder: docker buildx create" in check
    assert check.endswith("exit 1; }")
    # What is copied from there waits for it.
    stage = [name for name, rest in INSTRUCTIONS if "/requirements.txt" in rest or name == "FROM"]
    assert stage == ["FROM", "COPY", "RUN", "RUN", "FROM"]


def test_what_installs_packages_is_taken_out_and_nothing_is_installed_in_the_final_stage() -> None:
    [removal] = arguments("RUN", FINAL_STAGE)
    for gone in ("/usr/local/bin/pip*", "ensurepip", "/usr/local/lib/python3*/site-packages/*"):
        assert gone in removal
    assert not re.search(r"\b(apt|apt-get|pip3? install|curl|wget)\b", removal)


def test_the_application_comes_last_so_that_its_change_is_one_small_layer() -> None:
    names = [name for name, _ in FINAL_STAGE]
    assert max(index for index, name in enumerate(names) if name == "COPY") > names.index("RUN")


def test_it_starts_and_stops_as_kubernetes_expects() -> None:
    """A list, or a shell would get SIGTERM and keep it to itself."""
    assert arguments("ENTRYPOINT", FINAL_STAGE) == ['["python3", "-m", "smallcase"]']
    assert arguments("STOPSIGNAL", FINAL_STAGE) == ["SIGTERM"]
    assert arguments("EXPOSE", FINAL_STAGE) == ["8080"]


def test_the_image_knows_nothing_of_the_environment_it_will_be() -> None:
    assert "SMALLCASE_" not in DOCKERFILE


def test_labels_say_only_what_is_the_same_in_every_environment() -> None:
    [label] = arguments("LABEL")
    labels = dict(word.split("=", 1) for word in shlex.split(label))
    assert labels == {
        "org.opencontainers.image.title": "smallcase",
        "org.opencontainers.image.description": "Smallcase of the day: one of five smallcases at random",
        "org.opencontainers.image.revision": "${REVISION}",
        "org.opencontainers.image.base.name": "${BASE}",
    }


def test_the_context_is_nothing_but_what_the_dockerfile_names() -> None:
    lines = [
        line for line in (APP / ".dockerignore").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert lines == ["*", "!precompile.py", "!requirements.txt", "!smallcase", "**/__pycache__"]
    named = {"precompile.py", "requirements.txt", "smallcase"}
    assert [name for name in sorted(named) if name not in TEXT or not (APP / name).exists()] == []
