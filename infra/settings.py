"""The only reader of Pulumi's configuration: it becomes frozen, validated settings here, or one clear error.

Types and defaults are declared in `Pulumi.yaml`, where `pulumi config` shows them; the engine fills the defaults in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, TypeVar, final

import pulumi

from infra import fargate, values
from infra.branches import AGENTS, BRANCHES, Agents, Branch
from infra.image_reference import ImageReference
from infra.values import Chart

PROJECT: Final = "smallcase"
SELF: Final = "self"

KEYS: Final = frozenset(
    {
        "platform",
        "branch",
        "colour",
        "replicas",
        "size",
        "image",
        "host",
        "namespace",
        "baseImage",
        "network",
        "zones",
        "natGateways",
        "administrators",
        "operators",
        "agents",
        "apiAllowList",
        "registryEndpoints",
        "ingressControllerChart",
        "approvals",
        "developers",
        "domain",
        "hostImage",
        "jenkinsAllowList",
        "githubRepository",
        "githubApp",
        "alarmMail",
        "accessLogs",
    }
)

ADDRESSES: Final = frozenset({f"{PROJECT}:{name}" for name in ("apiAllowList", "jenkinsAllowList", "alarmMail")})
"""What says where people are and how to write to them: it may be encrypted, so that Git does not say it."""

AWS_KEYS: Final = ("aws:region", "aws:allowedAccountIds", "aws:forbiddenAccountIds")
OTHERS: Final = ("docker-build", "github", "pulumi")
"""Namespaces whose keys reach somebody without this program: the default providers that it uses, and the engine. Its
providers of AWS and Kubernetes are its own, which know what it tells them and nothing else."""
ACCOUNT_IDS: Final = (
    "a list of account ids of 12 digits (in quotes: YAML takes one that begins with 0 for another number)"
)

T = TypeVar("T")


class SettingsError(pulumi.RunError):
    """A setting that is refused. Pulumi prints a RunError's message without a stack trace."""


@final
@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """What is shared: the network, the cluster, the registry, the ingress controller, Jenkins."""

    network: IPv4Network
    zones: int
    nat_per_zone: bool
    administrators: tuple[str, ...]
    operators: tuple[str, ...]
    """ARNs of roles and users who may take the roles that deploy environments, as administrators may."""
    agents: Agents
    api_allow_list: tuple[IPv4Network, ...]
    registry_endpoints: bool
    """Whether image pulls stay inside the VPC."""
    ingress_controller_chart: Chart
    domain: str | None
    """A hosted zone of the account, under which environments and Jenkins get names."""
    host_image: str
    """AMI id of the Jenkins hosts. Pinned, because a moving one would replace the hosts at the next `up`."""
    jenkins_allow_list: tuple[IPv4Network, ...]
    """Where people who use Jenkins come from; matters with a domain only."""
    github_repository: str
    """`owner/name` of the repository that Jenkins builds; empty while there is none."""
    github_app: str
    """Number of the GitHub App by which Jenkins reads the repository and reports to it."""
    alarm_mail: str | None
    access_logs: bool
    """Whether load balancers keep a log of every request."""


@final
@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """One branch's environment."""

    namespace: str
    branch: Branch
    colour: str
    replicas: int
    size: fargate.PodSize
    image: ImageReference | None
    """An image to deploy as it is; None to build `app/`."""
    base_image: str | None
    """None for the base that the Dockerfile names."""
    host: str | None


@final
@dataclass(frozen=True, kw_only=True)
class GitHub:
    """The repository whose branches get rules."""

    owner: str
    name: str
    app: int
    """Number of the GitHub App that Jenkins reports checks as: no other app's check counts."""
    approvals: int
    """How many people have to approve a pull request into staging or master."""
    developers: str
    """Slug of the team that alone commits to develop; empty for everybody who may push."""


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a stack's configuration says."""

    stack: str
    region: str
    account_ids: tuple[str, ...]
    """Accounts that may be touched; empty for any."""
    forbidden_account_ids: tuple[str, ...]
    platform_stack: str
    platform: PlatformSettings | None
    """None where another stack, `platform_stack`, owns the platform."""
    github: GitHub | None
    """None where no repository is configured, or where another stack owns the platform."""
    environment: EnvironmentSettings | None
    """None where the stack is no environment."""


@final
@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What configures a stack, as the engine hands it to the program. Each value that is read and refused is one
    sentence: what is wrong, and the command that mends it."""

    stack: str
    values: Mapping[str, str]
    """By full key; lists and objects as JSON."""
    secrets: frozenset[str] = frozenset()
    """Keys of the values that are encrypted, in whole or in part."""

    def value(
        self,
        key: str,
        allowed: str,
        read: Callable[[str], T],
        *,
        example: str = "",
        item: str = "",
        mend: str = "",
    ) -> T:
        """The value of a key, read by a function that raises ValueError for what is not allowed.

        Parameters:
            example: a value to set instead, as a shell takes it; without it the default is.
            item: what a list may have in it.
            mend: a command that sets another value.

        Raises:
            SettingsError: the value is not allowed, or encrypted though it is nobody's address.
        """
        key = key if ":" in key else f"{PROJECT}:{key}"
        remove = f"pulumi config rm {key} -s {self.stack}"
        to_set = f"pulumi config set {'--secret ' if key in ADDRESSES else ''}"
        if item:  # A single item of a list can be set, which leaves the others as they are.
            mend = f"{remove} && {to_set}--path '{key}[0]' {item} -s {self.stack}"
        elif example:
            mend = f"{to_set}{key} {example} -s {self.stack}"
        if key in self.secrets - ADDRESSES:
            said = f"{key} is encrypted: this setting is no secret, and the state would say it in plain text"
        else:
            text = self.values.get(key, "")
            try:
                return read(text)
            except ValueError as error:
                # What is encrypted stays so: a refusal is printed, and reasons quote the value.
                said = f"{key} is encrypted, and not allowed" if key in self.secrets else f"{key} is {text!r}: {error}"
        raise SettingsError(f"{said}. Allowed is {allowed}. Mend it with `{mend or remove}`.")

    def refuse_what_nobody_reads(self) -> None:
        """Refuse a key that is a slip of the pen, or means to say something to a provider that would not hear it.

        Raises:
            SettingsError: there is such a key.
        """
        for key in sorted(self.values):
            namespace, _, name = key.partition(":")
            if namespace in OTHERS or key in AWS_KEYS or (namespace == PROJECT and name in KEYS):
                continue
            if namespace == PROJECT:
                why = f"is no setting of this program. It knows {', '.join(sorted(KEYS))} (see Pulumi.yaml)"
            elif namespace == "aws":
                why = (
                    f"would change nothing: of `aws:` this program takes {', '.join(AWS_KEYS)}. Whose credentials are "
                    "used is said by AWS_PROFILE, which the state, kubectl and the verbs go by too; a profile of "
                    "~/.aws/config can assume roles"
                )
            else:
                why = f"would change nothing: nothing here reads `{namespace}:`"
            raise SettingsError(f"{key} {why}. Remove it with `pulumi config rm {key} -s {self.stack}`.")


def load() -> Settings:
    """Read the current stack's configuration.

    Raises:
        SettingsError: naming the key, its value, what is allowed and the command that mends it.
    """
    # `pulumi.Config` reads one key at a time; an unknown key shows only among all of them.
    given: Mapping[str, str] = pulumi.runtime.config.CONFIG.get()
    secrets = frozenset(filter(pulumi.runtime.config.is_config_secret, given))
    return parse(Configuration(stack=pulumi.get_stack(), values=given, secrets=secrets))


def parse(given: Configuration) -> Settings:
    """Turn configuration into settings.

    Raises:
        SettingsError: see `load`.
    """
    given.refuse_what_nobody_reads()
    stack, owner, branch = given.stack, platform_stack(given), branch_of(given)
    owns_platform = owner == stack
    if not (owns_platform or branch):
        raise SettingsError(
            f"Stack {stack!r} owns nothing: it has no branch, and its platform is {owner!r}. Environments are "
            "declared in Pulumi.<stack>.yaml (`ls Pulumi.*.yaml` lists them). For a new one: "
            f"`pulumi config set smallcase:branch develop -s {stack}`."
        )
    if owns_platform:
        _require_platform_name(stack)
    return Settings(
        stack=stack,
        region=_region(given),
        account_ids=given.value("aws:allowedAccountIds", ACCOUNT_IDS, values.account_ids, item="123456789012"),
        forbidden_account_ids=_forbidden_accounts(given),
        platform_stack=owner,
        platform=_platform(given) if owns_platform else None,
        github=_github(given) if owns_platform and _repository(given) else None,
        environment=environment(given) if branch else None,
    )


def platform_stack(given: Configuration) -> str:
    """The stack that owns the platform that a stack runs on: itself, or another.

    Raises:
        SettingsError: see `load`.
    """

    def another(text: str) -> str:
        if text == given.stack:
            raise ValueError("that is this stack")
        return given.stack if text == SELF else values.stack_name(text)

    example = SELF if given.stack in ("platform", given.values.get(f"{PROJECT}:platform")) else "platform"
    return given.value("platform", "the stack that owns the platform, or `self` for this one", another, example=example)


def branch_of(given: Configuration) -> str:
    """The branch that a stack deploys; empty where it is no environment.

    Raises:
        SettingsError: see `load`.
    """
    allowed = f"one of {', '.join(BRANCHES)}, or nothing"
    return given.value("branch", allowed, values.one_of({name: name for name in ("", *BRANCHES)}), example="develop")


def zones(given: Configuration) -> int:
    """The number of zones of a platform, as the stack that owns it says it.

    Raises:
        SettingsError: see `load`.
    """
    choices = values.one_of({"2": 2, "3": 3})
    return given.value("zones", "2 or 3: a load balancer needs two zones", choices, example="2")


def agents(given: Configuration) -> Agents:
    """Which agents a platform has, as the stack that owns it says it.

    Raises:
        SettingsError: see `load`.
    """
    return given.value("agents", "`separate` or `shared`", values.one_of(AGENTS), example="separate")


def environment(given: Configuration) -> EnvironmentSettings:
    """What a stack that deploys a branch says of its environment.

    Raises:
        SettingsError: see `load`.
    """
    return EnvironmentSettings(
        namespace=namespace(given),
        branch=BRANCHES[branch_of(given)],
        colour=given.value("colour", "a colour as #rrggbb", values.colour, example="'#2563eb'"),
        replicas=given.value("replicas", "a whole number from 1 to 100", values.replicas, example="2"),
        size=given.value("size", "a size that Fargate has", fargate.PodSize.parse, example="0.25vCPU-0.5GB"),
        image=given.value(
            "image",
            "`build`, or an image by tag and digest as `pulumi stack output image` prints it",
            lambda text: None if text == "build" else ImageReference.parse(text),
            example="build",
        ),
        base_image=given.value(
            "baseImage", "an image pinned by digest, or nothing", values.optional(values.pinned_image)
        ),
        host=host(given),
    )


def namespace(given: Configuration) -> str:
    """Where in the cluster an environment is.

    Raises:
        SettingsError: see `load`.
    """
    return given.value(
        "namespace",
        f"a name that the Fargate profile selects ({', '.join(fargate.NAMESPACE_SELECTORS[1:])}), or its pods would "
        "stay Pending for ever",
        lambda text: values.namespace(text or fargate.environment_namespace(given.stack)),
        example=fargate.environment_namespace("example"),
    )


def host(given: Configuration) -> str | None:
    """The name that an environment answers to; None where it takes one below the platform's domain, if there is one.

    Raises:
        SettingsError: see `load`.
    """
    return given.value("host", "a host name, or nothing", values.optional(values.host), example="www.example.org")


def _region(given: Configuration) -> str:
    return given.value("aws:region", "an AWS region such as eu-central-1", values.region, example="eu-central-1")


def _forbidden_accounts(given: Configuration) -> tuple[str, ...]:
    def none_where_some_are_allowed(text: str) -> tuple[str, ...]:
        found = values.account_ids(text)
        if found and values.account_ids(given.values.get("aws:allowedAccountIds", "")):
            # https://github.com/hashicorp/terraform-provider-aws/blob/v6.0.0/internal/provider/sdkv2/provider.go
            raise ValueError("AWS's provider takes this or aws:allowedAccountIds, which forbids all others")
        return found

    return given.value("aws:forbiddenAccountIds", ACCOUNT_IDS, none_where_some_are_allowed)


def _repository(given: Configuration) -> str:
    return given.value(
        "githubRepository", "owner/name, or nothing", values.or_empty(values.repository), example="owner/name"
    )


def _require_platform_name(stack: str) -> None:
    try:
        values.platform_name(stack)
    except ValueError:
        raise SettingsError(
            f"Stack {stack!r} cannot own a platform: its name becomes part of the names of a repository, a cluster "
            "and a load balancer, which take small letters, digits and single dashes. "
            f"Rename it while nothing is up: `pulumi stack rename NAME -s {stack}`."
        ) from None


def _platform(given: Configuration) -> PlatformSettings:
    domain = given.value(
        "domain",
        "a domain that has a hosted zone in this account, or nothing",
        values.optional(values.host),
        example="example.org",
    )
    return PlatformSettings(
        network=given.value(
            "network",
            "a private address range from /16 to /20, such as 10.42.0.0/16",
            values.vpc_range,
            example="10.42.0.0/16",
        ),
        zones=zones(given),
        nat_per_zone=given.value(
            "natGateways", "`one` or `per-zone`", values.one_of({"one": False, "per-zone": True}), example="one"
        ),
        administrators=given.value(
            "administrators",
            "a list of ARNs of IAM roles or users",
            values.arns,
            item="arn:aws:iam::123456789012:role/NAME",
        ),
        operators=given.value(
            "operators",
            "a list of ARNs of IAM roles or users",
            values.arns,
            item="arn:aws:iam::123456789012:role/NAME",
        ),
        agents=agents(given),
        api_allow_list=given.value(
            "apiAllowList",
            "a list of the address ranges you come from, as the internet sees them (never 0.0.0.0/0)",
            values.internet_ranges,
            item="203.0.113.7/32",
        ),
        registry_endpoints=given.value(
            "registryEndpoints", "true or false", values.one_of({"true": True, "false": False}), example="false"
        ),
        ingress_controller_chart=given.value(
            "ingressControllerChart",
            "an object with `chart` and, unless that is a folder, `repository`",
            values.chart,
        ),
        domain=domain,
        host_image=given.value(
            "hostImage",
            "the id of an Amazon Linux 2023 image for x86-64 (`make host-image` prints the newest)",
            values.machine_image,
            mend=f"$(make -s host-image REGION={_region(given)} STACK={given.stack})",
        ),
        jenkins_allow_list=given.value(
            "jenkinsAllowList",
            "a list of the address ranges that people use Jenkins from (never 0.0.0.0/0)",
            values.public_ranges if domain is not None else values.ranges,
            item="203.0.113.7/32",
        ),
        github_repository=_repository(given),
        github_app=given.value(
            "githubApp", "the number of a GitHub App, or nothing", values.or_empty(values.number), example="123456"
        ),
        alarm_mail=given.value(
            "alarmMail", "a mail address, or nothing", values.optional(values.mail), example="someone@example.org"
        ),
        access_logs=given.value(
            "accessLogs", "true or false", values.one_of({"true": True, "false": False}), example="false"
        ),
    )


def _github(given: Configuration) -> GitHub:
    repository = _repository(given)
    owner, _, name = repository.partition("/")

    def same_owner(text: str) -> str:
        if text != owner:
            raise ValueError(f"smallcase:githubRepository is {repository!r}" if text else "not set")
        return text

    return GitHub(
        owner=given.value("github:owner", "the owner of smallcase:githubRepository", same_owner, example=owner),
        name=name,
        app=given.value(
            "githubApp", "the number of the GitHub App that Jenkins uses", values.positive, example="123456"
        ),
        approvals=given.value(
            "approvals",
            "a number from 0 to 6",
            values.one_of({str(number): number for number in range(7)}),
            example="1",
        ),
        developers=given.value(
            "developers",
            "a team of the owner's by its slug, as in its address, or nothing",
            values.or_empty(values.team),
        ),
    )
