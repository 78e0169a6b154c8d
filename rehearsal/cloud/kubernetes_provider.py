"""Which changes of the `kubernetes` provider's own settings replace everything that it made.

As `DiffConfig` of pulumi-kubernetes 4.25.0 has it:
https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/provider/provider.go
"""

import json
from typing import Final, cast

from rehearsal.cloud.properties import UNKNOWN, Properties, object_at, objects_at, text_at

_IDENTIFIER: Final = "clusterIdentifier"
_WHERE: Final = ("kubeconfig", "context", "cluster")
"""The settings that say which cluster it is, where no identifier does."""


def replaces(old: Properties, new: Properties) -> list[str]:
    """The settings whose change means another cluster; none where the identifier says that it is the same."""
    before, now = old.get(_IDENTIFIER), new.get(_IDENTIFIER)
    if now and before == now:
        return []
    found = [_IDENTIFIER] if before and now else []
    for setting in _WHERE:
        if new.get(setting) == UNKNOWN:  # It may be another: the conservative choice.
            return [*found, setting]
    clusters = _active_cluster(old), _active_cluster(new)
    if all(clusters) and clusters[0] != clusters[1]:
        found += [setting for setting in _WHERE if old.get(setting) != new.get(setting)]
    return found


def _active_cluster(settings: Properties) -> Properties:
    """What the kubeconfig says of the cluster that is used: address, authority, options."""
    text = text_at(settings, "kubeconfig")
    config = cast("Properties", json.loads(text)) if text.startswith("{") else {}
    context = text_at(settings, "context") or text_at(config, "current-context")
    contexts = {text_at(one, "name"): object_at(one, "context") for one in objects_at(config, "contexts")}
    name = text_at(settings, "cluster") or text_at(contexts.get(context, {}), "cluster")
    return {text_at(one, "name"): object_at(one, "cluster") for one in objects_at(config, "clusters")}.get(name, {})
