"""Whether AWS offers what is pinned, asked of the real client with AWS's answers stood in."""

from collections.abc import Sequence
from typing import cast

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from infra import versions
from operations import add_ons
from operations.__main__ import main
from operations.add_ons import PINNED, Catalogue, check
from pipeline.outcomes import Failed
from tests.graph import EKS_CLUSTER, platform

PINS = [pin for _, pin in PINNED.values()]


def eks(*offered: Sequence[str], refusal: str = "") -> Catalogue:
    """A client that is offered these versions of each add-on, the last of them as the default."""
    client = cast("BaseClient", boto3.client("eks", "us-east-1"))  # pyright: ignore[reportUnknownMemberType]
    stubber = Stubber(client)
    if refusal:
        stubber.add_client_error("describe_addon_versions", refusal, "refused")
    for name, names in zip(PINNED, offered, strict=False):
        found = [
            {
                "addonVersion": version,
                "compatibilities": [
                    {"clusterVersion": versions.KUBERNETES, "defaultVersion": version == names[-1]},
                ],
            }
            for version in names
        ]
        stubber.add_response(
            "describe_addon_versions",
            {"addons": [{"addonName": name, "addonVersions": found}] if found else []},
            {"kubernetesVersion": versions.KUBERNETES, "addonName": name},
        )
    stubber.activate()
    return cast("Catalogue", client)


def test_what_is_offered_is_said_line_by_line() -> None:
    said = check(eks(*([pin, "v0.0.1-eksbuild.1"] for pin in PINS)))
    assert [line.split()[:2] for line in said] == [[name, pin] for name, (_, pin) in PINNED.items()]


def test_a_pin_that_is_not_offered_is_refused_with_the_one_to_take_instead() -> None:
    with pytest.raises(Failed) as refused:
        check(eks(["v1.2.3-eksbuild.9", "v1.2.3-eksbuild.1"], *([pin] for pin in PINS[1:])))
    assert f"no coredns {versions.COREDNS} for Kubernetes {versions.KUBERNETES}" in str(refused.value)
    assert "Set COREDNS in infra/versions.py to v1.2.3-eksbuild.1, its default" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_version_of_kubernetes_that_aws_does_not_have_is_the_one_to_mend() -> None:
    with pytest.raises(Failed, match=r"is KUBERNETES in infra/versions\.py right"):
        check(eks([], [], []))


def test_a_refusal_of_aws_is_told_without_a_trace() -> None:
    with pytest.raises(Failed, match="AccessDeniedException"):
        check(eks(refusal="AccessDeniedException"))


def test_the_verb_says_no_with_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotSignedIn:
        def describe_addon_versions(self, **_: str) -> dict[str, object]:
            raise NoCredentialsError

    monkeypatch.setattr(add_ons, "catalogue", lambda _: NotSignedIn())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert main(["add-ons", "--region", "us-east-1"]) == 1
    assert "Unable to locate credentials" in capsys.readouterr().err


@pytest.mark.trap("T08")
def test_the_add_ons_that_are_asked_for_are_those_that_the_cluster_has() -> None:
    cluster = platform().one(EKS_CLUSTER)
    assert PINNED["coredns"][1] == cluster.at("corednsAddonOptions", "version")
    assert PINNED["kube-proxy"][1] == cluster.at("kubeProxyAddonOptions", "version")
    assert PINNED["vpc-cni"][1] == cluster.at("vpcCniOptions", "addonVersion")
    assert all(getattr(versions, constant) == pin for constant, pin in PINNED.values())
