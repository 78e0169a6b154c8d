"""What a value of the configuration may be: functions from its text to a typed value, or ValueError with the reason."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Final, TypeVar, final

from infra import fargate

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+")
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_NOT_ON_THE_INTERNET: Final = (
    *_PRIVATE,
    *map(IPv4Network, ("0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")),
)

T = TypeVar("T")


@final
@dataclass(frozen=True, kw_only=True)
class Chart:
    """Where a Helm chart comes from."""

    chart: str
    repository: str | None
    """None where `chart` is a folder."""


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError("not set" if text == "" else "that does not fit")
        return text

    return read


stack_name: Final = _matching(re.compile(r"[A-Za-z0-9._-]{1,100}"))
platform_name: Final = _matching(re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"))
"""Of a stack that owns a platform: part of the names of a repository, a cluster and a load balancer."""
host: Final = _matching(re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"))
machine_image: Final = _matching(re.compile(r"ami-[0-9a-f]{8}([0-9a-f]{9})?"))
mail: Final = _matching(re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+"))
repository: Final = _matching(re.compile(r"[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}"))
number: Final = _matching(re.compile(r"[0-9]{1,12}"))
team: Final = _matching(re.compile(r"[a-z0-9][a-z0-9_-]{0,99}"))


def optional(read: Callable[[str], T]) -> Callable[[str], T | None]:
    """Nothing, or what `read` reads."""
    return lambda text: read(text) if text else None


def or_empty(read: Callable[[str], str]) -> Callable[[str], str]:
    """Nothing as empty text, or what `read` reads."""
    return lambda text: read(text) if text else ""


def colour(text: str) -> str:
    return _matching(re.compile(r"#[0-9a-f]{6}"))(text.lower())


def region(text: str) -> str:
    if text.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-")):
        raise ValueError("EKS runs no pods on Fargate there, or by other names")
    return _matching(re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"))(text)


def one_of(choices: Mapping[str, T]) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text not in choices:
            raise ValueError("not set" if text == "" else "unknown")
        return choices[text]

    return read


def positive(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise ValueError("not set" if text in {"", "0"} else "not a number")
    return int(text)


def replicas(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 100:
        raise ValueError("an environment runs at least one pod" if text in {"0", "-1"} else "out of range")
    return int(text)


def namespace(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a namespace (letters, digits and dashes, 63 at most)")
    if not fargate.selects(text) or text == "kube-system":
        raise ValueError(f"no Fargate profile selects {text!r}")
    return text


def pinned_image(text: str) -> str:
    if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", text):
        raise ValueError("a tag can be moved, a digest cannot")
    return text


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise ValueError(str(error)) from None


def vpc_range(text: str) -> IPv4Network:
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


def arns(text: str) -> tuple[str, ...]:
    arns = _strings(text)
    for arn in arns:
        if not _ARN.fullmatch(arn):
            raise ValueError(f"{arn!r} is no ARN of a role or user")
    return arns


def account_ids(text: str) -> tuple[str, ...]:
    accounts = _strings(text)
    for account in accounts:
        if not re.fullmatch(r"[0-9]{12}", account):
            raise ValueError(f"{account!r} is no account id")
    return accounts


def ranges(text: str) -> tuple[IPv4Network, ...]:
    found = tuple(_network(item) for item in _strings(text))
    if any(item.prefixlen < 8 for item in found):
        raise ValueError("that opens it to the world")
    return found


def public_ranges(text: str) -> tuple[IPv4Network, ...]:
    found = ranges(text)
    if not found:
        raise ValueError("with no range nobody could reach it")
    return found


def internet_ranges(text: str) -> tuple[IPv4Network, ...]:
    """Ranges from which somebody can come over the internet: EKS refuses others, once network and gateways are made
    (https://docs.aws.amazon.com/eks/latest/userguide/config-cluster-endpoint.html)."""
    found = public_ranges(text)
    for item in found:
        if any(item.overlaps(reserved) for reserved in _NOT_ON_THE_INTERNET):
            raise ValueError(f"nobody comes from {item} over the internet")
    return found


def chart(text: str) -> Chart:
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
