"""The branches that are deployed: what each one's environment is for, and whose trust its code has.

A trust domain is an agent's label, an IAM role and a Kubernetes group in one: what may be reached from one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

PREVIEW: Final = "preview"
"""Code of a pull request, which nobody has looked at: it reads, and changes nothing."""
OPEN: Final = "open"
"""Code that somebody with the right to push has put on a branch, without a review."""
DEPLOY: Final = "deploy"
"""Code that the owners of the repository have reviewed."""


@final
@dataclass(frozen=True, kw_only=True)
class Branch:
    """A branch that has an environment. Which stack deploys it is said once, in `Pulumi.<stack>.yaml`."""

    name: str
    purpose: str
    """What its environment is for: production, staging or development."""
    domain: str
    """The trust domain in which it is built and deployed."""


BRANCHES: Final[Mapping[str, Branch]] = {
    branch.name: branch
    for branch in (
        Branch(name="develop", purpose="development", domain=OPEN),
        Branch(name="staging", purpose="staging", domain=DEPLOY),
        Branch(name="master", purpose="production", domain=DEPLOY),
    )
}
"""In order of promotion, each into the next."""


def group(domain: str) -> str:
    """The Kubernetes group whose member a trust domain's role is."""
    return f"smallcase:{domain}"
