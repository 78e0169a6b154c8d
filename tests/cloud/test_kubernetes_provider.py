"""The stand-in judges a change of the `kubernetes` provider's settings as the provider itself does."""

import json

import pytest

from rehearsal.cloud.kubernetes_provider import replaces
from rehearsal.cloud.properties import UNKNOWN, Properties


def kubeconfig(server: str, user: str = "aws") -> str:
    return json.dumps(
        {
            "clusters": [
                {"name": "other", "cluster": {"server": "https://other"}},
                {"name": "kubernetes", "cluster": {"server": server}},
            ],
            "contexts": [
                {"name": "other", "context": {"cluster": "other", "user": user}},
                {"name": "aws", "context": {"cluster": "kubernetes", "user": user}},
            ],
            "current-context": "aws",
            "users": [{"name": user, "user": {}}],
        }
    )


ONE, ANOTHER = kubeconfig("https://one"), kubeconfig("https://another")


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        ({"kubeconfig": ONE}, {"kubeconfig": ANOTHER}, ["kubeconfig"]),
        ({"kubeconfig": ONE}, {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({"kubeconfig": ONE}, {"kubeconfig": kubeconfig("https://one", user="somebody")}, []),
        ({"kubeconfig": ONE}, {"kubeconfig": ONE, "context": "other"}, ["context"]),
        ({"kubeconfig": ONE}, {"kubeconfig": ONE, "enableServerSideApply": "true"}, []),
        ({"kubeconfig": ONE, "clusterIdentifier": "a"}, {"kubeconfig": ANOTHER, "clusterIdentifier": "a"}, []),
        ({"kubeconfig": ONE, "clusterIdentifier": "a"}, {"kubeconfig": UNKNOWN, "clusterIdentifier": "a"}, []),
        (
            {"kubeconfig": ONE, "clusterIdentifier": "a"},
            {"kubeconfig": ONE, "clusterIdentifier": "b"},
            ["clusterIdentifier"],
        ),
        (
            {"kubeconfig": ONE, "clusterIdentifier": "a"},
            {"kubeconfig": UNKNOWN, "clusterIdentifier": UNKNOWN},
            ["clusterIdentifier", "kubeconfig"],
        ),
        # Neither given for the first time nor taken away does an identifier say anything.
        ({"kubeconfig": ONE}, {"kubeconfig": ONE, "clusterIdentifier": "a"}, []),
        ({"kubeconfig": ONE}, {"kubeconfig": UNKNOWN, "clusterIdentifier": "a"}, ["kubeconfig"]),
        ({"kubeconfig": ONE, "clusterIdentifier": "a"}, {"kubeconfig": ONE}, []),
        ({"kubeconfig": ONE, "clusterIdentifier": "a"}, {"kubeconfig": ANOTHER}, ["kubeconfig"]),
    ],
)
def test_a_change_of_settings_replaces_what_the_provider_made_where_it_may_be_another_cluster(
    old: Properties, new: Properties, replaced: list[str]
) -> None:
    assert replaces(old, new) == replaced
