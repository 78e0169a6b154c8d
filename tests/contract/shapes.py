"""Inputs of a resource in the words of another description of it: CloudFormation's, or those of an API call."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, final

from rehearsal.cloud.properties import Properties, Value

Node = Mapping[str, object]
"""A part of a JSON schema."""


class UnmappedError(Exception):
    """An input that has no counterpart."""


@final
@dataclass(frozen=True, kw_only=True)
class Words:
    """How a description says what Pulumi says. It goes by its own names: they differ in case, in number, and in the
    name of the type before them.

    Parameters:
        schema: the description, as a JSON schema whose references all begin with `#/`.
        type: last part of Pulumi's type token.
        names: what is called otherwise, at any depth. Each value has paths to choose from, the first that exists; a
            path leads through objects and lists of one.
    """

    schema: Node
    type: str
    names: Mapping[str, str]

    def said(self, inputs: Properties) -> tuple[Properties, frozenset[str]]:
        """The inputs in these words, and the keys of those that have none.

        Raises:
            UnmappedError: a key within an input has no counterpart.
        """
        said: Properties = {}
        paths = {key: self._path(key, self.schema) for key in inputs}
        for key, path in paths.items():
            if path:
                self._put(said, self.schema, path, inputs[key])
        return said, frozenset(key for key, path in paths.items() if not path)

    def _path(self, key: str, node: Node) -> list[str]:
        for path in self.names.get(key, "").split():
            if found := self._follow(path.split("."), node):
                return found
        # `type` of VpcEndpoint may be VpcEndpointType or EndpointType. A block of Terraform's is plural to Pulumi.
        words = re.findall("[A-Z][a-z0-9]*", self.type)
        for owner in ("", *("".join(words[start:]) for start in range(len(words)))):
            for name in (key, key.removesuffix("s"), f"{key}s"):
                if found := self._follow([f"{owner}{name}"], node):
                    return found
        return []

    def _follow(self, path: Sequence[str], node: Node) -> list[str]:
        """The path as the schema spells it, empty where it has none."""
        found: list[str] = []
        for name in path:
            node = self._resolve(node)
            node = self._resolve(cast("Node", node["items"])) if "items" in node else node
            known = cast("Mapping[str, Node]", node.get("properties") or {})
            spelt = {one.lower(): one for one in known}.get(name.lower())
            if spelt is None:
                return []
            found.append(spelt)
            node = known[spelt]
        return found

    def _resolve(self, node: Node) -> Node:
        while "$ref" in node:
            path, node = str(node["$ref"]), self.schema
            for part in path.removeprefix("#/").split("/"):
                node = cast("Node", node[part])
        return node

    def _put(self, into: Properties, node: Node, path: Sequence[str], value: Value) -> None:
        name, *rest = path
        part = self._resolve(cast("Mapping[str, Node]", node["properties"])[name])
        if not rest:
            into[name] = self._shaped(value, part)
        elif "items" in part:
            [only] = cast("list[Properties]", into.setdefault(name, [{}]))
            self._put(only, self._resolve(cast("Node", part["items"])), rest, value)
        else:
            self._put(cast("Properties", into.setdefault(name, {})), part, rest, value)

    def _shaped(self, value: Value, node: Node) -> Value:
        """A value in the form of its place."""
        node = self._resolve(node)
        kind = node.get("type") or ("object" if "properties" in node else "")
        match kind if isinstance(kind, str) else cast("list[str]", kind)[0]:
            case "array":
                return self._list(value, self._resolve(cast("Node", node["items"])))
            case "object":
                return self._object(value, node)
            case "string" if isinstance(value, bool | dict | list):
                return json.dumps(value)
            case "string" if isinstance(value, float):
                return f"{value:.15g}"
            case "integer" if isinstance(value, float) and value.is_integer():
                return int(value)
            case _:
                return value

    def _list(self, value: Value, items: Node) -> Value:
        known = list(cast("Mapping[str, Node]", items.get("properties") or {}))
        if isinstance(value, dict) and len(known) == 2 and known[1].lower().endswith(("value", "values")):
            form = cast("Mapping[str, Node]", items["properties"])[known[1]]
            return [{known[0]: key, known[1]: self._shaped(item, form)} for key, item in value.items()]
        listed = value if isinstance(value, list) else [value]
        if len(known) == 1 and not any(isinstance(item, dict) for item in listed):
            return [{known[0]: item} for item in listed]
        return [self._shaped(item, items) for item in listed]

    def _object(self, value: Value, node: Node) -> Value:
        if isinstance(value, str):
            return cast("Value", json.loads(value))
        if isinstance(value, list) and len(value) == 1:
            [value] = value
        if not isinstance(value, dict):
            return value
        if not node.get("properties"):
            each = node.get("additionalProperties")
            form: Node = cast("Node", each) if isinstance(each, dict) else {}
            return {key: self._shaped(item, form) for key, item in value.items()}
        said: Properties = {}
        for key, item in value.items():
            path = self._path(key, node)
            if not path:
                raise UnmappedError(f"{self.type}: {sorted(cast('Node', node['properties']))} have no {key}")
            self._put(said, node, path, item)
        return said
