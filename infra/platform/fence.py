"""What a role that deploys may ask of the API server, as expressions of CEL: the same in every cluster.

They are lists of what is let in. RBAC says which kinds of objects, these say where they are and what is in them: a
branch's own Jenkinsfile holds the role, and may ask for what no program of ours ever did.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, final

from infra.annotations import DECLARED, PROTECTED, RELEASED, TARGETS, UNAWAITED
from infra.platform.load_balancers import INGRESS_CLASS

POD_FIELDS: Final = (
    "automountServiceAccountToken",
    "containers",
    "dnsPolicy",
    "enableServiceLinks",
    "initContainers",
    "restartPolicy",
    "schedulerName",
    "securityContext",
    "terminationGracePeriodSeconds",
    "volumes",
)
"""What a pod says of itself. Left out are those by which it would be more than the application: another service account
(`serviceAccountName`), another's node (`nodeName`, `tolerations`), the host (`hostNetwork` and the like). Privileges
are refused by the Pod Security Standard of its namespace."""

FIXED: Final = frozenset({"alb.ingress.kubernetes.io/target-type"})
"""Annotations of an Ingress that no environment has a choice in."""

PINNED: Final = r":[A-Za-z0-9_][A-Za-z0-9._-]{0,127}@sha256:[0-9a-f]{64}$"


@final
class Rule(NamedTuple):
    """What has to hold of a request, and what is said of one of which it does not."""

    expression: str
    message: str


def rules(agent: str, kinds: Sequence[str], repositories: Mapping[str, str], shared: Mapping[str, str]) -> list[Rule]:
    """All that has to hold of a request of an agent's role.

    Parameters:
        kinds: the resources that an environment consists of, as `apps/deployments`; of the core group, `/services`.
        repositories: by namespace of the agent, the one that its images come from.
        shared: annotations that every Ingress has.
    """
    return [
        Rule(within(list(repositories)), _outside(agent, list(repositories))),
        Rule(_of(kinds), f"the pipeline changes {', '.join(kind.rpartition('/')[2] for kind in kinds)} and no other"),
        Rule(
            _content("namespaces", RESTRICTED),
            "a namespace of the pipeline enforces the Pod Security Standard `restricted` in its latest version",
        ),
        Rule(
            _changed("services", f"{CLUSTER_IP} && {_annotated({}, [*DECLARED, *UNAWAITED])}"),
            "a Service of the pipeline is of type ClusterIP, has no externalIPs, and annotations of Pulumi alone",
        ),
        Rule(
            _changed("ingresses", f"object.spec.ingressClassName == {json.dumps(INGRESS_CLASS)}"),
            f"an Ingress of the pipeline is of the class {INGRESS_CLASS}",
        ),
        Rule(
            _changed("ingresses", _annotated(*ingress_annotations(shared))),
            "an Ingress of the pipeline has annotations that the platform knows, and for some of them its values; all "
            "else is said by the parameters of the class (infra/platform/fence.py)",
        ),
        Rule(
            _changed("deployments", POD),
            f"a pod of the pipeline says {', '.join(POD_FIELDS)} alone, has no token of a service account, and volumes "
            "of the kind emptyDir",
        ),
        Rule(
            _changed("deployments", _images(repositories)),
            "an image of the pipeline is of the repository of its namespace's trust domain, by tag and digest",
        ),
    ]


def within(namespaces: Sequence[str]) -> str:
    """Whether a request is about one of these namespaces or something in it. Names, and no pattern: what two
    environments have in common would be the one's and the other's."""
    return (
        f"{_QUESTION} || "
        f"(request.kind.kind == 'Namespace' ? request.name : request.namespace) in {json.dumps(sorted(namespaces))}"
    )


def ingress_annotations(shared: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    """The annotations of an Ingress that have to have one of some values, and those that may have any."""
    fixed = {**{key: TARGETS[key] for key in FIXED}, **shared}
    attributes = {key: [PROTECTED[key], RELEASED[key]] for key in PROTECTED}
    return (
        {**{key: [value] for key, value in fixed.items()}, **attributes},
        [*DECLARED, *(key for key in TARGETS if key not in FIXED)],
    )


_QUESTION: Final = "request.resource.group == 'authorization.k8s.io'"
"""What may I do? Everybody may ask."""

_LABELS: Final = "object.metadata.labels"
RESTRICTED: Final = f"has({_LABELS})" + "".join(
    f" && {json.dumps(label)} in {_LABELS} && {_LABELS}[{json.dumps(label)}] == {json.dumps(value)}"
    for label, value in (
        ("pod-security.kubernetes.io/enforce", "restricted"),
        # An earlier version of the standard lets more through.
        ("pod-security.kubernetes.io/enforce-version", "latest"),
    )
)

CLUSTER_IP: Final = (
    "object.spec.type == 'ClusterIP' && (!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0)"
)

_AS_IT_WAS: Final = (
    "request.operation == 'UPDATE' && object.spec == oldObject.spec && "
    "(has(object.metadata.annotations) ? object.metadata.annotations : {}) == "
    "(has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {})"
)

_POD: Final = "object.spec.template.spec"
POD: Final = (
    f"{_POD}.all(field, field in {json.dumps(POD_FIELDS)}) && "
    f"has({_POD}.automountServiceAccountToken) && {_POD}.automountServiceAccountToken == false && "
    f"(!has({_POD}.schedulerName) || {_POD}.schedulerName == 'default-scheduler') && "
    f"(!has({_POD}.volumes) || {_POD}.volumes.all(volume, volume.all(key, key in ['name', 'emptyDir'])))"
)


def _content(resource: str, expression: str) -> str:
    """What has to hold of an object once it is there."""
    return f"request.resource.resource != {json.dumps(resource)} || request.operation == 'DELETE' || ({expression})"


def _changed(resource: str, expression: str) -> str:
    """What has to hold of an object that is not as it was: what an administrator put there may stay, or nothing that
    the pipeline does could take it away. Before a change, the provider of Kubernetes takes over the fields that kubectl
    set, which is a request of its own
    (https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/await/await.go, `fixCSAFieldManagers`)."""
    return _content(resource, f"{_AS_IT_WAS} || {expression}")


def _of(kinds: Sequence[str]) -> str:
    """Whether a request is about an object of these kinds, and no part of one (`pods/exec`, `ingresses/status`)."""
    return (
        f"{_QUESTION} || (request.resource.group + '/' + request.resource.resource in {json.dumps(kinds)} && "
        "(!has(request.subResource) || request.subResource == ''))"
    )


def _annotated(fixed: Mapping[str, Sequence[str]], free: Sequence[str]) -> str:
    found = "object.metadata.annotations"
    known = f"key in {json.dumps(sorted(free))}"
    if fixed:
        values = json.dumps(fixed, sort_keys=True)
        known += f" || (key in {values} && {found}[key] in {values}[key])"
    return f"(!has({found}) || {found}.all(key, {known}))"


def _images(repositories: Mapping[str, str]) -> str:
    patterns = json.dumps({name: f"^{re.escape(url)}{PINNED}" for name, url in sorted(repositories.items())})
    initial = f"(has({_POD}.initContainers) ? {_POD}.initContainers : [])"
    return f"({_POD}.containers + {initial}).all(one, one.image.matches({patterns}[request.namespace]))"


def _outside(agent: str, namespaces: Sequence[str]) -> str:
    known = ", ".join(sorted(namespaces)) or "no namespace"
    return (
        f"the agent {agent!r} changes {known} and nothing else; a new environment is known after the next `pulumi up` "
        "of the platform"
    )
