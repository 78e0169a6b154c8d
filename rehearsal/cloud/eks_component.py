"""The component `eks:index:Cluster` as pulumi-eks 4.4.0 has it, made of its own children.

The real component registers the EKS cluster, its role, add-ons, access entries, OIDC provider and Fargate profile
with the engine, which creates them through the `aws` provider. So does this one: the order of a destroy, the
references between resources and what AWS refuses are then the engine's and the account's business here as well.
"""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, final

from rehearsal.cloud.properties import (
    RESOURCE_REFERENCE,
    SIGNATURE,
    UNKNOWN,
    Properties,
    Value,
    has_unknown,
    object_at,
    texts_at,
    without_signatures,
)

TYPE: Final = "eks:index:Cluster"
PROVIDER: Final = "pulumi:providers:"
"""What the types of providers start with."""


def _trust(service: str) -> str:
    """The trust policy that lets one AWS service assume a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@final
@dataclass(frozen=True, kw_only=True)
class Child:
    """A registered resource; in a preview, what is not known yet is the engine's unknown value."""

    urn: str
    id: str
    outputs: Properties

    def output(self, *path: str) -> Value:
        value: Value = self.outputs
        for key in path:
            if isinstance(value, dict):
                value = value.get(key, UNKNOWN)
            elif isinstance(value, list) and value:
                value = value[int(key)]
            else:
                return UNKNOWN
        return value


class Monitor(Protocol):
    """Where resources are registered: the engine, or in unit tests the account itself."""

    def register(
        self, type: str, name: str, inputs: Properties, *, parent: str, custom: bool, after: Iterable[str]
    ) -> Child: ...

    def register_outputs(self, urn: str, outputs: Properties) -> None: ...


@final
@dataclass(frozen=True, kw_only=True)
class Construction:
    """What a program asks for: the component's name, inputs and parent, and what it depends on."""

    name: str
    inputs: Properties
    parent: str
    region: str
    account: str
    dependencies: tuple[str, ...] = ()


def kubeconfig(endpoint: Value, authority: Value, name: Value, region: str, options: Properties) -> Properties:
    """Shape of `generateKubeconfig` in pulumi-eks: no credential, only how to ask for one."""
    arguments: list[Value] = ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"]
    environment: list[Value] = [
        {"name": "KUBERNETES_EXEC_INFO", "value": '{"apiVersion": "client.authentication.k8s.io/v1beta1"}'}
    ]
    if options.get("roleArn"):
        arguments += ["--role-arn", options["roleArn"]]
    if options.get("profileName"):
        environment.append({"name": "AWS_PROFILE", "value": options["profileName"]})
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": {"server": endpoint, "certificate-authority-data": authority}, "name": "kubernetes"}],
        "contexts": [{"context": {"cluster": "kubernetes", "user": "aws"}, "name": "aws"}],
        "current-context": "aws",
        "kind": "Config",
        "users": [
            {
                "name": "aws",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": arguments,
                        "env": environment,
                    }
                },
            }
        ],
    }


def _given(inputs: Properties, **names: str) -> Properties:
    """Inputs of the component under the names that they have in the child, left out where they are not given."""
    return {name: inputs[key] for name, key in names.items() if inputs.get(key) is not None}


@final
class ClusterComponent:
    """Registers the component and its children, and collects its outputs."""

    def __init__(self, construction: Construction, monitor: Monitor) -> None:
        self._asked = construction
        self._monitor = monitor
        self._inputs: Properties = {key: without_signatures(value) for key, value in construction.inputs.items()}
        self._urn = ""
        self._role_urns: tuple[str, ...] = ()

    def construct(self) -> tuple[str, Properties]:
        """The component's URN and outputs."""
        asked, name = self._asked, self._asked.name
        self._urn = self._monitor.register(
            TYPE, name, {}, parent=asked.parent, custom=False, after=asked.dependencies
        ).urn
        role = self._role()
        cluster = self._cluster(role)
        outputs = self._outputs(cluster)
        # With an authentication mode of `API` nothing is made by it.
        self._child(
            f"{PROVIDER}kubernetes", f"{name}-eks-k8s", {"kubeconfig": outputs["kubeconfigJson"]}, after=(cluster.urn,)
        )
        if self._inputs.get("createOidcProvider"):
            issuer = cluster.output("identities", "0", "oidcs", "0", "issuer")
            oidc = self._child(
                "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
                f"{name}-oidcProvider",
                {"url": issuer, "clientIdLists": ["sts.amazonaws.com"]},
                after=(cluster.urn,),
            )
            outputs["oidcProviderArn"] = oidc.output("arn")
            outputs["oidcProviderUrl"] = oidc.output("url")
            outputs["oidcIssuer"] = issuer.removeprefix("https://") if isinstance(issuer, str) else UNKNOWN
        self._access_entries(cluster)
        profile = self._fargate_profile(cluster)
        if profile is not None:
            outputs["fargateProfileId"] = profile.id
            outputs["fargateProfileStatus"] = profile.output("status")
        self._addons(cluster, profile)
        self._monitor.register_outputs(self._urn, outputs)
        return self._urn, outputs

    def _child(self, type: str, name: str, inputs: Properties, after: Iterable[str] = ()) -> Child:
        return self._monitor.register(type, name, inputs, parent=self._urn, custom=True, after=after)

    def _service_role(self, name: str, service: str, policies: Iterable[str]) -> Child:
        role = self._child("aws:iam/role:Role", f"{name}-role", {"assumeRolePolicy": _trust(service)})
        for policy in policies:
            self._child(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                f"{name}-{policy}",
                {"role": role.output("name"), "policyArn": f"arn:aws:iam::aws:policy/{policy}"},
                after=(role.urn,),
            )
        return role

    def _role(self) -> Value:
        given = self._asked.inputs.get("serviceRole")
        if isinstance(given, dict):
            # A role is passed as a resource, whose id is its name.
            id = given.get("id")
            return f"arn:aws:iam::{self._asked.account}:role/{id}" if id else UNKNOWN
        role = self._service_role(f"{self._asked.name}-eksRole", "eks.amazonaws.com", ("AmazonEKSClusterPolicy",))
        self._role_urns = (role.urn,)
        return role.output("arn")

    def _cluster(self, role_arn: Value) -> Child:
        inputs = self._inputs
        subnets: list[Value] = [
            subnet for key in ("subnetIds", "publicSubnetIds", "privateSubnetIds") for subnet in texts_at(inputs, key)
        ]
        access: Properties = {"bootstrapClusterCreatorAdminPermissions": True}
        access |= _given(inputs, authenticationMode="authenticationMode")
        cluster: Properties = {
            "roleArn": role_arn,
            "vpcConfig": {
                "subnetIds": subnets,
                **_given(
                    inputs,
                    endpointPrivateAccess="endpointPrivateAccess",
                    endpointPublicAccess="endpointPublicAccess",
                    publicAccessCidrs="publicAccessCidrs",
                ),
            },
            "accessConfig": access,
            **_given(
                inputs,
                name="name",
                version="version",
                upgradePolicy="upgradePolicy",
                deletionProtection="deletionProtection",
                enabledClusterLogTypes="enabledClusterLogTypes",
                tags="clusterTags",
            ),
        }
        if not cluster.get("tags"):
            cluster |= _given(inputs, tags="tags")
        if inputs.get("encryptionConfigKeyArn"):
            cluster["encryptionConfig"] = {
                "provider": {"keyArn": inputs["encryptionConfigKeyArn"]},
                "resources": ["secrets"],
            }
        if inputs.get("kubernetesServiceIpAddressRange"):
            cluster["kubernetesNetworkConfig"] = {"serviceIpv4Cidr": inputs["kubernetesServiceIpAddressRange"]}
        after = (*self._asked.dependencies, *self._role_urns)
        return self._child("aws:eks/cluster:Cluster", f"{self._asked.name}-eksCluster", cluster, after=after)

    def _access_entries(self, cluster: Child) -> None:
        for key, entry in object_at(self._inputs, "accessEntries").items():
            if not isinstance(entry, dict):
                continue
            name, of = f"{self._asked.name}-{key}", {"clusterName": cluster.output("name")}
            principal = entry.get("principalArn")
            registered = self._child(
                "aws:eks/accessEntry:AccessEntry",
                name,
                {**of, "principalArn": principal, **_given(entry, type="type", userName="username", tags="tags"),
                 **_given(entry, kubernetesGroups="kubernetesGroups")},
                after=(cluster.urn,),
            )  # fmt: skip
            for policy_key, policy in object_at(entry, "accessPolicies").items():
                if isinstance(policy, dict):
                    self._child(
                        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
                        f"{name}-{policy_key}",
                        {
                            **of,
                            "principalArn": principal,
                            **_given(policy, policyArn="policyArn", accessScope="accessScope"),
                        },
                        after=(registered.urn,),
                    )

    def _fargate_profile(self, cluster: Child) -> Child | None:
        if not self._inputs.get("fargate"):
            return None
        options = object_at(self._inputs, "fargate")
        name = f"{self._asked.name}-fargateProfile"
        role_arn, after = options.get("podExecutionRoleArn"), [cluster.urn]
        if not role_arn:
            role = self._service_role(
                f"{self._asked.name}-fargatePodExecution",
                "eks-fargate-pods.amazonaws.com",
                ("AmazonEKSFargatePodExecutionRolePolicy",),
            )
            role_arn = role.output("arn")
            after.append(role.urn)
        subnets = options.get("subnetIds") or self._inputs.get("privateSubnetIds") or self._inputs.get("subnetIds")
        return self._child(
            "aws:eks/fargateProfile:FargateProfile",
            name,
            {
                "clusterName": cluster.output("name"),
                "podExecutionRoleArn": role_arn,
                "selectors": options.get("selectors") or [{"namespace": "default"}, {"namespace": "kube-system"}],
                "subnetIds": subnets,
            },
            after=after,
        )

    def _addons(self, cluster: Child, profile: Child | None) -> None:
        inputs = self._inputs
        after = (cluster.urn,) if profile is None else (cluster.urn, profile.urn)
        for addon, key in (
            ("coredns", "corednsAddonOptions"),
            ("kube-proxy", "kubeProxyAddonOptions"),
            ("vpc-cni", "vpcCniOptions"),
        ):
            options = object_at(inputs, key)
            if options.get("enabled") is False or (addon == "vpc-cni" and inputs.get("useDefaultVpcCni")):
                continue
            self._child(
                "aws:eks/addon:Addon",
                f"{self._asked.name}-{addon}",
                {
                    "clusterName": cluster.output("name"),
                    "addonName": addon,
                    "addonVersion": options.get("version") or options.get("addonVersion") or "v1.0.0-eksbuild.1",
                    **_given(options, configurationValues="configurationValues"),
                },
                after=after,
            )

    def _outputs(self, cluster: Child) -> Properties:
        options = object_at(self._inputs, "providerCredentialOpts")
        endpoint = cluster.output("endpoint")
        authority = cluster.output("certificateAuthority", "data")
        config = kubeconfig(endpoint, authority, cluster.output("name"), self._asked.region, options)
        unknown = has_unknown(config)
        group = cluster.output("vpcConfig", "clusterSecurityGroupId")
        reference: Properties = {
            SIGNATURE: RESOURCE_REFERENCE,
            "urn": cluster.urn,
            "id": "" if cluster.id == UNKNOWN else cluster.id,
            "packageVersion": "",
        }
        return {
            "kubeconfig": UNKNOWN if unknown else config,
            "kubeconfigJson": UNKNOWN if unknown else json.dumps(config, separators=(",", ":")),
            "clusterSecurityGroupId": group,
            "nodeSecurityGroupId": "",
            "clusterIngressRuleId": "",
            "autoModeNodeRoleName": "",
            "defaultNodeGroupAsgName": "",
            "fargateProfileId": "",
            "fargateProfileStatus": "",
            "oidcIssuer": "",
            "oidcProviderArn": "",
            "oidcProviderUrl": "",
            "instanceRoles": [],
            "eksCluster": reference,
            "core": {
                "cluster": reference,
                "endpoint": endpoint,
                "clusterSecurityGroup": None,
                "subnetIds": cluster.output("vpcConfig", "subnetIds"),
                "vpcId": cluster.output("vpcConfig", "vpcId"),
            },
        }
