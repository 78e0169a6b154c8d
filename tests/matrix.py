"""What each role reaches of each environment, asked of the program's own policies, and docs/trust.md's table of it.

`python -m tests.matrix` writes the table anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from infra.branches import BRANCHES, OPEN
from tests.cluster_rights import admits, granted
from tests.graph import WITH_DOMAIN, ZONE, Graph, platform
from tests.iam import ACCOUNT, Context, permits
from tests.policies import Statement, of_role
from tests.stack_files import CHECKOUT, own_values

PAGE: Final = CHECKOUT / "docs" / "trust.md"
BEGIN: Final = "<!-- evaluated -->\n"
END: Final = "<!-- end -->\n"
ROLES: Final = ("preview", "open", "deploy", "controller")

BUCKET: Final = f"arn:aws:s3:::smallcase-state-{ACCOUNT}-us-east-1"
OBJECTS: Final = (
    "stacks/smallcase/{0}.json",
    "stacks/smallcase/{0}.json.bak",
    "history/smallcase/{0}/{0}-1.history.json",
    "backups/smallcase/{0}/{0}.1.json",
    "locks/organization/smallcase/{0}/1.json",
)
PUSH: Final = ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
KINDS: Final = (
    ("apps", "Deployment", "deployments"),
    ("", "Service", "services"),
    ("networking.k8s.io", "Ingress", "ingresses"),
    ("", "Namespace", "namespaces"),
)


@final
@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a role may reach."""

    title: str
    stack: str
    repository: str
    namespace: str
    cluster: str = "smallcase-platform"
    name: str


@final
@dataclass(frozen=True, kw_only=True)
class Role:
    """Who reaches it."""

    label: str
    graph: Graph
    held: Sequence[Statement]

    def state(self, of: Subject) -> str:
        """The bucket's objects that Pulumi keeps of a stack."""
        *_, lock = keys = [f"{BUCKET}/.pulumi/{key.format(of.stack)}" for key in OBJECTS]
        assert not any(self._may("s3:DeleteObject", key) for key in keys if key != lock), "a trace can be taken back"
        changes = [*(self._may("s3:PutObject", key) for key in keys), self._may("s3:DeleteObject", lock)]
        return _word([self._may("s3:GetObject", keys[0])], changes)

    def images(self, of: Subject) -> str:
        """The repository of its trust domain."""
        repository = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{of.repository}"
        reads = [self._may("ecr:BatchGetImage", repository)]
        return _word(reads, [self._may(action, repository) for action in PUSH])

    def objects(self, of: Subject) -> str:
        """What is in its namespace, and that itself."""
        cluster = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/{of.cluster}"
        entries = {entry.name for entry in self.graph.of("aws:eks/accessEntry:AccessEntry")}
        if self.label not in entries or not self._may("eks:DescribeCluster", cluster):
            return _word([False], [False])
        held = granted(self.graph, self.label)
        changes = [
            (group, resource, verb) in held
            and admits(self.graph, self.label, operation, kind, group=group, namespace=of.namespace, name=of.namespace)
            for group, kind, resource in KINDS
            for verb, operation in (("create", "CREATE"), ("patch", "UPDATE"), ("delete", "DELETE"))
        ]
        return _word([(group, resource, "get") in held for group, _, resource in KINDS], changes)

    def name(self, of: Subject) -> str:
        """The address record of its name, where there is a domain."""
        zone, change = f"arn:aws:route53:::hostedzone/{ZONE}", "route53:ChangeResourceRecordSets"
        asked: Context = {f"{change}NormalizedRecordNames": [of.name], f"{change}RecordTypes": ["A"]}
        return _word([self._may("route53:ListResourceRecordSets", zone)], [self._may(change, zone, asked)])

    def _may(self, action: str, resource: str, context: Context | None = None) -> bool:
        return permits(self.held, action, resource, context)


def subjects() -> Iterator[Subject]:
    """The committed environments, the platform, and an environment of another platform in the account."""
    for stack in ("develop", "green", "blue"):
        branch = BRANCHES[str(own_values(stack)["smallcase:branch"])]
        yield Subject(
            title=f"`{stack}` ({branch.purpose})",
            stack=stack,
            repository="smallcase-platform" + (f"-{OPEN}" if branch.domain == OPEN else ""),
            namespace=f"smallcase-{stack}",
            name=f"{stack}.example.org",
        )
    yield Subject(
        title="the platform itself",
        stack="platform",
        repository="none",
        namespace="kube-system",
        name="jenkins.example.org",
    )
    yield Subject(
        title="another platform's in the account",
        stack="other",
        repository="smallcase-second",
        namespace="smallcase-other",
        cluster="smallcase-second",
        name="other.example.org",
    )


def table() -> str:
    """A row for each role and what it is asked about."""
    graph = platform(**WITH_DOMAIN)
    lines = ["| role | of | state | images | namespace | name |", "|---|---|---|---|---|---|"]
    for label in ROLES:
        role = Role(label=label, graph=graph, held=of_role(graph, label))
        for subject in subjects():
            cells = (ask(subject) for ask in (role.state, role.images, role.objects, role.name))
            lines.append(f"| `{label}` | {subject.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _word(reads: Iterable[bool], changes: Iterable[bool]) -> str:
    """How far a role gets: all the way, or no step."""
    may_read, may_change = set(reads), set(changes)
    assert len(may_read) == len(may_change) == 1, "a role that reaches a part has a right too many or too few"
    return "changes" if True in may_change else "reads" if True in may_read else ""


def write() -> None:
    """Put the table where the page has it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    write()
