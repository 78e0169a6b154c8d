"""What a stack's checkpoint may hold: whoever writes one could otherwise run code as whoever reads it.

The engine starts every provider that a checkpoint names, from where it says the provider is to be had and with the
settings that stand there, before it shows anything. So a checkpoint is read as text first.
https://github.com/pulumi/pulumi/blob/sdk/v3.259.0/pkg/resource/deploy/providers/registry.go
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pipeline.json_values import mapping, sequence
from pipeline.outcomes import Refused

PROVIDERS: Final[Mapping[str, frozenset[str]]] = {
    "aws": frozenset(
        {
            "allowedAccountIds",
            "defaultTags",
            "forbiddenAccountIds",
            "region",
            "skipCredentialsValidation",
            "skipRegionValidation",
        }
    ),
    "docker-build": frozenset({"__pulumi-go-provider-infer", "__pulumi-go-provider-version", "host"}),
    "eks": frozenset(),
    "github": frozenset({"owner"}),
    "kubernetes": frozenset({"clusterIdentifier", "enableServerSideApply", "kubeconfig"}),
    "pulumi": frozenset(),
}
"""This program's providers, and the settings that each may have besides its version: others lead elsewhere
(`endpoints`), or start programs."""

FEATURES: Final = frozenset({"byteString", "hooks", "refreshBeforeUpdate", "replaceWith", "taint", "views"})
"""What a checkpoint may say that it uses. Missing are `snippets-prototype`, programs that the engine runs at every
update, and `extensionParameterization`, providers made of what the checkpoint holds:
https://github.com/pulumi/pulumi/blob/sdk/v3.259.0/sdk/go/common/apitype/core.go"""

_PROVIDER: Final = "pulumi:providers:"
_TOKEN_CALL: Final = re.compile(
    r"(--region [a-z0-9-]+ )?eks get-token --cluster-name [A-Za-z0-9_-]+( --output json)?"
    r"( --role-arn arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+)?( --profile [A-Za-z0-9_.-]+)?"
)
"""https://github.com/pulumi/pulumi-eks/blob/v4.4.0/nodejs/eks/cluster.ts, `generateKubeconfig`"""
_SERVER: Final = re.compile(r"https://([A-Za-z0-9-]+\.)+eks\.amazonaws\.com|https://127(\.[0-9]+){3}:[0-9]+")
"""A token sent anywhere else could be used by whoever gets it. On this machine nobody else listens."""

_LOCAL: Final = re.compile(r"(unix:///[A-Za-z0-9_./-]+)?")
"""Where the default provider of docker-build writes `DOCKER_HOST` down. By `ssh:` it would start a program."""
_REGION: Final = re.compile(r"[a-z0-9-]*")
"""It becomes a part of the names of AWS's endpoints."""
_KEY: Final = re.compile(r"awskms://alias/[A-Za-z0-9/_-]+\?region=[a-z0-9-]+")
"""An alias is of the caller's own account. Another parameter, as `endpoint`, leads to who answers in place of KMS:
https://gocloud.dev/howto/secrets/#aws"""


def require_ours(stack: str, checkpoint: Mapping[str, object]) -> None:
    """Let only a checkpoint through that starts this program's providers alone, in the way this program does.

    Parameters:
        checkpoint: what `pulumi stack export` prints.

    Raises:
        Refused: it holds something else; the message says what.
    """
    if found := list(dict.fromkeys(foreign(checkpoint))):
        raise Refused(
            f"The checkpoint of {stack!r} holds what this program does not make: {'; '.join(found)}. "
            "The rule: nothing is started that only a checkpoint names. Nothing was.",
            "Find out who wrote it, and go back to an earlier one: docs/recovery.md, `A checkpoint that starts more`.",
        )


def foreign(checkpoint: Mapping[str, object]) -> Iterator[str]:
    """Everything in a checkpoint that could start what is not this program's, each as a phrase for people."""
    for feature in sorted(set(map(str, sequence(checkpoint.get("features")))) - FEATURES):
        yield f"the feature {feature!r}"
    deployment = mapping(checkpoint.get("deployment"))
    for part in ("snippets", "extensions"):
        if deployment.get(part):
            yield part
    if not _is_own_key(mapping(deployment.get("secrets_providers"))):
        yield "secrets that are encrypted by other than a passphrase or a key of KMS, by alias and region"
    pending = [mapping(operation).get("resource") for operation in sequence(deployment.get("pending_operations"))]
    for resource in map(mapping, (*sequence(deployment.get("resources")), *pending)):
        yield from _in_resource(resource)


def _in_resource(resource: Mapping[str, object]) -> Iterator[str]:
    urn, token = str(resource.get("urn")), str(resource.get("type"))
    provider = _token(str(resource.get("provider") or ""))
    if token != _token(urn):
        yield f"{urn}, whose type is {token}"
    elif token.startswith(_PROVIDER):
        yield from _in_provider(urn, token.removeprefix(_PROVIDER), resource)
    elif resource.get("custom") and token.partition(":")[0] not in PROVIDERS:
        yield f"{urn}, of another provider"
    if provider and provider.removeprefix(_PROVIDER) not in PROVIDERS:
        yield f"{urn}, of the provider {provider.removeprefix(_PROVIDER)}"


def _in_provider(urn: str, package: str, resource: Mapping[str, object]) -> Iterator[str]:
    if package not in PROVIDERS:
        yield f"{urn}, another provider"
        return
    for settings in (mapping(resource.get("inputs")), mapping(resource.get("outputs"))):
        given = {name for name, value in settings.items() if (name, value) != ("__internal", {})}
        for name in sorted(given - PROVIDERS[package] - {"version"}):
            inside = ", ".join(sorted(mapping(settings[name]))) if name == "__internal" else ""
            yield f"{urn} with the setting {inside or name}"
        if not _REGION.fullmatch(str(settings.get("region") or "")):
            yield f"{urn} with the region {settings['region']!r}"
        if not _LOCAL.fullmatch(str(settings.get("host") or "")):
            yield f"{urn} with the Docker host {settings['host']!r}, which is no socket of this machine"
        if package == "kubernetes" and not asks_eks(settings.get("kubeconfig")):
            yield f"{urn} with a kubeconfig that is more than `aws eks get-token` for a cluster of EKS"


def _is_own_key(provider: Mapping[str, object]) -> bool:
    """Whether the engine, which asks for the key before anything is shown, asks nobody else for it."""
    if provider.get("type") == "cloud":
        return bool(_KEY.fullmatch(str(mapping(provider.get("state")).get("url"))))
    return not provider or provider.get("type") == "passphrase"


def asks_eks(kubeconfig: object) -> bool:
    """Whether a kubeconfig reaches a cluster of EKS by `aws eks get-token`, and starts and reaches nothing else."""
    try:
        content = mapping(json.loads(kubeconfig if isinstance(kubeconfig, str) else "{}"))
    except ValueError:
        return False
    clusters = [mapping(mapping(entry).get("cluster")) for entry in sequence(content.get("clusters"))]
    users = [mapping(mapping(entry).get("user")) for entry in sequence(content.get("users"))]
    return bool(clusters and users) and all(map(_is_eks, clusters)) and all(map(_gets_token, users))


def _is_eks(cluster: Mapping[str, object]) -> bool:
    return set(cluster) <= {"certificate-authority-data", "server"} and bool(
        _SERVER.fullmatch(str(cluster.get("server")))
    )


def _gets_token(user: Mapping[str, object]) -> bool:
    call = mapping(user.get("exec"))
    variables = {str(mapping(variable).get("name")) for variable in sequence(call.get("env"))}
    return (
        set(user) == {"exec"}
        and set(call) <= {"apiVersion", "args", "command", "env", "interactiveMode", "provideClusterInfo"}
        and call.get("command") == "aws"
        and bool(_TOKEN_CALL.fullmatch(" ".join(map(str, sequence(call.get("args"))))))
        and variables <= {"AWS_PROFILE", "KUBERNETES_EXEC_INFO"}
    )


def _token(urn: str) -> str:
    """The type in a URN, without its parents': https://www.pulumi.com/docs/iac/concepts/resources/names/#urns"""
    return "".join(urn.split("::")[2:3]).rpartition("$")[2]
