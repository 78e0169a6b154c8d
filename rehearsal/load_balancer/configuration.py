"""HAProxy's configuration and commands from what the load balancers should do: pure functions.

An Application Load Balancer does not try a request again on another target when a target refuses or breaks the
connection: it answers 502. So there are no retries and no redispatch here either; a rehearsal that hid such a fault of
the program would be worth nothing.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, final

from rehearsal.load_balancer.ingress import Action, Answer, Model, Rule, Share
from rehearsal.load_balancer.targets import Place

NO_TARGETS: Final = Answer(
    status=503,
    content_type="text/html",
    body="<html><head><title>503 Service Temporarily Unavailable</title></head>"
    "<body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>",
)
_BAD_GATEWAY_BODY: Final = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
BAD_GATEWAY: Final = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(_BAD_GATEWAY_BODY)
    + _BAD_GATEWAY_BODY
)
_TRACE: Final = "Root=1-%[date,hex,bytes(8,8)]-" + "%[rand,hex,bytes(8,8)]" * 3
"""The time in eight and a random number in 24 hexadecimal digits."""
LEAST_SLOTS: Final = 8
_NOWHERE: Final = Place(address="127.77.0.0", port=9)


class Mode(StrEnum):
    """What a slot's server does, in the words of HAProxy's `set server ... state`."""

    READY = "ready"
    DRAIN = "drain"
    EMPTY = "maint"


@final
@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for a target in a backend, which is filled and emptied while HAProxy runs."""

    place: Place = _NOWHERE
    mode: Mode = Mode.EMPTY


@final
@dataclass(frozen=True, kw_only=True)
class Listener:
    """A load balancer at its address."""

    model: Model
    address: str


def backend_name(arn: str) -> str:
    """HAProxy's name for a target group."""
    return f"group-{hashlib.sha256(arn.encode()).hexdigest()[:16]}"


def slots(before: Sequence[Slot], wanted: Mapping[Place, bool]) -> tuple[Slot, ...]:
    """A backend's slots once they hold the wanted targets; True for one that gets new requests.

    A target stays in its slot. There are more slots than targets, so that a rollout needs no reload; they never get
    fewer.
    """
    held = {slot.place for slot in before if slot.mode is not Mode.EMPTY}
    waiting = [place for place in sorted(wanted) if place not in held]
    after: list[Slot] = []
    for slot in before:
        if slot.mode is Mode.EMPTY or slot.place not in wanted:
            place = waiting.pop(0) if slot.mode is Mode.EMPTY and waiting else None
        else:
            place = slot.place
        after.append(_filled(place, wanted) if place else replace(slot, mode=Mode.EMPTY))
    after += [_filled(place, wanted) for place in waiting]
    if not before or waiting:
        size = max(LEAST_SLOTS, 1 << len(after).bit_length())
        after += [Slot()] * (size - len(after))
    return tuple(after)


def _filled(place: Place, wanted: Mapping[Place, bool]) -> Slot:
    return Slot(place=place, mode=Mode.READY if wanted[place] else Mode.DRAIN)


def commands(backend: str, before: Sequence[Slot], after: Sequence[Slot]) -> Sequence[str]:
    """What to tell the running HAProxy so that a backend's slots change."""
    told: list[str] = []
    for index, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        server = f"{backend}/s{index}"
        if new.mode is Mode.EMPTY:
            if old.mode is not Mode.EMPTY:
                # At the end of the deregistration delay AWS closes the connections that are left.
                told += [f"set server {server} state maint", f"shutdown sessions server {server}"]
            continue
        if new.place != old.place:
            told.append(f"set server {server} addr {new.place.address} port {new.place.port}")
        if new.mode is not old.mode or new.place != old.place:
            told.append(f"set server {server} state {new.mode}")
    return told


def render(
    listeners: Sequence[Listener],
    backends: Mapping[str, Sequence[Slot]],
    *,
    socket: Path,
    bad_gateway: Path,
    user: int | None = None,
) -> str:
    """HAProxy's configuration file, for a process that becomes `user` and its group once it listens.

    The socket has another name for each generation of the configuration, so that a command cannot reach the worker that
    is on its way out.
    """
    lines = [
        "global",
        *([f"  uid {user}", f"  gid {user}"] if user is not None else []),
        f"  stats socket {_quoted(str(socket))} mode 600 level admin expose-fd listeners",
        "  log stdout format raw local0",
        "  maxconn 4096",
        "  hard-stop-after 90s",
        # Else two HAProxies could listen at one address and share its requests, without a word. A reload hands its
        # sockets over and does not need it.
        "  noreuseport",
        "defaults",
        "  mode http",
        "  log global",
        "  option httplog",
        "  option dontlognull",
        "  option dontlog-normal",
        # Keeps idle connections of clients through a reload.
        "  option idle-close-on-response",
        "  balance roundrobin",
        "  http-reuse always",
        "  retries 0",
        # The idle time-out of an ALB is 60 s; it gives a target 10 s to accept a connection.
        "  timeout client 60s",
        "  timeout http-keep-alive 60s",
        "  timeout http-request 60s",
        "  timeout server 60s",
        "  timeout connect 10s",
        "  timeout queue 10s",
    ]
    for listener in listeners:
        lines += _frontend(listener)
    for name, members in sorted(backends.items()):
        lines += [
            f"backend {name}",
            # While a worker is on its way out after a reload, it counts no servers although it has them.
            f"  {_return(NO_TARGETS)} if {{ nbsrv lt 1 }} !{{ stopping }}",
            # HAProxy says 503 where a target refuses the connection, an ALB 502.
            f"  errorfile 503 {_quoted(str(bad_gateway))}",
        ]
        for index, slot in enumerate(members, start=1):
            disabled = "" if slot.mode is Mode.READY else " disabled"
            lines.append(f"  server s{index} {slot.place.address}:{slot.place.port}{disabled}")
    answers = {_answer_name(answer): answer for listener in listeners for answer in _answers(listener.model)}
    for name, answer in sorted(answers.items()):
        lines += [f"backend {name}", f"  {_return(answer)}"]
    return "\n".join(lines) + "\n"


def _frontend(listener: Listener) -> Sequence[str]:
    model = listener.model
    lines = [
        f"frontend {model.host_name}",
        *(f"  bind {listener.address}:{port}" for port in model.ports),
        *(["  http-request del-header '[^-A-Za-z0-9]' -m reg"] if model.drops_invalid_headers else []),
        "  option forwardfor",
        "  http-request set-header X-Forwarded-Proto http",
        "  http-request set-header X-Forwarded-Port %[dst_port]",
        f"  http-request set-header X-Amzn-Trace-Id {_TRACE} unless {{ req.hdr(X-Amzn-Trace-Id) -m found }}",
    ]
    for index, rule in enumerate(model.rules):
        lines += _use(rule.action, _conditions(rule), f"draw{index}")
    return lines + _use(model.default, [""], "draw")


def _use(action: Action, conditions: Sequence[str], draw: str) -> list[str]:
    """The lines that send requests of which one of the conditions holds to the backends of an action."""
    shares = _shares(action)
    if isinstance(action, Answer) or not shares:
        answer = action if isinstance(action, Answer) else NO_TARGETS
        return [_use_backend(_answer_name(answer), conditions)]
    lines: list[str] = []
    if len(shares) > 1:
        lines.append(f"  http-request set-var(txn.{draw}) rand({sum(share.weight for share in shares)})")
    below = 0
    for share in shares[:-1]:
        below += share.weight
        chosen = f"{{ var(txn.{draw}) -m int lt {below} }}"
        lines.append(_use_backend(backend_name(share.arn), [f"{one} {chosen}".strip() for one in conditions]))
    return [*lines, _use_backend(backend_name(shares[-1].arn), conditions)]


def _shares(action: Action) -> Sequence[Share]:
    return () if isinstance(action, Answer) else [share for share in action.shares if share.weight > 0]


def _answers(model: Model) -> Sequence[Answer]:
    """What the load balancer may answer by itself; that nothing has any weight is the last of them."""
    actions = (model.default, *(rule.action for rule in model.rules))
    return [*(action for action in actions if isinstance(action, Answer)), NO_TARGETS]


def _answer_name(answer: Answer) -> str:
    return f"answer-{hashlib.sha256(repr(answer).encode()).hexdigest()[:16]}"


def _use_backend(name: str, conditions: Sequence[str]) -> str:
    condition = " or ".join(conditions)
    return f"  use_backend {name} if {condition}" if condition else f"  use_backend {name}"


def _conditions(rule: Rule) -> Sequence[str]:
    """The rule as HAProxy conditions, one of which must hold; a single empty one for a rule that takes everything."""
    host = ""
    if rule.host.startswith("*."):
        host = f"{{ req.hdr(host),field(1,:),lower -m end -- {_quoted(rule.host[1:].lower())} }}"
    elif rule.host:
        host = f"{{ req.hdr(host),field(1,:),lower -m str -- {_quoted(rule.host.lower())} }}"
    if rule.path_type == "Exact":
        paths = [f"{{ path -m str -- {_quoted(rule.path)} }}"]
    elif rule.path_type == "Prefix":
        prefix = rule.path.rstrip("/")
        paths = (
            [f"{{ path -m str -- {_quoted(prefix)} }}", f"{{ path -m beg -- {_quoted(prefix + '/')} }}"]
            if prefix
            else [""]
        )
    elif rule.path == "/*":
        paths = [""]
    else:
        pattern = re.escape(rule.path).replace(r"\*", ".*").replace(r"\?", ".")
        paths = [f"{{ path -m reg -- {_quoted(f'^{pattern}$')} }}"]
    return [f"{host} {path}".strip() for path in paths]


def _return(answer: Answer) -> str:
    body = f" string {_quoted(answer.body)}" if answer.body else ""
    kind = f" content-type {_quoted(answer.content_type)}" if answer.body else ""
    return f"http-request return status {answer.status}{kind}{body}"


def _quoted(value: str) -> str:
    """A word of HAProxy's configuration, whatever it holds; control characters cannot be written and are left out."""
    printable = "".join(character for character in value if character.isprintable())
    return "'" + printable.replace("'", "'\\''") + "'"
