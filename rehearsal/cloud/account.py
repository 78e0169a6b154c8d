"""The state of one stand-in AWS account, and the calls that change it."""

# `type` and `id` are the words of the protocol.
# ruff: noqa: A001

import base64
import copy
import hashlib
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast, final

from rehearsal.cloud import functions, images, kubernetes_objects, rules
from rehearsal.cloud.faults import Fault, FaultError, Faults
from rehearsal.cloud.kinds import Kind, kind_of
from rehearsal.cloud.properties import UNKNOWN, Properties, Value, beyond, differences, merged_properties
from rehearsal.cloud.refusal import ApiError
from rehearsal.cloud.resource import Resource
from rehearsal.places import ACCOUNT, REGION


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the account's resources say of the world outside: where the cluster and the registry really are.

    `certificate_authority` is the PEM text of the authority that signed the API server's certificate; `registry` is
    what the address of a repository starts with; `directory` is where the relative paths of build contexts start.
    """

    account: str = ACCOUNT
    region: str = REGION
    server: str = "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com"
    certificate_authority: str = "stand-in"
    registry: str = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    directory: Path = Path()

    @property
    def caller_arn(self) -> str:
        """Who the provider's calls are made by."""
        return f"arn:aws:iam::{self.account}:user/rehearsal"


@final
class HalfWayError(Exception):
    """A create or update that failed on order after the resource came to exist."""

    def __init__(self, message: str, resource: Resource) -> None:
        super().__init__(message)
        self.resource = resource


@final
@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a change of inputs means: `kinds` maps a property path to ADD, DELETE or UPDATE; `replaces` are those that
    replace.
    """

    kinds: Mapping[str, str]
    replaces: frozenset[str]


class _Inputs(dict[str, Value]):
    """Inputs for a template, in which an input that was left out is empty."""

    def __missing__(self, key: str) -> str:
        return "/" if key == "path" else ""


@final
class Cloud:
    """One account: resources by type and id, safe to use from several threads.

    With a `state` file, every change is written to it before the call returns, and a new `Cloud` on the same file
    goes on from there.
    """

    def __init__(
        self, settings: Settings | None = None, state: Path | None = None, faults: Faults | None = None
    ) -> None:
        self.settings: Final = settings or Settings()
        self.faults: Final = faults or Faults()
        self._state = state
        self._lock = threading.RLock()
        self._resources: defaultdict[str, dict[str, Resource]] = defaultdict(dict)
        if state is not None and state.exists():
            for entry in cast(list[dict[str, str]], json.loads(state.read_bytes())):
                resource = Resource(**entry)  # pyright: ignore[reportArgumentType]
                self._resources[resource.type][resource.id] = resource

    def __iter__(self) -> Iterator[Resource]:
        with self._lock:
            return iter([resource for by_id in self._resources.values() for resource in by_id.values()])

    def of(self, type: str) -> list[Resource]:
        """Every resource of a type."""
        with self._lock:
            return list(self._resources[type].values())

    def find(self, type: str, id: str) -> Resource | None:
        with self._lock:
            return self._resources[type].get(id)

    def check(
        self,
        type: str,
        name: str,
        inputs: Properties,
        *,
        previous: Properties | None = None,
        seed: bytes = b"",
        default_tags: Mapping[str, str] | None = None,
    ) -> Properties:
        """The inputs with what the provider fills in: a physical name, and the provider's default tags.

        A name is made of the logical name and seven digits, which stay the same for as long as the resource lives.
        """
        suffix = hashlib.sha256(seed or f"{type}/{name}".encode()).hexdigest()[:7]
        if type.startswith("kubernetes:"):
            return kubernetes_objects.check(type, name, inputs, previous or {}, suffix)
        if not type.startswith("aws:"):
            return inputs
        kind = kind_of(type)
        checked = dict(inputs)
        if kind.named and not checked.get(kind.named):
            prefix = checked.get(f"{kind.named}Prefix")
            start = prefix if isinstance(prefix, str) else f"{name[: kind.longest - 8]}-"
            checked[kind.named] = (previous or {}).get(kind.named) or start + suffix
        if kind.tagged and (default_tags or "tags" in checked):
            tags = checked.get("tags")
            checked["tagsAll"] = {**(default_tags or {}), **(tags if isinstance(tags, dict) else {})}
        return checked

    def preview(self, type: str, inputs: Properties) -> Properties:
        """The outputs of a create as far as they are known ahead of it."""
        if type.startswith("docker-build:"):
            return {**inputs, **dict.fromkeys(images.COMPUTED, UNKNOWN)}
        if type.startswith("kubernetes:"):
            return merged_properties(kubernetes_objects.UNKNOWN_OUTPUTS, inputs)
        computed = dict(kind_of(type).computed)
        computed["arn"] = UNKNOWN
        return merged_properties(cast(Properties, _all_unknown(computed)), inputs)

    def preview_update(self, type: str, outputs: Properties, old: Properties, new: Properties) -> Properties:
        """The outputs of an update from `old` to `new` inputs as far as they are known ahead of it: what was added to
        the old inputs stays (pulumi-terraform-bridge answers with the planned state, which keeps what is computed).
        """
        if type.startswith("docker-build:"):
            return self.preview(type, new)
        added = beyond(outputs, old)
        if type.startswith("aws:"):
            added |= dict.fromkeys(kind_of(type).unsettled, UNKNOWN)
        return merged_properties(added, new)

    def create(self, type: str, name: str, inputs: Properties) -> Resource:
        """Makes a resource. `name` is what its made-up ids derive from: the URN where there is one.

        Raises `ApiError` where AWS refuses, `FaultError` or `HalfWayError` for a fault on order.
        """
        fault = self._strike("create", type)
        with self._lock:
            if type.startswith("aws:"):
                rules.check_create(self, type, inputs)
            if type.startswith("docker-build:"):
                rules.check_push(self, inputs, images.digest(inputs, self.settings.directory))
            resource = self._made(type, name, copy.deepcopy(inputs))
            self._keep(resource)
            if fault is not None:
                raise HalfWayError(fault.message, resource)
            return resource

    def read(self, type: str, id: str) -> Resource | None:
        self._strike("read", type)
        with self._lock:
            return self.find(type, id)

    def update(self, type: str, id: str, inputs: Properties) -> Resource:
        fault = self._strike("update", type)
        with self._lock:
            old = self.find(type, id)
            if old is None:
                kind = kind_of(type)
                raise ApiError(
                    kind.service, f"Update{kind.operation}", "NotFoundException", f"{id} does not exist", 404
                )
            if type.startswith("aws:"):
                rules.check_update(self, type, inputs)
            if type.startswith("docker-build:"):
                rules.check_push(self, inputs, images.digest(inputs, self.settings.directory))
            outputs = self._outputs(type, id, old.digits, copy.deepcopy(inputs))
            resource = Resource(type=type, id=id, name=old.name, digits=old.digits, inputs=inputs, outputs=outputs)
            self._keep(resource)
            if fault is not None:
                raise HalfWayError(fault.message, resource)
            return resource

    def delete(self, type: str, id: str) -> None:
        """Removes a resource; one that is gone already is no error, as with the real provider."""
        fault = self._strike("delete", type)
        with self._lock:
            resource = self.find(type, id)
            if resource is None:
                return
            if type.startswith("aws:"):
                rules.check_delete(self, resource)
            del self._resources[type][id]
            self._write()
            if fault is not None:
                raise FaultError(fault.message)

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """The result of a provider function; raises `CloudError` for one that the stand-in does not know."""
        self._strike("invoke", token)
        with self._lock:
            return functions.invoke(self, token, arguments)

    def difference(self, type: str, old: Properties, new: Properties, outputs: Properties) -> Difference:
        """What an update from `old` to `new` inputs would do; `outputs` are the resource's as the stack knows them."""
        kinds = dict(differences(old, new))
        if type.startswith("docker-build:"):
            return Difference(
                kinds=kinds | images.difference(new, outputs, self.settings.directory), replaces=frozenset()
            )
        immutable = kubernetes_objects.replaces(type) if type.startswith("kubernetes:") else rules.replaces(type, new)
        return Difference(
            kinds=kinds,
            replaces=frozenset(
                path for path in kinds if any(path == it or path.startswith((f"{it}.", f"{it}[")) for it in immutable)
            ),
        )

    def _strike(self, operation: str, type: str) -> Fault | None:
        """What a call meets. Taken without the lock: a slow call holds up nobody else."""
        fault = self.faults.strike(operation, type)  # pyright: ignore[reportArgumentType]
        if fault is not None and fault.seconds:
            time.sleep(fault.seconds)
        if fault is None or not fault.message:
            return None
        if fault.when == "before" or operation in ("read", "invoke"):
            raise FaultError(fault.message)
        return fault

    def _made(self, type: str, name: str, inputs: Properties) -> Resource:
        generation = 0
        while True:
            digits = hashlib.sha256(f"{type}/{name}/{generation}".encode()).hexdigest()
            if type.startswith("kubernetes:"):
                id = kubernetes_objects.identity(type, inputs)
            elif type.startswith("docker-build:"):
                id = digits[:17]
            else:
                id = self._identity(kind_of(type), digits, inputs)
            if any(resource.digits == digits for resource in self.of(type)):
                generation += 1
                continue
            return Resource(
                type=type,
                id=id,
                name=name,
                digits=digits,
                inputs=inputs,
                outputs=self._outputs(type, id, digits, inputs),
            )

    def _identity(self, kind: Kind, digits: str, inputs: Properties) -> str:
        terms = self._terms(kind, digits, inputs)
        terms["arn"] = kind.arn.format_map(terms) if "{arn}" in kind.id else ""
        return kind.id.format_map(terms)

    def _outputs(self, type: str, id: str, digits: str, inputs: Properties) -> Properties:
        if type.startswith("kubernetes:"):
            return kubernetes_objects.outputs(type, inputs, digits)
        if type.startswith("docker-build:"):
            return images.outputs(inputs, self.settings.directory)
        kind = kind_of(type)
        terms = self._terms(kind, digits, inputs) | {"id": id}
        terms["arn"] = kind.arn.format_map(terms)
        computed = cast(Properties, _filled(dict(kind.computed), terms))
        if kind.arn:
            computed["arn"] = terms["arn"]
        return merged_properties(computed, inputs) | rules.derived(self, type, inputs)

    def _terms(self, kind: Kind, digits: str, inputs: Properties) -> dict[str, object]:
        url = inputs.get("url")
        seen = _Inputs(inputs)
        if isinstance(url, str):
            seen["url"] = url.removeprefix("https://")
        return {
            "hex": digits[:17],
            "HEX": digits[:32].upper(),
            "hex6": digits[:6],
            "octet": str(1 + int(digits[:4], 16) % 254),
            "uuid": f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}",
            "name": inputs.get(kind.named) or "",
            "inputs": seen,
            "account": self.settings.account,
            "region": self.settings.region,
            "server": self.settings.server,
            "registry": self.settings.registry,
            "ca": base64.b64encode(self.settings.certificate_authority.encode()).decode(),
        }

    def _keep(self, resource: Resource) -> None:
        self._resources[resource.type][resource.id] = resource
        self._write()

    def _write(self) -> None:
        if self._state is None:
            return
        self._state.parent.mkdir(parents=True, exist_ok=True)
        new = self._state.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump([asdict(resource) for resource in self], file)
        new.replace(self._state)


def _filled(value: Value, terms: Mapping[str, object]) -> Value:
    if isinstance(value, str):
        return value.format_map(terms)
    if isinstance(value, list):
        return [_filled(item, terms) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, terms) for key, item in value.items()}
    return value


def _all_unknown(value: Value) -> Value:
    """A preview knows a constant that AWS adds, and nothing that is made of ids."""
    if isinstance(value, dict):
        return {key: _all_unknown(item) for key, item in value.items()}
    if isinstance(value, list):
        return UNKNOWN
    return UNKNOWN if isinstance(value, str) and "{" in value else value
