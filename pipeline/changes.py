"""What `pulumi preview --json` says would change, for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast, final

from pipeline.pulumi import Answer

_Object = Mapping[str, object]

WORDS: Final = {
    "delete": "deleted",
    "replace": "replaced",
    "create": "created",
    "update": "changed",
    "import": "imported",
}
"""The engine's operations that matter to a reader, what cannot be undone first."""

_SAME_AS: Final = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "discard-replaced": "replace",
}

_DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
_IMAGE: Final = "docker-build:index:Image"
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a text that is known only once it is done:
https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/plugin/rpc.go"""


@final
@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that would not stay as it is."""

    operation: str
    type: str
    name: str
    properties: tuple[str, ...]
    """Paths of what differs, of a replacement those that force it."""


@final
@dataclass(frozen=True, kw_only=True)
class Changes:
    """Everything that would change, components left out: they have nothing of their own."""

    changes: tuple[Change, ...]
    unchanged: int
    images: tuple[tuple[str, str], ...]
    """What runs now and what would run."""
    by_hand: str = ""
    """What somebody did to the cluster since the last deployment, in words, which would be undone."""
    scanned: str = ""
    """What the scan of the image that would be promoted says, in words, where it is not that there is nothing."""

    def of(self, operation: str) -> list[Change]:
        return [change for change in self.changes if change.operation == operation]

    def __str__(self) -> str:
        counted = [f"{len(self.of(operation))} {word}" for operation, word in WORDS.items() if self.of(operation)]
        return ", ".join([*counted, f"{self.unchanged} unchanged"])


def read(answer: Answer) -> Changes:
    """The changes of a preview that succeeded."""
    digest = _digest(answer)
    steps = cast("Sequence[_Object]", digest.get("steps") or ())
    changes = {str(step["urn"]): change for step in steps if (change := _change(step))}
    counts = cast("Mapping[str, int]", digest.get("changeSummary") or {})
    images = dict.fromkeys(pair for step in steps for pair in _images(step))
    order = list(WORDS)
    return Changes(
        changes=tuple(sorted(changes.values(), key=lambda change: (order.index(change.operation), change.type))),
        unchanged=counts.get("same", 0),
        images=tuple(images),
    )


def errors(answer: Answer) -> list[str]:
    """What went wrong in a preview that failed, each message once."""
    try:
        diagnostics = cast("Sequence[Mapping[str, str]]", _digest(answer).get("diagnostics") or ())
    except ValueError:
        return answer.errors()
    found = [one["message"].strip() for one in diagnostics if one.get("severity") == "error"]
    return list(dict.fromkeys(line for line in found if not line.endswith("preview failed"))) or answer.errors()


def table(changes: Changes) -> list[str]:
    """A Markdown table of the changes."""
    if not changes.changes:
        return []
    rows = [
        f"| {WORDS[one.operation]} | `{one.name}` | {one.type} | {_listed(one.properties)} |" for one in changes.changes
    ]
    return ["| | resource | type | what differs |", "|---|---|---|---|", *rows, ""]


def _listed(properties: Sequence[str]) -> str:
    more = f" and {len(properties) - 6} more" if len(properties) > 6 else ""
    return ", ".join(f"`{path}`" for path in properties[:6]) + more


def _digest(answer: Answer) -> _Object:
    """The CLI's one JSON object: what it prints before or after is no part of it."""
    start = answer.stdout.find("{")
    if start < 0:
        raise ValueError("no JSON")
    return cast("_Object", json.JSONDecoder().raw_decode(answer.stdout, start)[0])


def _change(step: _Object) -> Change | None:
    said = str(step["op"])
    operation = _SAME_AS.get(said, said)
    state = cast("_Object", step.get("newState") or step.get("oldState") or {})
    type_ = str(state.get("type", ""))
    is_component = not state.get("custom") and not type_.startswith("pulumi:providers:")
    if operation not in WORDS or (is_component and operation != "delete"):
        return None
    reasons = cast("Sequence[str]", step.get("replaceReasons") or ()) if operation == "replace" else ()
    differing = cast("_Object", step.get("detailedDiff") or {})
    return Change(
        operation=operation,
        type=type_,
        name=str(step["urn"]).rpartition("::")[2],
        properties=tuple(reasons or sorted(differing) or cast("Sequence[str]", step.get("diffReasons") or ())),
    )


def _images(step: _Object) -> Iterator[tuple[str, str]]:
    """Of a Deployment or a build, the image before and after."""
    old, new = (cast("_Object", step.get(state) or {}) for state in ("oldState", "newState"))
    if step["op"] in {"same", "refresh", "read"} or (new or old).get("type") not in {_DEPLOYMENT, _IMAGE}:
        return
    before, after = _image(old), _image(new)
    if before != after:
        yield before or "none", after or "none"


def _image(state: _Object) -> str:
    found = cast("_Object", state.get("inputs") or {})
    if state.get("type") == _IMAGE:
        tags = cast("Sequence[str]", found.get("tags") or ())
        return tags[0] if tags and tags[0] != _UNKNOWN else ""
    for key in ("spec", "template", "spec"):
        found = cast("_Object", found.get(key) or {})
    containers = cast("Sequence[Mapping[str, str]]", found.get("containers") or ())
    image = containers[0].get("image", "") if containers else ""
    return "" if image == _UNKNOWN else image.partition("@")[0]
