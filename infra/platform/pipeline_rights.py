"""What the pipeline's roles may do in the cluster, by Kubernetes's own means, which are the same in every cluster.

RBAC cannot limit rights to namespaces that do not exist yet, so it grants them everywhere and an admission policy for
each role keeps every change inside its own environments. Secrets are nobody's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.branches import DEPLOY, PREVIEW, group
from infra.labels import MANAGED

READ: Final = ("get", "list", "watch")
WRITE: Final = ("create", "update", "patch", "delete")

DEPLOYED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("", ("namespaces", "services")),
    ("apps", ("deployments",)),
    ("networking.k8s.io", ("ingresses",)),
    ("policy", ("poddisruptionbudgets",)),
    ("elbv2.k8s.aws", ("targetgroupbindings",)),
)
"""What an environment consists of: API group, resources."""

WATCHED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("", ("endpoints", "events", "persistentvolumeclaims", "pods")),
    ("apps", ("replicasets",)),
    ("discovery.k8s.io", ("endpointslices",)),
    ("events.k8s.io", ("events",)),
)
"""What Pulumi's provider looks at while it waits for the above."""

LOGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (("", ("pods/log",)),)
"""What a failed deployment is explained with. RBAC would give those of every environment: for reviewed code alone."""

RESTRICTED: Final = (
    "request.kind.kind != 'Namespace' || request.operation == 'DELETE' || "
    "(has(object.metadata.labels) && 'pod-security.kubernetes.io/enforce' in object.metadata.labels && "
    "object.metadata.labels['pod-security.kubernetes.io/enforce'] == 'restricted')"
)


@final
class PipelineRights(pulumi.ComponentResource):
    """Cluster roles for the groups of the pipeline, and a fence around each that changes something."""

    def __init__(
        self, name: str, namespaces: Mapping[str, Sequence[str]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`namespaces` are those that each agent deploys to."""
        super().__init__("smallcase:platform:PipelineRights", name, {}, opts)
        read = [*rules(DEPLOYED, READ), *rules(WATCHED, READ)]
        self._grant(PREVIEW, read)
        for agent, own in namespaces.items():
            fence = self._fence(agent, own)
            logs = rules(LOGS, READ[:1]) if agent == DEPLOY else []
            # The right to change comes after the fence, and goes before it.
            self._grant(agent, [*read, *logs, *rules(DEPLOYED, WRITE)], after=[fence])
        self.register_outputs({})

    def _grant(
        self,
        role: str,
        granted: Sequence[kubernetes.rbac.v1.PolicyRuleArgsDict],
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        cluster_role = kubernetes.rbac.v1.ClusterRole(
            role,
            metadata={"name": group(role), "labels": MANAGED},
            rules=granted,
            opts=pulumi.ResourceOptions(parent=self),
        )
        kubernetes.rbac.v1.ClusterRoleBinding(
            role,
            metadata={"name": group(role), "labels": MANAGED},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group(role)},
            subjects=[{"api_group": "rbac.authorization.k8s.io", "kind": "Group", "name": group(role)}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[cluster_role, *after]),
        )

    def _fence(self, agent: str, namespaces: Sequence[str]) -> pulumi.Resource:
        """https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"""
        resource = "within-environments" if agent == DEPLOY else f"{agent}-within-environments"
        name = f"{group(agent)}-within-environments".replace(":", "-")
        policy = kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            resource,
            metadata={"name": name, "labels": MANAGED},
            spec={
                "failure_policy": "Fail",
                "match_constraints": {
                    "resource_rules": [
                        {
                            "api_groups": ["*"],
                            "api_versions": ["*"],
                            "operations": ["CREATE", "UPDATE", "DELETE"],
                            "resources": ["*/*"],
                        }
                    ]
                },
                "match_conditions": [
                    {"name": "by-the-pipeline", "expression": f"'{group(agent)}' in request.userInfo.groups"}
                ],
                "validations": [
                    {
                        "expression": within(namespaces),
                        "message": outside(agent, namespaces),
                        "reason": "Forbidden",
                    },
                    {
                        "expression": RESTRICTED,
                        "message": "a namespace of the pipeline enforces the Pod Security Standard `restricted`",
                        "reason": "Forbidden",
                    },
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            resource,
            metadata={"name": name, "labels": MANAGED},
            spec={"policy_name": name, "validation_actions": ["Deny"]},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def within(namespaces: Sequence[str]) -> str:
    """Whether a request is about one of these namespaces or something in it, as an expression of CEL. Names, and no
    pattern: what two environments have in common would be the one's and the other's."""
    return (
        "request.resource.group == 'authorization.k8s.io' || "
        f"(request.kind.kind == 'Namespace' ? request.name : request.namespace) in {json.dumps(sorted(namespaces))}"
    )


def outside(agent: str, namespaces: Sequence[str]) -> str:
    """What is said of any other request."""
    known = ", ".join(sorted(namespaces)) or "no namespace"
    return (
        f"the agent {agent!r} changes {known} and nothing else; a new environment is known after the next `pulumi up` "
        "of the platform"
    )


def rules(
    resources: Sequence[tuple[str, Sequence[str]]], verbs: Sequence[str]
) -> list[kubernetes.rbac.v1.PolicyRuleArgsDict]:
    """One RBAC rule an API group."""
    return [{"api_groups": [api], "resources": list(names), "verbs": list(verbs)} for api, names in resources]
