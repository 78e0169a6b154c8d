"""Whether AWS offers the versions of the add-ons that the program pins: asked before a cluster waits for them."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import versions
from pipeline.outcomes import Failed

PINNED: Final[Mapping[str, tuple[str, str]]] = {
    "coredns": ("COREDNS", versions.COREDNS),
    "kube-proxy": ("KUBE_PROXY", versions.KUBE_PROXY),
    "vpc-cni": ("VPC_CNI", versions.VPC_CNI),
}
"""Name of an add-on to the name of its pin in `infra/versions.py`, and the pin."""

Offer = Mapping[str, object]


class Catalogue(Protocol):
    """EKS, as far as it is asked: https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html"""

    def describe_addon_versions(self, *, kubernetesVersion: str, addonName: str) -> Mapping[str, object]:  # noqa: N803
        """What AWS offers of one add-on for one version of Kubernetes."""
        ...


def catalogue(region: str) -> Catalogue:
    """That of a region."""
    return cast("Catalogue", boto3.Session(region_name=region).client("eks"))  # pyright: ignore[reportUnknownMemberType]


def check(offered: Catalogue) -> list[str]:
    """A line for each pinned add-on, all of which AWS offers.

    Raises:
        Failed: it does not offer one of them, or does not say.
    """
    missing = [said for name in PINNED if (said := _missing(offered, name))]
    if missing:
        raise Failed("\n".join(missing))
    return [f"{name} {pin} is offered for Kubernetes {versions.KUBERNETES}" for name, (_, pin) in PINNED.items()]


def _missing(offered: Catalogue, name: str) -> str:
    constant, pin = PINNED[name]
    try:
        answer = offered.describe_addon_versions(kubernetesVersion=versions.KUBERNETES, addonName=name)
    except (ClientError, BotoCoreError) as error:
        raise Failed(f"AWS does not say which add-ons it offers: {error}.") from None
    offers = [
        offer
        for add_on in cast("Sequence[Mapping[str, Sequence[Offer]]]", answer["addons"])
        for offer in add_on["addonVersions"]
    ]
    names = [str(offer["addonVersion"]) for offer in offers]
    if pin in names:
        return ""
    if not names:
        return f"AWS offers no {name} for Kubernetes {versions.KUBERNETES}: is KUBERNETES in infra/versions.py right?"
    default = next((str(offer["addonVersion"]) for offer in offers if _is_default(offer)), names[0])
    return (
        f"AWS offers no {name} {pin} for Kubernetes {versions.KUBERNETES}. Set {constant} in infra/versions.py to "
        f"{default}, its default there (or to another of {', '.join(names[:5])})."
    )


def _is_default(offer: Offer) -> bool:
    compatible = cast("Sequence[Mapping[str, object]]", offer.get("compatibilities") or ())
    return any(one.get("clusterVersion") == versions.KUBERNETES and one.get("defaultVersion") for one in compatible)
