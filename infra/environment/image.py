"""The application's image: built from `app/`, pushed, and known by its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pulumi
import pulumi_docker_build as docker_build

from infra import revision
from infra.environment.context import EPOCH, lay_out
from infra.image_reference import ImageReference, tag
from infra.names import physical_name
from infra.settings import SettingsError


@final
@dataclass(frozen=True, kw_only=True)
class ImageArgs:
    """An image for one environment."""

    environment: str
    root: Path
    """The checkout, which holds `app/`."""
    base_image: str | None
    deployed: ImageReference | None
    """An image that exists already, deployed as it is."""
    repository_url: pulumi.Input[str]


@final
class Image(pulumi.ComponentResource):
    """One image serves every environment: the same commit of `app/` gives the same digest, wherever it is built."""

    reference: pulumi.Output[str]
    """repository:tag@digest."""
    commit: pulumi.Output[str]
    """The one that was built into it. An update of other resources alone leaves the image, and so this, as it was."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:environment:Image", name, {}, opts)
        if args.deployed is not None:
            self.reference = self._adopt(args, args.deployed)
        else:
            self.reference = self._build(args, revision.read(args.root))
        self.commit = self.reference.apply(lambda text: ImageReference.parse(text).commit)
        self.register_outputs({"reference": self.reference})

    def _adopt(self, args: ImageArgs, image: ImageReference) -> pulumi.Output[str]:
        """Give another environment's image a tag of this one's too, or it would expire with the other's.

        The tag is an index of that one image: it is as new as the promotion, and what an index refers to does not
        expire before it (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html).
        """
        repository = pulumi.Output.from_input(args.repository_url).apply(
            lambda url: require_from(url, image, args.environment)
        )
        if image.environment == args.environment:
            return repository.apply(lambda _: str(image))
        index = docker_build.Index(
            "promoted",
            tag=repository.apply(lambda url: f"{url}:{promoted_tag(args.environment, image)}"),
            sources=[str(image)],
            # The next promotion replaces it, and the way back needs it.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        # What is deployed is known in a preview, and waits for its tag all the same.
        return index.urn.apply(lambda _: str(image))

    def _build(self, args: ImageArgs, source: revision.Revision) -> pulumi.Output[str]:
        repository = pulumi.Output.from_input(args.repository_url)
        build = arguments(source, args.base_image, lay_out(source.app), push=True)
        build.tags = [repository.apply(lambda url: f"{url}:{tag(args.environment, source.commit, args.base_image)}")]
        # Deleting the resource would delete the digest, which another environment may be running.
        image = docker_build.Image("image", build, pulumi.ResourceOptions(parent=self, retain_on_delete=True))
        return image.ref


def require_from(repository: str, image: ImageReference, environment: str) -> str:
    """The repository, if it is the image's too: another one is filled by whoever may push there.

    Raises:
        SettingsError: the image is of another repository.
    """
    if image.repository != repository:
        raise SettingsError(
            f"smallcase:image is {str(image)!r}, which is not of {repository!r}. An environment takes images of "
            "its own trust domain's repository: whoever may push to another would decide what runs here. The same "
            "commit built here gives the same digest: "
            f"`pulumi config set smallcase:image build -s {environment}`."
        )
    return repository


def promoted_tag(environment: str, image: ImageReference) -> str:
    """The tag by which an environment keeps another one's image: `blue-<commit>-from-green`. It says where from,
    because the environment may have built the same commit itself, under a tag that cannot change."""
    built = image.tag.removeprefix(f"{image.environment}-")
    # https://docs.docker.com/reference/cli/docker/image/tag/: 128 characters.
    return physical_name(environment, built, "from", image.environment, limit=128)


def arguments(
    source: revision.Revision, base_image: str | None, context: Path, *, push: bool
) -> docker_build.ImageArgs:
    """What makes an image the one that it is, from the folder that `lay_out` has written."""
    exporter = f"type=image,push={str(push).lower()},oci-mediatypes=true,rewrite-timestamp=true"
    return docker_build.ImageArgs(
        context=docker_build.BuildContextArgs(location=str(context)),
        dockerfile=docker_build.DockerfileArgs(location=str(context / "Dockerfile")),
        build_args=build_arguments(source, base_image),
        # EKS on Fargate has no Arm: https://docs.aws.amazon.com/eks/latest/userguide/fargate.html
        platforms=[docker_build.Platform.LINUX_AMD64],
        exports=[docker_build.ExportArgs(raw=exporter)],
        push=False,
        # Where a pull request is previewed there is nothing to build with.
        build_on_preview=False,
    )


def build_again(root: Path, base_image: str | None) -> None:
    """A program of its own: build the image of a checkout once more, from nothing that an earlier build left, and push
    nothing. The stack's output `digest` says what came of it.

    It has to run in a directory of its own: BuildKit knows the files of a folder by its path.
    """
    source = revision.read(root)
    build = arguments(source, base_image, lay_out(source.app), push=False)
    build.no_cache = build.pull = True
    pulumi.export("digest", docker_build.Image("image", build).digest)


def build_arguments(source: revision.Revision, base_image: str | None) -> Mapping[str, str]:
    """Arguments of the build, all of them functions of `app/` and the base alone."""
    arguments = {"REVISION": source.app_commit, "SOURCE_DATE_EPOCH": str(EPOCH)}
    return {**arguments, "BASE": base_image} if base_image else arguments
