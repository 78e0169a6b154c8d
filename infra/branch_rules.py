"""What GitHub enforces on the branches, as far as it can; where a pull request comes from, the pipeline checks."""

from pathlib import Path
from typing import Final, final

import pulumi
import pulumi_github as github

from infra.settings import GitHub, SettingsError

PROTECTED: Final = ("staging", "master")
"""Branches that take pull requests only. `develop` takes direct commits."""
OWNERS: Final = Path(".github") / "CODEOWNERS"
"""Who owns the code. It is not part of this program: it names people."""


@final
class BranchRules(pulumi.ComponentResource):
    """Rulesets for the three branches and for the tags of releases.

    They belong to the default provider, which takes `github:owner` from the configuration and GITHUB_TOKEN from the
    environment: an explicit provider would copy the token into the state.
    """

    def __init__(self, name: str, repository: GitHub, root: Path, opts: pulumi.ResourceOptions | None = None) -> None:
        """`root` is the checkout, which says who owns the code."""
        require_owners(repository, root)
        super().__init__("smallcase:github:BranchRules", name, {}, opts)
        for branch in PROTECTED:
            github.RepositoryRuleset(
                branch,
                name=f"{branch}: reviewed and tested pull requests only",
                repository=repository.name,
                target="branch",
                enforcement="active",
                conditions={"ref_name": {"includes": [f"refs/heads/{branch}"], "excludes": []}},
                rules={
                    "deletion": True,
                    "non_fast_forward": True,
                    "pull_request": {
                        # A squashed commit would be on this branch alone, and the flow check refuses such.
                        "allowed_merge_methods": ["merge"],
                        "dismiss_stale_reviews_on_push": True,
                        "require_code_owner_review": repository.approvals > 0,
                        "require_last_push_approval": repository.approvals > 0,
                        "required_approving_review_count": repository.approvals,
                        "required_review_thread_resolution": True,
                    },
                    "required_status_checks": {
                        "required_checks": [{"context": ready_for(branch), "integration_id": repository.app}],
                        # Being up to date would ask for merges from the target into the source: against the flow.
                        "strict_required_status_checks_policy": False,
                    },
                },
                opts=pulumi.ResourceOptions(parent=self),
            )
        github.RepositoryRuleset(
            "develop",
            name="develop: never rewritten",
            repository=repository.name,
            target="branch",
            enforcement="active",
            conditions={"ref_name": {"includes": ["refs/heads/develop"], "excludes": []}},
            rules={"deletion": True, "non_fast_forward": True},
            opts=pulumi.ResourceOptions(parent=self),
        )
        github.RepositoryRuleset(
            "releases",
            name="releases: never moved",
            repository=repository.name,
            target="tag",
            enforcement="active",
            conditions={"ref_name": {"includes": ["refs/tags/v*"], "excludes": []}},
            rules={"deletion": True, "update": True},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def require_owners(repository: GitHub, root: Path) -> None:
    """Without owners, GitHub would ask nobody for the review that the rules demand, and say nothing.

    Raises:
        SettingsError: a review is demanded, and nobody owns the code.
    """
    path = root / OWNERS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    named = any("@" in line.partition("#")[0] for line in lines)
    if repository.approvals > 0 and not named:
        raise SettingsError(
            f"{OWNERS} names nobody, so nobody would be asked for the owners' review that staging and master demand. "
            "Name a team or a person and commit it: "
            f"`mkdir -p {OWNERS.parent} && echo '* @{repository.owner}/TEAM' > {OWNERS}`. "
            f"Where nobody else could approve: `pulumi config set smallcase:approvals 0 -s {pulumi.get_stack()}`."
        )


def ready_for(branch: str) -> str:
    """The check that the Jenkinsfile reports for a pull request into a branch.

    It names the branch: a commit can head two pull requests at once, and being ready for one says nothing of the other.
    """
    return f"ready-for-{branch}"
