"""The environments on a platform, as the stack files declare them: known by name before any of them is up.

What a role may touch is a list of names, so the platform has to know them. An environment that is declared later gets
its rights with the platform's next `up`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from infra import settings, stack_files, values
from infra.branches import BRANCHES, Branch
from infra.fargate import environment_namespace
from infra.host_names import belongs_to, host_in, jenkins_host
from infra.settings import PROJECT, Configuration, SettingsError


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
    declared = stack_files.configurations(directory).values()
    # Also of a stack that is no environment: what begins like an environment's state would be its role's.
    for given in declared:
        _require_told_apart(given.stack)
    found = [_tenant(given) for given in declared if settings.branch_of(given)]
    tenants = tuple(tenant for owner, tenant in found if owner == platform)
    named = {tenant.stack for tenant in tenants if tenant.namespace != environment_namespace(tenant.stack)}
    _require_unshared("namespace", {tenant.stack: tenant.namespace for tenant in tenants}, named)
    return tenants


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
    _require_unshared(
        "host", {"Jenkins": jenkins_host(domain), **found}, {tenant.stack for tenant in tenants if tenant.host}
    )
    return found


def _tenant(given: Configuration) -> tuple[str, Tenant]:
    """What a stack says of its environment, after the stack that owns its platform."""
    tenant = Tenant(
        stack=given.stack,
        branch=BRANCHES[settings.branch_of(given)],
        namespace=settings.namespace(given),
        host=settings.host(given),
    )
    return settings.platform_stack(given), tenant


def _require_told_apart(stack: str) -> None:
    """Let names through by which rights can be given: no pattern, and no beginning of where another's state is
    (`infra.state`)."""
    try:
        named, why = values.stack_name(stack), "`.json` is where the name of a checkpoint ends"
    except ValueError as error:
        named, why = "", str(error)
    if not named or ".json" in named:
        raise SettingsError(
            f"{stack_files.stack_file(stack)}: the stack cannot be called {stack!r}: {why}. The platform gives rights "
            "by the names of stacks, so rename the stack and its file first."
        )


def _require_unshared(key: str, taken: Mapping[str, str], named: Collection[str]) -> None:
    """What two share, the one that is not reviewed could take from the other. `named` are the stacks whose settings say
    it, and whose default is another."""
    for value in (value for value, number in Counter(taken.values()).items() if number > 1):
        claims = [owner for owner, claimed in taken.items() if claimed == value]
        mend = [f"config rm {PROJECT}:{key} -s {stack}" for stack in claims if stack in named]
        command = mend[-1] if mend else f"config set {PROJECT}:{key} NAME -s {claims[-1]}"
        raise SettingsError(
            f"{' and '.join(claims)} would share the {key} {value!r}, and the rights on it. Give each its own: "
            f"`pulumi {command}`."
        )
