from rehearsal.cluster import version_difference


def test_another_minor_version_than_that_of_eks_is_said() -> None:
    said = version_difference("v1.36.3", "1.35")
    assert said is not None
    assert "1.36 here" in said
    assert "1.35 on EKS" in said


def test_the_same_minor_version_is_no_difference() -> None:
    assert version_difference("v1.35.4", "1.35") is None
