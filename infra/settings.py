"""The only reader of Pulumi's configuration: it becomes frozen, validated settings here, or one clear error.

Types and defaults are declared in `Pulumi.yaml`, where `pulumi config` shows them; the engine fills the defaults in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, NoReturn, TypeVar, final

import pulumi

from infra import fargate, values
from infra.image_reference import ImageReference
from infra.values import Chart

PROJECT: Final = "smallcase"
SELF: Final = "self"

PURPOSES: Final = {"master": "production", "staging": "staging", "develop": "development"}
"""What each branch's environment is for. Which stack deploys a branch is said once, in `Pulumi.<stack>.yaml`."""

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
        "apiAllowList",
        "registryEndpoints",
        "ingressControllerChart",
        "approvals",
        "domain",
        "hostImage",
        "jenkinsAllowList",
        "githubRepository",
        "githubApp",
        "alarmMail",
    }
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


@final
@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """One branch's environment."""

    namespace: str
    branch: str
    purpose: str
    """production, staging or development."""
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


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a stack's configuration says."""

    stack: str
    region: str
    account_ids: tuple[str, ...]
    """Accounts that may be touched; empty for any."""
    platform_stack: str
    platform: PlatformSettings | None
    """None where another stack, `platform_stack`, owns the platform."""
    github: GitHub | None
    """None where no repository is configured, or where another stack owns the platform."""
    environment: EnvironmentSettings | None
    """None where the stack is no environment."""


def load() -> Settings:
    """Read the current stack's configuration.

    Raises:
        SettingsError: naming the key, its value, what is allowed and the command that mends it.
    """
    # `pulumi.Config` reads one key at a time; an unknown key shows only among all of them. The language host hands them
    # over in the environment, the Automation API and the mocks in a variable.
    given = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    return parse(pulumi.get_stack(), given)


def parse(stack: str, config: Mapping[str, str]) -> Settings:
    """Turn configuration, as the engine hands it over (full keys, values as text or JSON), into settings.

    Raises:
        SettingsError: see `load`.
    """
    reader = _Reader(stack, config)
    reader.refuse_unknown_keys()
    platform_stack = reader.value(
        "platform", "the name of the stack that owns the platform, or `self`", values.stack_name
    )
    owns_platform = platform_stack == SELF
    is_environment = reader.text("branch") != ""
    if not (owns_platform or is_environment):
        raise SettingsError(
            f"Stack {stack!r} owns nothing: it has no branch, and its platform is {platform_stack!r}. Environments are "
            "declared in Pulumi.<stack>.yaml (`ls Pulumi.*.yaml` lists them). For a new one: "
            f"`pulumi config set smallcase:branch develop -s {stack}`."
        )
    if owns_platform:
        _require_platform_name(stack)
    if platform_stack == stack:
        reader.refuse("platform", "`self` where a stack owns its own platform", SELF)
    return Settings(
        stack=stack,
        region=reader.value("aws:region", "an AWS region such as eu-central-1", values.region),
        account_ids=reader.value("aws:allowedAccountIds", "a list of account ids of 12 digits", values.account_ids),
        platform_stack=stack if owns_platform else platform_stack,
        platform=_platform(reader) if owns_platform else None,
        github=_github(reader) if owns_platform and reader.text("githubRepository") else None,
        environment=_environment(stack, reader) if is_environment else None,
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


def _platform(reader: "_Reader") -> PlatformSettings:
    domain = reader.value(
        "domain", "a domain that has a hosted zone in this account, or nothing", values.optional(values.host)
    )
    return PlatformSettings(
        network=reader.value(
            "network", "a private address range from /16 to /20, such as 10.42.0.0/16", values.vpc_range
        ),
        zones=reader.value("zones", "2 or 3: a load balancer needs two zones", values.one_of({"2": 2, "3": 3})),
        nat_per_zone=reader.value(
            "natGateways", "`one` or `per-zone`", values.one_of({"one": False, "per-zone": True})
        ),
        administrators=reader.value("administrators", "a list of ARNs of IAM roles or users", values.arns),
        api_allow_list=reader.value(
            "apiAllowList",
            "a list of the address ranges you come from, as the internet sees them (never 0.0.0.0/0)",
            values.internet_ranges,
            mend="pulumi config set --path 'smallcase:apiAllowList[0]' 203.0.113.7/32",
        ),
        registry_endpoints=reader.value(
            "registryEndpoints", "true or false", values.one_of({"true": True, "false": False})
        ),
        ingress_controller_chart=reader.value(
            "ingressControllerChart",
            "an object with `chart` and, unless that is a folder, `repository`",
            values.chart,
            mend="pulumi config rm smallcase:ingressControllerChart",
        ),
        domain=domain,
        host_image=reader.value(
            "hostImage",
            "the id of an Amazon Linux 2023 image for x86-64 (`make host-image` prints the newest)",
            values.machine_image,
            example="ami-<id>",
        ),
        jenkins_allow_list=reader.value(
            "jenkinsAllowList",
            "a list of the address ranges that people use Jenkins from (never 0.0.0.0/0)",
            values.public_ranges if domain is not None else values.ranges,
            mend="pulumi config set --path 'smallcase:jenkinsAllowList[0]' 203.0.113.7/32",
        ),
        github_repository=reader.value(
            "githubRepository", "owner/name, or nothing", values.or_empty(values.repository)
        ),
        github_app=reader.value("githubApp", "the number of a GitHub App, or nothing", values.or_empty(values.number)),
        alarm_mail=reader.value("alarmMail", "a mail address, or nothing", values.optional(values.mail)),
    )


def _github(reader: "_Reader") -> GitHub:
    repository = reader.value("githubRepository", "owner/name", values.repository)
    owner, _, name = repository.partition("/")

    def same_owner(text: str) -> str:
        if text != owner:
            raise ValueError(f"smallcase:githubRepository is {repository!r}" if text else "not set")
        return text

    return GitHub(
        owner=reader.value("github:owner", "the owner of smallcase:githubRepository", same_owner, example=owner),
        name=name,
        app=reader.value(
            "githubApp", "the number of the GitHub App that Jenkins uses", values.positive, example="123456"
        ),
        approvals=reader.value(
            "approvals",
            "a number from 0 to 6",
            values.one_of({str(number): number for number in range(7)}),
            example="1",
        ),
    )


def _environment(stack: str, reader: "_Reader") -> EnvironmentSettings:
    branch = reader.value("branch", f"one of {', '.join(PURPOSES)}", values.one_of({name: name for name in PURPOSES}))
    selectors = ", ".join(fargate.NAMESPACE_SELECTORS[1:])
    return EnvironmentSettings(
        namespace=reader.value(
            "namespace",
            f"a name that the Fargate profile selects ({selectors}), or its pods would stay Pending for ever",
            lambda text: values.namespace(text or fargate.environment_namespace(stack)),
        ),
        branch=branch,
        purpose=PURPOSES[branch],
        colour=reader.value("colour", "a colour as #rrggbb", values.colour, example="'#2563eb'"),
        replicas=reader.value("replicas", "a whole number from 1 to 100", values.replicas, example="2"),
        size=reader.value("size", "a size that Fargate has", fargate.PodSize.parse, example="0.25vCPU-0.5GB"),
        image=reader.value(
            "image",
            "`build`, or an image by tag and digest as `pulumi stack output image` prints it",
            lambda text: None if text == "build" else ImageReference.parse(text),
            example="build",
        ),
        base_image=reader.value(
            "baseImage", "an image pinned by digest, or nothing", values.optional(values.pinned_image)
        ),
        host=reader.value("host", "a host name, or nothing", values.optional(values.host)),
    )


@final
class _Reader:
    """Reads keys, and refuses a value with one sentence that says what is wrong and how to mend it."""

    def __init__(self, stack: str, config: Mapping[str, str]) -> None:
        self._stack = stack
        self._config = config

    def text(self, key: str) -> str:
        return self._config.get(_full(key), "")

    def value(
        self,
        key: str,
        allowed: str,
        read: Callable[[str], T],
        *,
        example: str = "<value>",
        mend: str | None = None,
    ) -> T:
        """The value of a key, read by a function that raises ValueError for what is not allowed."""
        try:
            return read(self.text(key))
        except ValueError as error:
            self.refuse(key, allowed, example, mend=mend, why=str(error))

    def refuse(self, key: str, allowed: str, example: str, *, mend: str | None = None, why: str = "") -> NoReturn:
        text = self.text(key)
        command = mend or f"pulumi config set {_full(key)} {example}"
        raise SettingsError(
            f"{_full(key)} is {text!r}{': ' + why if why else ''}. Allowed is {allowed}. "
            f"Set it with `{command} -s {self._stack}`."
        )

    def refuse_unknown_keys(self) -> None:
        prefix = f"{PROJECT}:"
        for key in sorted(self._config):
            if key.startswith(prefix) and key.removeprefix(prefix) not in KEYS:
                raise SettingsError(
                    f"{key} is no setting of this program. It knows {', '.join(sorted(KEYS))} (see Pulumi.yaml). "
                    f"Remove it with `pulumi config rm {key} -s {self._stack}`."
                )


def _full(key: str) -> str:
    return key if ":" in key else f"{PROJECT}:{key}"
