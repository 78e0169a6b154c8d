"""The environments on a platform, as the stack files declare them: known by name before any of them is up.

What a role may touch is a list of names, so the platform has to know them. An environment that is declared later gets
its rights with the platform's next `up`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, cast, final

import yaml

from infra import fargate, values
from infra.branches import BRANCHES, Branch
from infra.host_names import belongs_to, host_in, jenkins_host
from infra.settings import PROJECT, SELF, SettingsError

KEYS: Final = ("platform", "branch", "namespace", "host")
"""The settings of an environment that say where it is and whose."""

T = TypeVar("T")


@final
@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An environment on a platform."""

    stack: str
    branch: Branch
    namespace: str
    host: str | None
    """A name of its own; None where it takes one below the platform's domain."""


def on(platform: str, directory: Path) -> tuple[Tenant, ...]:
    """The environments that run on the platform of a stack, its own among them, in order of their names.

    Parameters:
        directory: where `Pulumi.yaml` and the stack files are.

    Raises:
        SettingsError: a file says what no environment can have, or two environments would share what is one's own.
    """
    declared = _settings(directory / "Pulumi.yaml")
    defaults = {
        key: cast("Mapping[str, object]", value).get("default") if isinstance(value, dict) else value
        for key, value in declared.items()
    }
    found: list[Tenant] = []
    for path in sorted(directory.glob("Pulumi.*.yaml")):
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        given = {**defaults, **_settings(path)}
        owner = stack if given.get("platform") == SELF else given.get("platform")
        if owner == platform and given.get("branch"):
            found.append(_tenant(stack, given))
    _require_unshared("namespace", {tenant.stack: tenant.namespace for tenant in found})
    return tuple(found)


def of(tenants: Sequence[Tenant], *domains: str) -> tuple[Tenant, ...]:
    """The environments of some trust domains."""
    return tuple(tenant for tenant in tenants if tenant.branch.domain in domains)


def names(tenants: Sequence[Tenant], domain: str) -> dict[str, str]:
    """By stack, the names below a platform's domain that lead to environments; those without one are left out.

    Raises:
        SettingsError: two environments would have one name, or one would have Jenkins's.
    """
    answered = {tenant.stack: host_in(domain, tenant.stack, tenant.host) for tenant in tenants}
    found = {stack: host for stack, host in answered.items() if host is not None and belongs_to(host, domain)}
    _require_unshared("host", {"Jenkins": jenkins_host(domain), **found})
    return found


def _tenant(stack: str, given: Mapping[str, object]) -> Tenant:
    def read(what: str, text: str, allowed: Callable[[str], T]) -> T:
        try:
            return allowed(text)
        except ValueError as error:
            raise SettingsError(
                f"Pulumi.{stack}.yaml: {what} is {text!r}: {error}. The platform gives rights by what the stack files "
                "say, so mend that first."
            ) from None

    branch, namespace, host = (str(given.get(key) or "") for key in KEYS[1:])
    return Tenant(
        stack=read("the name of the stack", stack, _told_apart),
        branch=read(f"{PROJECT}:branch", branch, values.one_of(BRANCHES)),
        namespace=read(f"{PROJECT}:namespace", namespace or fargate.environment_namespace(stack), values.namespace),
        host=read(f"{PROJECT}:host", host, values.optional(values.host)),
    )


def _told_apart(stack: str) -> str:
    """A name that rights can be given by: no pattern, and no beginning of where another's state is (`infra.state`)."""
    if ".json" in stack:
        raise ValueError("`.json` is where the name of a checkpoint ends")
    return values.stack_name(stack)


def _require_unshared(key: str, taken: Mapping[str, str]) -> None:
    """What two share, the one that is not reviewed could take from the other."""
    twice = [value for value, number in Counter(taken.values()).items() if number > 1]
    if twice:
        claims = " and ".join(owner for owner, value in taken.items() if value == twice[0])
        raise SettingsError(
            f"{claims} would share the {key} {twice[0]!r}, and the rights on it. Give each its own: "
            f"`pulumi config set {PROJECT}:{key} VALUE -s STACK`."
        )


def _settings(path: Path) -> dict[str, object]:
    """What a file says of where an environment is, by the names of the keys."""
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read, and rights follow from it: {error}") from None
    config: object = cast("Mapping[str, object]", content).get("config") if isinstance(content, dict) else None
    given = cast("Mapping[str, object]", config if isinstance(config, dict) else {})
    return {key: given[f"{PROJECT}:{key}"] for key in KEYS if f"{PROJECT}:{key}" in given}
