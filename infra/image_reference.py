"""How an image is named: repository, a tag that says which environment and commit, and the digest that counts."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self, final

_REFERENCE: Final = re.compile(
    r"(?P<repository>[a-z0-9][a-z0-9._:/-]*/[a-z0-9._/-]+):(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})@(?P<digest>sha256:[0-9a-f]{64})"
)
_TAG: Final = re.compile(
    r"(?P<environment>.+?)-(?P<commit>[0-9a-f]{12}(-dirty-[0-9a-f]{8})?)(-base-[0-9a-f]{8})?(-from-.+)?"
)


@final
@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """An image by tag and digest. Kubernetes pulls the digest; the tag tells where it comes from."""

    repository: str
    tag: str
    digest: str
    environment: str
    """The one whose tag it is."""
    commit: str
    """The commit it was built from, `-dirty-<hash>` included where the tree had changes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `repository:environment-commit@sha256:…`, as `infra.environment.image` writes it.

        Raises:
            ValueError: it is not pinned by digest, or its tag does not say which commit it was built from.
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise ValueError("an image is named repository:tag@sha256:<64 hex digits>")
        tag = _TAG.fullmatch(match["tag"])
        if tag is None:
            raise ValueError(f"the tag {match['tag']!r} does not say which environment and commit it was built for")
        return cls(**match.groupdict(), environment=tag["environment"], commit=tag["commit"])

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


def tag(environment: str, commit: str, base_image: str | None) -> str:
    """The immutable tag of one environment's image of one commit, on another base than the Dockerfile's if so."""
    # Another base gives another digest, which the registry would refuse under the same tag.
    base = f"-base-{hashlib.sha256(base_image.encode()).hexdigest()[:8]}" if base_image else ""
    return f"{environment}-{commit}{base}"
