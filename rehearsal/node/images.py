"""The two images that come from no registry: the base of every build, and the one that holds a pod open."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast, final

from rehearsal import places
from rehearsal.node.configuration import CREDENTIAL_HELPERS
from rehearsal.node.files import NodeFiles
from rehearsal.progress import Progress, RehearsalError
from rehearsal.toolchain.pins import BASE_IMAGE_EPOCH
from rehearsal.toolchain.tools import RehearsalTools

BASE: Final = "base"
PAUSE: Final = "pause"

BASE_DOCKERFILE: Final = """\
FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
"""
PAUSE_DOCKERFILE: Final = """\
FROM scratch
COPY --chmod=0755 pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]
"""


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """What an image is made of: a Dockerfile and the one file it takes, under the file's own name."""

    dockerfile: str
    file: Path


def pushed_images(files: NodeFiles) -> dict[str, str]:
    """The digest references of what was pushed, by name."""
    return cast("dict[str, str]", json.loads(files.images.read_bytes())) if files.images.exists() else {}


def push_images(files: NodeFiles, tools: RehearsalTools, progress: Progress) -> dict[str, str]:
    """Push the two images unless the registry of this rehearsal has them; their digest references by name."""
    sources = {
        BASE: Source(dockerfile=BASE_DOCKERFILE, file=tools.base_image),
        PAUSE: Source(dockerfile=PAUSE_DOCKERFILE, file=tools.pause),
    }
    known = pushed_images(files)
    for name, image in sources.items():
        # The path of a file in the cache holds the key of its content.
        made_from = f"{image.dockerfile}{image.file}"
        if known.get(f"{name}-source") == made_from:
            continue
        with progress.step(f"pushing the image {name} to {places.REGISTRY}"):
            known[name] = _push(files, tools, name, image)
        known[f"{name}-source"] = made_from
        unfinished = files.images.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(known), encoding="utf-8")
        unfinished.replace(files.images)
    return known


def _push(files: NodeFiles, tools: RehearsalTools, name: str, image: Source) -> str:
    with TemporaryDirectory(dir=files.run) as temporary:
        context = Path(temporary)
        (context / "Dockerfile").write_text(image.dockerfile, encoding="utf-8")
        try:
            os.link(image.file, context / image.file.name)
        except OSError:
            shutil.copy2(image.file, context / image.file.name)
        answer = context / "answer.json"
        # Not compressed: it never leaves this machine.
        target = f"type=image,name={places.REGISTRY}/{name}:rehearsal,push=true"
        built = subprocess.run(
            [
                str(tools.buildctl),
                f"--addr=unix://{files.buildkit_socket}",
                "build",
                "--progress=plain",
                "--frontend=dockerfile.v0",
                # So that the same files give the same digest in every rehearsal.
                f"--opt=build-arg:SOURCE_DATE_EPOCH={BASE_IMAGE_EPOCH}",
                f"--local=context={context}",
                f"--local=dockerfile={context}",
                f"--output={target},oci-mediatypes=true,compression=uncompressed",
                f"--metadata-file={answer}",
            ],
            env={
                **os.environ,
                "AWS_PROFILE": "administrator",
                "DOCKER_CONFIG": str(files.docker),
                "PATH": os.pathsep.join([str(CREDENTIAL_HELPERS), os.environ.get("PATH", os.defpath)]),
                "SMALLCASE_REHEARSAL": str(files.state),
            },
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=300,
        )
        if built.returncode != 0:
            raise RehearsalError(
                f"The image {name} cannot be built and pushed:\n{built.stderr.strip()[-1500:]}",
                f"The logs are {files.logs}/buildkitd.log and {files.logs}/registry.log.",
            )
        digest = cast("dict[str, str]", json.loads(answer.read_bytes()))["containerimage.digest"]
    return f"{places.REGISTRY}/{name}@{digest}"
