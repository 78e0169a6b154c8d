"""What GitHub enforces on the branches, as far as it can; where a pull request comes from, the pipeline checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias, final

import pulumi
import pulumi_github as github

from infra.branches import BRANCHES, DEPLOY, OPEN
from infra.settings import GitHub, SettingsError

REVIEWED: Final = tuple(branch.name for branch in BRANCHES.values() if branch.domain == DEPLOY)
"""Branches that take pull requests only."""
DIRECT: Final = tuple(branch.name for branch in BRANCHES.values() if branch.domain == OPEN)
"""Branches that people commit to."""
ROLES: Final = {"maintain": 2, "write": 4, "admin": 5}
"""Who may push, by GitHub's number of the role (the provider's own documentation of `bypass_actors` has the list).

An app has permissions and no role, so no role's bypass covers it. GitHub's documentation lists apps as actors of their
own (https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-rulesets/creating-rulesets-for-a-repository),
and somebody measured it: an installation's token is refused where all three bypass
(https://github.com/M4i-Imaging-Mass-Spectrometry/thyra/pull/149).
"""
OWNERS: Final = Path(".github") / "CODEOWNERS"
"""Who owns the code. It is not part of this program: it names people."""

Actor: TypeAlias = github.RepositoryRulesetBypassActorArgsDict


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
        self._child = pulumi.ResourceOptions(parent=self)
        self._repository = repository.name
        for branch in REVIEWED:
            ref = f"refs/heads/{branch}"
            self._ruleset(
                branch, f"{branch}: reviewed and tested pull requests only", ref, _reviewed(branch, repository)
            )
        # Whoever bypasses a ruleset bypasses all of its rules: what has an exception has a ruleset of its own.
        for branch in DIRECT:
            ref = f"refs/heads/{branch}"
            self._ruleset(branch, f"{branch}: never rewritten", ref, {"deletion": True, "non_fast_forward": True})
            self._ruleset(f"{branch}-people", f"{branch}: people only", ref, {"update": True}, people(repository))
        tags = "refs/tags/v*"
        self._ruleset("releases", "releases: never moved", tags, {"deletion": True, "update": True})
        app: Actor = {"actor_type": "Integration", "actor_id": repository.app, "bypass_mode": "always"}
        self._ruleset("releases-app", "releases: the pipeline only", tags, {"creation": True}, [app])
        self.register_outputs({})

    def _ruleset(
        self,
        name: str,
        title: str,
        ref: str,
        rules: github.RepositoryRulesetRulesArgsDict,
        bypass: Sequence[Actor] = (),
    ) -> None:
        github.RepositoryRuleset(
            name,
            name=title,
            repository=self._repository,
            target="tag" if ref.startswith("refs/tags/") else "branch",
            enforcement="active",
            conditions={"ref_name": {"includes": [ref], "excludes": []}},
            rules=rules,
            bypass_actors=list(bypass) or None,
            opts=self._child,
        )


def people(repository: GitHub) -> list[Actor]:
    """Who updates a branch that takes commits: a team where one is named, else everybody who may push; never an app.

    They are exempt: with `always`, GitHub asks them to confirm a bypass each time they merge.
    """
    if repository.developers:
        team = github.get_team(slug=repository.developers, summary_only=True)
        return [{"actor_type": "Team", "actor_id": int(team.id), "bypass_mode": "exempt"}]
    return [
        {"actor_type": "RepositoryRole", "actor_id": role, "bypass_mode": "exempt"} for role in sorted(ROLES.values())
    ]


def _reviewed(branch: str, repository: GitHub) -> github.RepositoryRulesetRulesArgsDict:
    return {
        "deletion": True,
        "non_fast_forward": True,
        "pull_request": {
            # A squashed commit would be on this branch alone, and the flow check refuses such.
            "allowed_merge_methods": ["merge"],
            "dismiss_stale_reviews_on_push": True,
            "require_code_owner_review": repository.approvals > 0,
            "require_last_push_approval": repository.approvals > 0,
            # By target alone: GitHub knows no number for where a pull request comes from, a hotfix for instance.
            "required_approving_review_count": repository.approvals,
            "required_review_thread_resolution": True,
        },
        "required_status_checks": {
            "required_checks": [{"context": ready_for(branch), "integration_id": repository.app}],
            # Being up to date would ask for merges from the target into the source: against the flow.
            "strict_required_status_checks_policy": False,
        },
    }


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
