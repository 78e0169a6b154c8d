"""The provider plugins that agents have, those of an environment, each with the checksum of its archive."""

from dataclasses import dataclass
from typing import final

from infra import versions


@final
@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin of Pulumi for linux-amd64."""

    name: str
    version: str
    sha256: str
    """Empty where nobody has pinned it: agents refuse it then."""

    @property
    def pin(self) -> str:
        """What the checksum is called in `infra/versions.py`."""
        return f"PULUMI_{self.name.upper().replace('-', '_')}_SHA256"

    @property
    def archive(self) -> str:
        return f"pulumi-resource-{self.name}-v{self.version}-linux-amd64.tar.gz"


def plugins() -> tuple[Plugin, ...]:
    """All of them, as `infra/versions.py` has them."""
    return (
        Plugin(name="aws", version=versions.PULUMI_AWS, sha256=versions.PULUMI_AWS_SHA256),
        Plugin(name="docker-build", version=versions.PULUMI_DOCKER_BUILD, sha256=versions.PULUMI_DOCKER_BUILD_SHA256),
        Plugin(name="kubernetes", version=versions.PULUMI_KUBERNETES, sha256=versions.PULUMI_KUBERNETES_SHA256),
    )
