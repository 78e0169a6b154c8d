import io
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from rehearsal import cluster
from rehearsal.cluster import version_difference
from rehearsal.node import Node
from rehearsal.progress import Progress, RehearsalError


def test_another_minor_version_than_that_of_eks_is_said() -> None:
    said = version_difference("v1.36.3", "1.35")
    assert said is not None
    assert "1.36 here" in said
    assert "1.35 on EKS" in said


def test_the_same_minor_version_is_no_difference() -> None:
    assert version_difference("v1.35.4", "1.35") is None


def test_a_machine_that_cannot_run_it_is_refused_before_anything_is_fetched_or_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def built(*_: object) -> None:
        raise AssertionError("something was fetched or built")

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(cluster, "ensure_pulumi", built)
    monkeypatch.setattr(cluster, "ensure_rehearsal_tools", built)
    with pytest.raises(RehearsalError, match="needs root"):
        cluster.start(Progress(io.StringIO()))


@pytest.mark.parametrize("path", ["/x y", "/a:b", "/it's", "/$HOME", "/a\nb", '/"', "/a,b"])
def test_a_path_that_a_program_would_take_apart_is_refused_before_anything_is_changed(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", path)
    with pytest.raises(RehearsalError, match="does not work with the path") as refused:
        cluster.start(Progress(io.StringIO()))
    assert repr(f"{path}/smallcase-rehearsal") in refused.value.message


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stand-ins' code, to change."""
    root = tmp_path / "checkout"
    shutil.copytree(
        cluster.CHECKOUT / "rehearsal", root / "rehearsal", ignore=shutil.ignore_patterns("modules", "__pycache__")
    )
    monkeypatch.setattr(cluster, "CHECKOUT", root)
    return root


def stand_ins() -> dict[str, str]:
    """The digest of each stand-in's code, under which it is started."""
    spawned: dict[str, str] = {}

    def spawn(name: str, argv: list[str], environment: dict[str, str], *_: object) -> None:
        assert "-m" in argv
        assert environment["PYTHONPATH"] == str(cluster.CHECKOUT)
        spawned[name] = environment["SMALLCASE_CODE"]

    class Anything:
        def __getattr__(self, name: str) -> Path:
            return Path("/state") / name

    node = cast("Node", SimpleNamespace(files=Anything(), tools=Anything(), spawn=spawn))
    cluster._spawn_cloud(node, Progress(io.StringIO()))  # pyright: ignore[reportPrivateUsage]
    cluster._spawn_load_balancer(node, Progress(io.StringIO()))  # pyright: ignore[reportPrivateUsage]
    return spawned


@pytest.mark.parametrize(
    ("changed", "started_anew"),
    [
        ("cloud/rules/ec2.py", {"cloud"}),
        ("load_balancer/haproxy.py", {"load-balancer"}),
        ("places.py", {"cloud", "load-balancer"}),
        ("hosts_file.py", {"cloud", "load-balancer"}),
        ("rehearse.py", set[str]()),
    ],
)
def test_a_stand_in_whose_code_changed_is_started_anew_and_no_other(
    checkout: Path, changed: str, started_anew: set[str]
) -> None:
    before = stand_ins()
    with (checkout / "rehearsal" / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    after = stand_ins()
    assert {name for name in before if before[name] != after[name]} == started_anew
    assert after == stand_ins()
