import io

import pytest

from rehearsal import cluster
from rehearsal.cluster import version_difference
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
