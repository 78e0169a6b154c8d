"""Objects of the `kubernetes` provider without a cluster. For tests only: the rehearsal has the real provider and
cluster.
"""

# `type` and `id` are the words of the protocol.

from typing import Final

from rehearsal.cloud.properties import UNKNOWN, Properties, merged_properties, object_at

UNKNOWN_OUTPUTS: Final[Properties] = {"metadata": {"uid": UNKNOWN, "resourceVersion": UNKNOWN}, "status": UNKNOWN}

_CLUSTER_WIDE: Final = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass", "StorageClass", "CustomResourceDefinition",
     "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "PriorityClass"}
)  # fmt: skip


def _kind(type: str) -> str:
    return type.rpartition(":")[2]


def _is_release(type: str) -> bool:
    return type.startswith("kubernetes:helm.sh/")


def check(type: str, name: str, inputs: Properties, previous: Properties, suffix: str) -> Properties:
    """The inputs with a name where none is given, and the namespace `default`."""
    if _is_release(type):
        return {**inputs, "name": inputs.get("name") or previous.get("name") or f"{name}-{suffix}"}
    metadata = object_at(inputs, "metadata")
    named = {
        **metadata,
        "name": metadata.get("name") or object_at(previous, "metadata").get("name") or f"{name}-{suffix}",
    }
    if _kind(type) not in _CLUSTER_WIDE:
        named.setdefault("namespace", "default")
    return {**inputs, "metadata": named}


def identity(type: str, inputs: Properties) -> str:
    metadata = inputs if _is_release(type) else object_at(inputs, "metadata")
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata.get('name')}" if namespace else f"{metadata.get('name')}"


def replaces(type: str) -> frozenset[str]:
    """What the API server lets nobody change (`AddressOf…Immutable` in the provider's own table)."""
    if _is_release(type):
        return frozenset({"name", "namespace"})
    immutable = {"Deployment": {"spec.selector"}, "Job": {"spec.template", "spec.selector"}, "Secret": {"type"}}
    return frozenset({"metadata.name", "metadata.namespace", *immutable.get(_kind(type), set[str]())})


def outputs(type: str, inputs: Properties, digits: str) -> Properties:
    if _is_release(type):
        status: Properties = {
            "status": "deployed",
            "revision": 1,
            "name": inputs.get("name"),
            "namespace": inputs.get("namespace"),
        }
        return {**inputs, "status": status, "resourceNames": {}}
    octet = 1 + int(digits[:4], 16) % 254
    wanted = object_at(inputs, "spec").get("replicas", 1)
    ready = int(wanted) if isinstance(wanted, int | float) else 1
    added: dict[str, Properties] = {
        "Namespace": {"status": {"phase": "Active"}},
        "Service": {"spec": {"clusterIP": f"172.20.77.{octet}", "type": "ClusterIP"}, "status": {"loadBalancer": {}}},
        "Deployment": {
            "metadata": {"generation": 1},
            "status": {
                "observedGeneration": 1,
                **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), ready),
            },
        },
        "Ingress": {
            "status": {"loadBalancer": {"ingress": [{"hostname": f"k8s-{digits[:10]}.us-east-1.elb.amazonaws.com"}]}}
        },
    }
    uid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
    below = merged_properties({"metadata": {"uid": uid, "resourceVersion": "1"}}, added.get(_kind(type), {}))
    return merged_properties(below, inputs)
