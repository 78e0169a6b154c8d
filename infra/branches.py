"""The branches that are deployed: what each one's environment is for, and whose trust its code has.

A trust domain is an agent's label, an IAM role and a Kubernetes group in one: what may be reached from one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

PREVIEW: Final = "preview"
"""Code of a pull request, which nobody has looked at: it reads, and changes nothing."""
OPEN: Final = "open"
"""Code that somebody with the right to push has put on a branch, without a review."""
DEPLOY: Final = "deploy"
"""Code that the owners of the repository have reviewed."""

PRODUCTION: Final = "production"

Agents = Mapping[str, Sequence[str]]
"""By agent that changes something, the trust domains whose environments it deploys."""

AGENTS: Final[Mapping[str, Agents]] = {
    "separate": {OPEN: (OPEN,), DEPLOY: (DEPLOY,)},
    # Whoever may push to a branch without a review then has the rights of all.
    "shared": {DEPLOY: (OPEN, DEPLOY)},
}
"""The ways to share agents, and with them roles, by what `smallcase:agents` says."""


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
        Branch(name="master", purpose=PRODUCTION, domain=DEPLOY),
    )
}
"""In order of promotion, each into the next."""


def agent_for(domain: str, agents: Agents) -> str:
    """The agent that deploys the environments of a trust domain, and the role with its rights."""
    return next(agent for agent, domains in agents.items() if domain in domains)


def group(domain: str) -> str:
    """The Kubernetes group whose member a trust domain's role is."""
    return f"smallcase:{domain}"
