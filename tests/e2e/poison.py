"""What somebody does who has the registry's password, or was on the agent, and wants to be in production: a cache of an
honest build in which one layer holds a file more."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from infra import revision
from infra.environment.context import lay_out
from infra.environment.image import build_arguments
from rehearsal import places
from tests.e2e.conftest import Rehearsal

CACHE: Final = "cache-app"
FOLDER: Final = "srv/packages/"
FILE: Final = f"{FOLDER}poison"

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_DIFF: Final = "containerd.io/uncompressed"

Descriptor = dict[str, object]


@final
@dataclass(frozen=True, kw_only=True)
class Attacker:
    """Somebody who reaches the registry and the BuildKit of a rehearsal."""

    rehearsal: Rehearsal
    repository: str

    def build(self, root: Path, folder: Path, *options: str) -> None:
        """Build a checkout's application as the program does, with its cache, and push nothing."""
        node, source = self.rehearsal.standing.node, revision.read(root)
        folder.mkdir(exist_ok=True)
        context = lay_out(source.app, folder)
        given = build_arguments(source, node.base_image)
        self._buildctl(
            *("build", "--progress=plain", "--frontend=dockerfile.v0", *options),
            *(f"--opt=build-arg:{name}={value}" for name, value in given.items()),
            *(f"--local=context={context}", f"--local=dockerfile={context}", "--opt=platform=linux/amd64"),
            "--output=type=image,push=false,oci-mediatypes=true,rewrite-timestamp=true",
        )

    def forget(self) -> None:
        """Empty BuildKit's own cache."""
        self._buildctl("prune", "--all")

    def poison_registry(self, root: Path, folder: Path) -> None:
        """Push the cache of an honest build under the tag CACHE, with FILE in the layer of the packages."""
        to = f"type=registry,ref={places.REGISTRY}/{self.repository}:honest,mode=max,image-manifest=true"
        self.build(root, folder, f"--export-cache={to},oci-mediatypes=true")
        manifest = self._json("manifests/honest")
        config = self._json(f"blobs/{cast('Descriptor', manifest['config'])['digest']}")
        layers = cast("list[Descriptor]", manifest["layers"])
        # Compiled, they are in another layer once more.
        with_packages = [layer for layer in layers if self._has_packages(str(layer["digest"]))]
        honest = max(with_packages, key=lambda layer: cast("int", layer["size"]))
        poisoned = self._poisoned(honest)
        manifest["layers"] = [poisoned if layer is honest else layer for layer in layers]
        for entry in cast("list[Descriptor]", config["layers"]):
            if entry["blob"] == honest["digest"]:
                entry["blob"] = poisoned["digest"]
        written = json.dumps(config).encode()
        manifest["config"] = {**cast("Descriptor", manifest["config"]), **self._push(written)}
        self._ask("PUT", f"manifests/{CACHE}", json.dumps(manifest).encode(), {"Content-Type": _MANIFEST})

    def poison_agent(self, root: Path, folder: Path) -> None:
        """Let BuildKit take the poisoned layer into its own cache."""
        self.build(root, folder, f"--import-cache=type=registry,ref={places.REGISTRY}/{self.repository}:{CACHE}")

    def _has_packages(self, digest: str) -> bool:
        with tarfile.open(fileobj=io.BytesIO(self._ask("GET", f"blobs/{digest}")), mode="r:*") as layer:
            return any(name.startswith(FOLDER) for name in layer.getnames())

    def _poisoned(self, layer: Descriptor) -> Descriptor:
        content = io.BytesIO(gzip.decompress(self._ask("GET", f"blobs/{layer['digest']}")))
        with tarfile.open(fileobj=content, mode="a") as tar:
            tar.addfile(tarfile.TarInfo(FILE))
        plain = content.getvalue()
        diff = f"sha256:{hashlib.sha256(plain).hexdigest()}"
        annotations = {**cast("Descriptor", layer.get("annotations") or {}), _DIFF: diff}
        return {**layer, **self._push(gzip.compress(plain, mtime=0)), "annotations": annotations}

    def _push(self, blob: bytes) -> Descriptor:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        address = f"http://{places.REGISTRY}/v2/{self.repository}/blobs/uploads/"
        with urlopen(self._request("POST", address), timeout=60) as begun:  # noqa: S310
            place = urljoin(address, begun.headers["Location"])
        with urlopen(self._request("PUT", f"{place}&digest={digest}", blob), timeout=60):  # noqa: S310
            return {"digest": digest, "size": len(blob)}

    def _json(self, path: str) -> Descriptor:
        return cast("Descriptor", json.loads(self._ask("GET", path, headers={"Accept": _MANIFEST})))

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        address = f"http://{places.REGISTRY}/v2/{self.repository}/{path}"
        with urlopen(self._request(method, address, body, headers), timeout=60) as answer:  # noqa: S310
            return cast("bytes", answer.read())

    def _request(
        self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Request:
        password = self.rehearsal.standing.node.files.registry_password.read_text(encoding="utf-8").strip()
        authorization = f"Basic {base64.b64encode(f'AWS:{password}'.encode()).decode()}"
        # urllib would say that it is a form, which the registry would then read as one.
        own = {"Authorization": authorization, "Content-Type": "application/octet-stream", **(headers or {})}
        return Request(address, body, own, method=method)  # noqa: S310

    def _buildctl(self, *arguments: str) -> None:
        node = self.rehearsal.standing.node
        done = subprocess.run(
            [node.tools.buildctl, f"--addr=unix://{node.files.buildkit_socket}", *arguments],
            env=self.rehearsal.standing.variables,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
