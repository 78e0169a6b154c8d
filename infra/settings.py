"""The only reader of Pulumi's configuration: it becomes frozen, validated settings here, or one clear error.

Types and defaults are declared in `Pulumi.yaml`, where `pulumi config` shows them; the engine fills the defaults in.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Final, NoReturn, TypeVar, final

import pulumi

from infra import fargate
from infra.image_reference import ImageReference

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

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/.+")
_AMI: Final = re.compile(r"ami-[0-9a-f]{8}([0-9a-f]{9})?")
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_REPOSITORY: Final = re.compile(r"[\w.-]{1,39}/[\w.-]{1,100}")
_NUMBER: Final = re.compile(r"\d{1,12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))

T = TypeVar("T")


class SettingsError(pulumi.RunError):
    """A setting that is refused. Pulumi prints a RunError's message without a stack trace."""


@final
@dataclass(frozen=True, kw_only=True)
class Chart:
    """Where a Helm chart comes from."""

    chart: str
    repository: str | None
    """None where `chart` is a folder."""


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
    platform_stack = reader.value("platform", "the name of the stack that owns the platform, or `self`", _name)
    owns_platform = platform_stack == SELF
    is_environment = reader.text("branch") != ""
    if not (owns_platform or is_environment):
        raise SettingsError(
            f"Stack {stack!r} owns nothing: it has no branch, and its platform is {platform_stack!r}. Environments are "
            "declared in Pulumi.<stack>.yaml (`ls Pulumi.*.yaml` lists them). For a new one: "
            f"`pulumi config set smallcase:branch develop -s {stack}`."
        )
    if platform_stack == stack:
        reader.refuse("platform", "`self` where a stack owns its own platform", SELF)
    return Settings(
        stack=stack,
        region=reader.value("aws:region", "an AWS region such as eu-central-1", _region),
        account_ids=reader.value("aws:allowedAccountIds", "a list of account ids of 12 digits", _account_ids),
        platform_stack=stack if owns_platform else platform_stack,
        platform=_platform(reader) if owns_platform else None,
        github=_github(reader) if owns_platform and reader.text("githubRepository") else None,
        environment=_environment(stack, reader) if is_environment else None,
    )


def _platform(reader: "_Reader") -> PlatformSettings:
    domain = reader.value("domain", "a domain that has a hosted zone in this account, or nothing", _host_or_none)
    return PlatformSettings(
        network=reader.value("network", "a private address range from /16 to /20, such as 10.42.0.0/16", _vpc_range),
        zones=reader.value("zones", "2 or 3: a load balancer needs two zones", _one_of({"2": 2, "3": 3})),
        nat_per_zone=reader.value("natGateways", "`one` or `per-zone`", _one_of({"one": False, "per-zone": True})),
        administrators=reader.value("administrators", "a list of ARNs of IAM roles or users", _arns),
        api_allow_list=reader.value(
            "apiAllowList",
            "a list of the address ranges you and Jenkins come from (never 0.0.0.0/0)",
            _public_ranges,
            mend="pulumi config set --path 'smallcase:apiAllowList[0]' 203.0.113.7/32",
        ),
        registry_endpoints=reader.value("registryEndpoints", "true or false", _one_of({"true": True, "false": False})),
        ingress_controller_chart=reader.value(
            "ingressControllerChart",
            "an object with `chart` and, unless that is a folder, `repository`",
            _chart,
            mend="pulumi config rm smallcase:ingressControllerChart",
        ),
        domain=domain,
        host_image=reader.value(
            "hostImage",
            "the id of an Amazon Linux 2023 image for x86-64 (`make host-image` prints the newest)",
            _matching(_AMI),
            example="ami-<id>",
        ),
        jenkins_allow_list=reader.value(
            "jenkinsAllowList",
            "a list of the address ranges that people use Jenkins from (never 0.0.0.0/0)",
            _public_ranges if domain is not None else _ranges,
            mend="pulumi config set --path 'smallcase:jenkinsAllowList[0]' 203.0.113.7/32",
        ),
        github_repository=reader.value("githubRepository", "owner/name, or nothing", _empty_or(_REPOSITORY)),
        github_app=reader.value("githubApp", "the number of a GitHub App, or nothing", _empty_or(_NUMBER)),
        alarm_mail=reader.value(
            "alarmMail", "a mail address, or nothing", lambda text: _matching(_MAIL)(text) if text else None
        ),
    )


def _github(reader: "_Reader") -> GitHub:
    repository = reader.value("githubRepository", "owner/name", _matching(_REPOSITORY))
    owner, _, name = repository.partition("/")

    def same_owner(text: str) -> str:
        if text != owner:
            raise ValueError(f"smallcase:githubRepository is {repository!r}" if text else "not set")
        return text

    return GitHub(
        owner=reader.value("github:owner", "the owner of smallcase:githubRepository", same_owner, example=owner),
        name=name,
        app=reader.value("githubApp", "the number of the GitHub App that Jenkins uses", _positive, example="123456"),
        approvals=reader.value(
            "approvals", "a number from 0 to 6", _one_of({str(number): number for number in range(7)}), example="1"
        ),
    )


def _environment(stack: str, reader: "_Reader") -> EnvironmentSettings:
    branch = reader.value("branch", f"one of {', '.join(PURPOSES)}", _one_of({name: name for name in PURPOSES}))
    selectors = ", ".join(fargate.NAMESPACE_SELECTORS[1:])
    return EnvironmentSettings(
        namespace=reader.value(
            "namespace",
            f"a name that the Fargate profile selects ({selectors}), or its pods would stay Pending for ever",
            lambda text: _namespace(text or f"{PROJECT}-{stack}"),
        ),
        branch=branch,
        purpose=PURPOSES[branch],
        colour=reader.value(
            "colour", "a colour as #rrggbb", lambda text: _matching(_COLOUR)(text.lower()), example="'#2563eb'"
        ),
        replicas=reader.value("replicas", "a whole number from 1 to 100", _replicas, example="2"),
        size=reader.value("size", "a size that Fargate has", fargate.PodSize.parse, example="0.25vCPU-0.5GB"),
        image=reader.value(
            "image",
            "`build`, or an image by tag and digest as `pulumi stack output image` prints it",
            lambda text: None if text == "build" else ImageReference.parse(text),
            example="build",
        ),
        base_image=reader.value("baseImage", "an image pinned by digest, or nothing", _pinned_or_none),
        host=reader.value("host", "a host name, or nothing", _host_or_none),
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


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError("not set" if text == "" else "that does not fit")
        return text

    return read


_name = _matching(re.compile(r"[A-Za-z0-9._-]{1,100}"))


def _host_or_none(text: str) -> str | None:
    return _matching(_HOST)(text) if text else None


def _empty_or(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: _matching(pattern)(text) if text else ""


def _region(text: str) -> str:
    if text.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-")):
        raise ValueError("EKS runs no pods on Fargate there, or by other names")
    return _matching(_REGION)(text)


def _one_of(choices: Mapping[str, T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text not in choices:
            raise ValueError("not set" if text == "" else "unknown")
        return choices[text]

    return read


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        raise ValueError("not set" if text in {"", "0"} else "not a number")
    return int(text)


def _replicas(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ValueError("an environment runs at least one pod" if text in {"0", "-1"} else "out of range")
    return int(text)


def _namespace(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a namespace (letters, digits and dashes, 63 at most)")
    if not fargate.selects(text) or text == "kube-system":
        raise ValueError(f"no Fargate profile selects {text!r}")
    return text


def _pinned_or_none(text: str) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", text):
        raise ValueError("a tag can be moved, a digest cannot")
    return text


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise ValueError(str(error)) from None


def _vpc_range(text: str) -> IPv4Network:
    network = _network(text)
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise ValueError("not a private range (RFC 1918)")
    if not 16 <= network.prefixlen <= 20:
        raise ValueError(
            f"a /{network.prefixlen} " + ("is larger than a VPC" if network.prefixlen < 16 else "is too small")
        )
    return network


def _strings(text: str) -> tuple[str, ...]:
    try:
        items: object = json.loads(text or "[]")
    except json.JSONDecodeError:
        raise ValueError("not a list") from None
    if not isinstance(items, list):
        raise ValueError("not a list")
    return tuple(str(item) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _arns(text: str) -> tuple[str, ...]:
    arns = _strings(text)
    for arn in arns:
        if not _ARN.fullmatch(arn):
            raise ValueError(f"{arn!r} is no ARN of a role or user")
    return arns


def _account_ids(text: str) -> tuple[str, ...]:
    accounts = _strings(text)
    for account in accounts:
        if not re.fullmatch(r"\d{12}", account):
            raise ValueError(f"{account!r} is no account id")
    return accounts


def _ranges(text: str) -> tuple[IPv4Network, ...]:
    ranges = tuple(_network(item) for item in _strings(text))
    if any(item.prefixlen < 8 for item in ranges):
        raise ValueError("that opens it to the world")
    return ranges


def _public_ranges(text: str) -> tuple[IPv4Network, ...]:
    ranges = _ranges(text)
    if not ranges:
        raise ValueError("with no range nobody could reach it")
    return ranges


def _chart(text: str) -> Chart:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError("not an object") from None
    if not isinstance(value, dict) or not isinstance(value.get("chart"), str):  # pyright: ignore[reportUnknownMemberType]
        raise ValueError("`chart` is missing")
    unknown = sorted(key for key in map(str, value) if key not in {"chart", "repository"})  # pyright: ignore[reportUnknownArgumentType]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return Chart(chart=str(value["chart"]), repository=str(value.get("repository") or "") or None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
