"""The one thing that passes from the platform to an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, cast, final

import pulumi

from infra.settings import PROJECT, SELF

OUTPUT: Final = "platform"
"""The stack output that holds the contract."""


class PlatformMissing(pulumi.RunError):
    """The stack that should own the platform has none to offer."""


class StateUnreadable(pulumi.RunError):
    """Whether there is a platform cannot be told: the state of the stack that should own it cannot be read."""


@final
@dataclass(frozen=True, kw_only=True)
class PlatformContract:
    """What an environment needs from a platform, whether that is in the same stack or in another."""

    kubeconfig: pulumi.Input[str]
    """JSON with an `aws eks get-token` call; holds no credential."""
    cluster_name: pulumi.Input[str]
    repositories: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """URLs of the image repositories by trust domain. An environment uses that of its own branch's and no other."""
    ingress_class: pulumi.Input[str]
    ingress_annotations: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What every Ingress says."""
    domain: str
    """The domain under which environments get names; empty where there is none."""
    zone_id: str
    """Its hosted zone."""
    ready: Sequence[pulumi.Resource] = field(default=(), metadata={"passes_between_stacks": False})
    """What must stand while an environment stands, where both are in one stack: up first, down last."""

    def outputs(self) -> dict[str, pulumi.Input[object]]:
        """The contract as a stack output."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES: Final = tuple(f.name for f in fields(PlatformContract) if f.metadata.get("passes_between_stacks", True))


def refer_to(stack: str) -> PlatformContract:
    """The contract that another stack of this project exports.

    Raises:
        PlatformMissing: the stack does not exist, or exports no platform.
        StateUnreadable: the backend does not answer, or its secrets cannot be decrypted.
    """
    # A state bucket knows one organisation, literally named so: https://www.pulumi.com/docs/iac/concepts/stacks/#stackreferences
    name = f"organization/{PROJECT}/{stack}"
    offered = _require_platform(stack, name)
    outputs = pulumi.StackReference("platform", stack_name=name).require_output(OUTPUT)
    return PlatformContract(
        kubeconfig=outputs["kubeconfig"],
        cluster_name=outputs["cluster_name"],
        repositories=outputs["repositories"],
        ingress_class=outputs["ingress_class"],
        ingress_annotations=outputs["ingress_annotations"],
        # Known before the program runs on: whether there is a domain decides which resources there are.
        domain=str(offered["domain"]),
        zone_id=str(offered["zone_id"]),
    )


def _require_platform(stack: str, name: str) -> Mapping[str, object]:
    """A StackReference to a missing stack ends the program with a trace that no `try` catches
    (https://github.com/pulumi/pulumi/issues/16591), so the engine is asked first."""
    try:
        found = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more precise
        said = str(error).rpartition("returned an error: ")[2].strip().rstrip(".")
        if "unknown stack" not in said:
            raise StateUnreadable(_unreadable(stack, said)) from None
        raise PlatformMissing(_missing(stack, said)) from None
    outputs = cast("dict[str, dict[str, dict[str, object]]]", found or {}).get("outputs", {})
    offered = outputs.get(OUTPUT) or {}
    absent = [key for key in _NAMES if key not in offered]
    if absent:
        raise PlatformMissing(
            _missing(stack, "it exports no platform" if not offered else f"it lacks {', '.join(absent)}")
        )
    return offered


def _missing(stack: str, reason: str) -> str:
    this = pulumi.get_stack()
    return (
        f"Stack {this!r} needs the platform of stack {stack!r}, which is not there ({reason}). Either bring "
        f"it up first with `pulumi up -s {stack}`, or let this stack own a platform itself: "
        f"`pulumi config set {PROJECT}:platform {SELF} -s {this}`."
    )


def _unreadable(stack: str, reason: str) -> str:
    return (
        f"Stack {pulumi.get_stack()!r} needs the platform of stack {stack!r}, whose state cannot be read: {reason}. "
        f"`pulumi whoami -v` shows which backend is asked, and `pulumi stack output -s {stack}` asks it the same: "
        "once that works (address, credentials, passphrase or key), so does this."
    )
