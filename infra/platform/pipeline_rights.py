"""What the pipeline's roles may do in the cluster, by Kubernetes's own means, which are the same in every cluster.

RBAC cannot limit rights to namespaces that do not exist yet, so it grants them everywhere and an admission policy keeps
every change inside the environments. Secrets are nobody's.
"""

from collections.abc import Sequence
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra import fargate
from infra.branches import DEPLOY, PREVIEW, group
from infra.labels import MANAGED

PREFIX: Final = fargate.ENVIRONMENT_PREFIX
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
    ("", ("endpoints", "events", "persistentvolumeclaims", "pods", "pods/log")),
    ("apps", ("replicasets",)),
    ("discovery.k8s.io", ("endpointslices",)),
    ("events.k8s.io", ("events",)),
)
"""What Pulumi's provider looks at while it waits for the above."""

WITHIN_ENVIRONMENTS: Final = (
    "request.resource.group == 'authorization.k8s.io' || "
    f"(request.kind.kind == 'Namespace' ? request.name : request.namespace).startsWith('{PREFIX}')"
)
RESTRICTED: Final = (
    "request.kind.kind != 'Namespace' || request.operation == 'DELETE' || "
    "(has(object.metadata.labels) && 'pod-security.kubernetes.io/enforce' in object.metadata.labels && "
    "object.metadata.labels['pod-security.kubernetes.io/enforce'] == 'restricted')"
)


@final
class PipelineRights(pulumi.ComponentResource):
    """Cluster roles for the groups of the pipeline, and the fence around them."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:PipelineRights", name, {}, opts)
        read = [*rules(DEPLOYED, READ), *rules(WATCHED, READ)]
        self._grant(PREVIEW, read)
        fence = self._fence()
        # The right to change comes after the fence, and goes before it.
        self._grant(DEPLOY, [*read, *rules(DEPLOYED, WRITE)], after=[fence])
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

    def _fence(self) -> pulumi.Resource:
        """https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"""
        name = f"{group(DEPLOY)}-within-environments".replace(":", "-")
        policy = kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            "within-environments",
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
                    {"name": "by-the-pipeline", "expression": f"'{group(DEPLOY)}' in request.userInfo.groups"}
                ],
                "validations": [
                    {
                        "expression": WITHIN_ENVIRONMENTS,
                        "message": f"the pipeline changes only what is in namespaces {PREFIX}*",
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
            "within-environments",
            metadata={"name": name, "labels": MANAGED},
            spec={"policy_name": name, "validation_actions": ["Deny"]},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def rules(
    resources: Sequence[tuple[str, Sequence[str]]], verbs: Sequence[str]
) -> list[kubernetes.rbac.v1.PolicyRuleArgsDict]:
    """One RBAC rule an API group."""
    return [{"api_groups": [api], "resources": list(names), "verbs": list(verbs)} for api, names in resources]
