"""What the pipeline's roles may do in the cluster, by Kubernetes's own means, which are the same in every cluster.

RBAC cannot limit rights to namespaces that do not exist yet, so it grants them everywhere and an admission policy for
each role keeps every change inside its own environments, and to what an environment consists of
(`infra.platform.fence`). Secrets are nobody's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.branches import DEPLOY, PREVIEW, group
from infra.labels import MANAGED
from infra.platform import fence

READ: Final = ("get", "list", "watch")
WRITE: Final = ("create", "update", "patch", "delete")

DEPLOYED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("", ("namespaces", "services")),
    ("apps", ("deployments",)),
    ("networking.k8s.io", ("ingresses",)),
    ("policy", ("poddisruptionbudgets",)),
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

KINDS: Final = tuple(f"{api}/{resource}" for api, resources in DEPLOYED for resource in resources)


@final
@dataclass(frozen=True, kw_only=True)
class PipelineRightsArgs:
    """What the pipeline's roles deploy."""

    repositories: Mapping[str, Mapping[str, pulumi.Input[str]]]
    """By agent, its namespaces; by namespace, the repository that its images come from."""
    ingress_annotations: Mapping[str, str]
    """What every Ingress says."""


@final
class PipelineRights(pulumi.ComponentResource):
    """Cluster roles for the groups of the pipeline, and a fence around each that changes something."""

    def __init__(self, name: str, args: PipelineRightsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:PipelineRights", name, {}, opts)
        read = [*rules(DEPLOYED, READ), *rules(WATCHED, READ)]
        self._grant(PREVIEW, read)
        for agent, own in args.repositories.items():
            fenced = self._fence(agent, own, args.ingress_annotations)
            logs = rules(LOGS, READ[:1]) if agent == DEPLOY else []
            # The right to change comes after the fence, and goes before it.
            self._grant(agent, [*read, *logs, *rules(DEPLOYED, WRITE)], after=[fenced])
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

    def _fence(
        self, agent: str, repositories: Mapping[str, pulumi.Input[str]], shared: Mapping[str, str]
    ) -> pulumi.Resource:
        """https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"""
        resource = "within-environments" if agent == DEPLOY else f"{agent}-within-environments"
        name = f"{group(agent)}-within-environments".replace(":", "-")

        def validations(urls: Sequence[str]) -> list[kubernetes.admissionregistration.v1.ValidationArgsDict]:
            found = fence.rules(agent, KINDS, dict(zip(repositories, urls, strict=True)), shared)
            return [{"expression": rule.expression, "message": rule.message, "reason": "Forbidden"} for rule in found]

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
                "validations": pulumi.Output.all(*repositories.values()).apply(validations),
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            resource,
            metadata={"name": name, "labels": MANAGED},
            spec={"policy_name": name, "validation_actions": ["Deny"]},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def rules(
    resources: Sequence[tuple[str, Sequence[str]]], verbs: Sequence[str]
) -> list[kubernetes.rbac.v1.PolicyRuleArgsDict]:
    """One RBAC rule an API group."""
    return [{"api_groups": [api], "resources": list(names), "verbs": list(verbs)} for api, names in resources]
