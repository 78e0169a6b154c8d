"""The `docker-build` provider without a builder: a digest of what would have been built, for its resources Image and
Index. For tests only."""

import hashlib
import json
from pathlib import Path
from typing import Final

from rehearsal.cloud.properties import Properties, object_at, text_at
from rehearsal.cloud.refusal import CloudError

IMAGE: Final = "docker-build:index:Image"
INDEX: Final = "docker-build:index:Index"

COMPUTED: Final = ("contextHash", "digest", "ref")


def context_hash(inputs: Properties, directory: Path) -> str:
    """A digest of the names, modes and contents of the build context and of the Dockerfile; relative paths start at
    `directory`.

    Raises `CloudError` where either does not exist.
    """
    digest = hashlib.sha256()
    locations = (text_at(object_at(inputs, key), "location") for key in ("context", "dockerfile"))
    for root in (directory / location for location in locations if location):
        if not root.exists():
            raise CloudError(f"the build context has no {root}: no such file or directory")
        files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
        for path in files:
            if "__pycache__" not in path.parts:
                about = f"{path.relative_to(root)}\0{path.stat().st_mode:o}\0"
                digest.update(about.encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def digest(inputs: Properties, directory: Path) -> str:
    """What the image would be: the context and the build's arguments, of an index its sources. Tags and passwords do
    not change it."""
    build = {key: inputs.get(key) for key in ("buildArgs", "labels", "platforms", "sources", "target")}
    content = context_hash(inputs, directory) + json.dumps(build, sort_keys=True)
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def tags(inputs: Properties) -> list[str]:
    """What is pushed, by repository and tag."""
    given = inputs.get("tags")
    listed = given if isinstance(given, list) else [inputs.get("tag")]
    return [tag for tag in listed if isinstance(tag, str)]


def outputs(inputs: Properties, directory: Path) -> Properties:
    image, names = digest(inputs, directory), tags(inputs)
    pushed = bool(inputs.get("push") or inputs.get("exports") or inputs.get("sources"))
    ref = f"{names[0]}@{image}" if names and pushed else image
    return {**inputs, "contextHash": context_hash(inputs, directory), "digest": image, "ref": ref}


def difference(new: Properties, outputs: Properties, directory: Path) -> dict[str, str]:
    """A changed context changes the image even where no input did."""
    return {} if context_hash(new, directory) == outputs.get("contextHash") else {"contextHash": "UPDATE"}
