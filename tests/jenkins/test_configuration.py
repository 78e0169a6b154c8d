"""The controller's configuration: what it lets in, and that it fits the Jenkinsfile, the stacks and its own README."""

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import pytest
import yaml

from infra.branches import BRANCHES, DEPLOY, OPEN, PREVIEW, Branch
from pipeline.pulumi import PATIENCE
from tests.jenkins.agents import CONFIGURATION, by_label, nodes
from tests.jenkins.builds import JENKINSFILE, job_dsl
from tests.stack_files import CHECKOUT, STACKS, own_values

JENKINS: Final = CHECKOUT / "jenkins"
SCHEMA: Final = JENKINS / "jenkins.schema.yaml"

Tree = dict[str, object]


def configuration() -> Tree:
    return cast("Tree", yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")))


def at(tree: object, *path: str | int) -> object:
    for step in path:
        tree = cast("Mapping[str | int, object]", tree)[step]
    return tree


def put(*path: str | int, value: object) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        cast("dict[str | int, object]", at(tree, *path[:-1]))[path[-1]] = value

    return change


NODES: Final = ("jenkins", "nodes")
CREDENTIALS: Final = ("credentials", "system", "domainCredentials", 0, "credentials")
REFUSED: Final[Mapping[str, Callable[[Tree], None]]] = {
    "builds on the controller": put("jenkins", "numExecutors", value=2),
    "people who sign up by themselves": put("jenkins", "securityRealm", "local", "allowsSignup", value=True),
    "a port for agents that nobody uses": put("jenkins", "slaveAgentPort", value=50000),
    "a password in the file": put("jenkins", "securityRealm", "local", "users", 0, "password", value="hunter2"),
    "a private key in the file": put(
        *CREDENTIALS, 0, "basicSSHUserPrivateKey", "privateKeySource", "directEntry", "privateKey", value="-----BEGIN"
    ),
    "an agent for every job": put(*NODES, 3, "permanent", "nodeProperties", value=[]),
    "two builds at a time of one user": put(*NODES, 0, "permanent", "numExecutors", value=2),
    "pull requests that run as the user that logs in": put(
        *NODES, 0, "permanent", "launcher", "ssh", value={"host": "${AGENT_PREVIEW_HOST}", "port": 22}
    ),
    "an agent of no trust domain": put(*NODES, 1, "permanent", "name", value="any"),
    "an agent that takes any job": put(*NODES, 0, "permanent", "mode", value="NORMAL"),
    "an agent whose host key is not checked": put(
        *NODES,
        0,
        "permanent",
        "launcher",
        "ssh",
        "sshHostKeyVerificationStrategy",
        value="nonVerifyingKeyVerificationStrategy",
    ),
    "a token with every permission of the app": put(
        *CREDENTIALS, 1, "gitHubApp", "defaultPermissionsStrategy", value="INHERIT_ALL"
    ),
    "a token that writes, for every job": put(
        *CREDENTIALS, 1, "gitHubApp", "defaultPermissionsStrategy", value="CONTENTS_WRITE"
    ),
    "a key in a job": put("jobs", 0, "providedEnv", "GITHUB_APP_KEY", value="-----BEGIN"),
    "a misspelt key": put("jenkins", "numExecuters", value=0),
    "a permission that does not exist": put(
        "jenkins", "authorizationStrategy", "globalMatrix", "entries", 1, "group", "permissions", value=["Jobs/Read"]
    ),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the changes that the schema refuses; `as committed` among them if it refuses the file itself."""
    folder = tmp_path_factory.mktemp("configurations")
    (folder / "as committed.yaml").write_text(CONFIGURATION.read_text(encoding="utf-8"), encoding="utf-8")
    for name, change in REFUSED.items():
        tree = configuration()
        change(tree)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--output-format", "json", "--schemafile", SCHEMA, *sorted(folder.glob("*.yaml"))],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    answer = cast("dict[str, list[dict[str, str]]]", json.loads(done.stdout))
    assert not answer["parse_errors"]
    return {Path(error["filename"]).stem for error in answer["errors"]}


def test_the_configuration_fits_its_schema(refused: set[str]) -> None:
    assert "as committed" not in refused


@pytest.mark.parametrize("name", REFUSED)
def test_the_schema_refuses(refused: set[str], name: str) -> None:
    assert name in refused


REVIEWED: Final = "smallcase"
UNREVIEWED: Final = "smallcase-open"
JOBS: Final = (REVIEWED, UNREVIEWED)


@functools.cache
def jobs() -> Mapping[str, object]:
    """The multibranch jobs by name, as nested words."""
    said = cast("list[object]", at(job_dsl(str(at(configuration(), "jobs", 1, "script"))), "multibranchPipelineJob"))
    return dict(zip(map(str, said[::2]), said[1::2], strict=True))


def traits(job: str) -> Mapping[str, object]:
    path = ("branchSources", 0, "branchSource", 0, "source", 0, "github", 0, "traits", 0)
    return cast("Mapping[str, object]", at(jobs()[job], *path))


def job_of(head: str) -> list[str]:
    """The jobs that build a branch or a pull request of that name."""
    return [job for job in jobs() if re.fullmatch(str(at(traits(job), "headRegexFilter", 0, "regex", 0)), head)]


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=lambda branch: branch.name)
def test_a_branch_is_built_by_the_job_of_its_trust_domain(branch: Branch) -> None:
    assert job_of(branch.name) == [REVIEWED if branch.domain == DEPLOY else UNREVIEWED]


def test_every_branch_of_a_stack_is_built() -> None:
    assert {str(own_values(stack)["smallcase:branch"]) for stack in STACKS if stack != "platform"} == set(BRANCHES)


def test_pull_requests_are_built_where_nothing_is_reviewed_and_nothing_else_is_built() -> None:
    assert all(job_of(head) == [UNREVIEWED] for head in ("PR-1", "PR-123"))
    # A branch of such a name would wait for an agent that refuses it.
    assert not [head for head in ("feature/x", "PR-", "PR-x", "master2", "my-develop") if job_of(head)]


@pytest.mark.parametrize("job", JOBS)
def test_a_branch_is_built_even_while_it_heads_a_pull_request(job: str) -> None:
    assert at(traits(job), "gitHubBranchDiscovery", 0, "strategyId", 0) == 3


def test_pull_requests_of_forks_are_not_discovered_and_others_are_built_at_their_own_commit() -> None:
    branches = {"gitHubBranchDiscovery", "headRegexFilter", "cloneOption"}
    assert set(traits(REVIEWED)) == branches
    assert set(traits(UNREVIEWED)) == branches | {"gitHubPullRequestDiscovery"}
    assert at(traits(UNREVIEWED), "gitHubPullRequestDiscovery", 0, "strategyId", 0) == 2


@pytest.mark.parametrize("job", JOBS)
def test_a_clone_has_the_whole_history_all_branches_and_tags(job: str) -> None:
    option = at(traits(job), "cloneOption", 0, "extension", 0)
    assert [at(option, word, 0) for word in ("shallow", "noTags", "honorRefspec")] == [False, False, False]


@pytest.mark.parametrize("job", JOBS)
def test_what_web_hooks_miss_is_found_within_half_an_hour(job: str) -> None:
    interval = str(at(jobs()[job], "triggers", 0, "periodicFolderTrigger", 0, "interval", 0))
    assert re.fullmatch(r"\d+m", interval)
    assert int(interval[:-1]) <= 30


def takes(node: str, task: str) -> bool:
    """Whether the controller gives a task to an agent: by the job's full name, which no Jenkinsfile can change."""
    path = ("nodeProperties", 0, "jobRestrictionProperty", "jobRestriction", "regexNameRestriction", "regexExpression")
    return re.fullmatch(str(at(nodes()[node], *path)), task) is not None


def part_of(job: str, head: str) -> str:
    """The name of what asks for an agent in a build."""
    return f"{job}/{head}/part of {job} » {head} #3"


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=lambda branch: branch.name)
def test_the_agents_of_a_trust_domain_take_its_branches_and_no_others_do(branch: Branch) -> None:
    [job] = job_of(branch.name)
    task = part_of(job, branch.name)
    assert [node for node in nodes() if takes(node, task)] == [branch.domain, f"{branch.domain}-checks"]


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=lambda branch: branch.name)
def test_what_the_jenkinsfile_asks_for_on_a_branch_is_an_agent_of_its_domain(branch: Branch) -> None:
    assert by_label()[f"deploy-{branch.name}"] == branch.domain
    assert by_label()[f"checks-{branch.name}"] == f"{branch.domain}-checks"
    assert by_label()["preview"] == PREVIEW


def test_a_pull_request_gets_the_agent_of_pull_requests_whatever_its_jenkinsfile_asks_for() -> None:
    assert [node for node in nodes() if takes(node, part_of(UNREVIEWED, "PR-12"))] == [PREVIEW]


@pytest.mark.parametrize(
    "task",
    [
        # A branch can have any name, and a build any display name: what comes first is the job's.
        part_of(UNREVIEWED, "master"),
        part_of(UNREVIEWED, "staging"),
        part_of(REVIEWED, "PR-12"),
        part_of(REVIEWED, "develop"),
        part_of(REVIEWED, "master-2"),
        part_of(UNREVIEWED, "feature%2Fdevelop"),
        f"{UNREVIEWED}/PR-x/{REVIEWED}/master",
        f"other/{REVIEWED}/master",
        f"{UNREVIEWED}/develop\n{REVIEWED}/master",
        "other",
    ],
)
def test_no_agent_takes_a_job_of_another_name(task: str) -> None:
    assert [node for node in nodes() if takes(node, task)] == []


@pytest.mark.parametrize("domain", [OPEN, DEPLOY])
def test_deployments_and_checks_of_a_domain_share_a_host_and_neither_executors_nor_folders(domain: str) -> None:
    deploy, check = nodes()[domain], nodes()[f"{domain}-checks"]
    hosts = {str(at(node, "launcher", "ssh", "host")) for node in (deploy, check)}
    assert hosts == {f"${{AGENT_{domain.upper()}_HOST}}"}
    assert at(deploy, "remoteFS") != at(check, "remoteFS")


def test_no_two_agents_share_a_folder_even_where_hosts_are_shared() -> None:
    folders = [str(at(node, "remoteFS")) for node in nodes().values()]
    assert len(set(folders)) == len(folders)


def test_an_aborted_build_ends_after_the_pulumi_that_it_interrupts() -> None:
    for node in nodes().values():
        seconds = re.fullmatch(r"-DSoftKillWaitSeconds=(\d+)", str(at(node, "launcher", "ssh", "jvmOptions")))
        assert seconds
        assert int(seconds[1]) >= PATIENCE + 30


def test_every_build_is_told_to_take_no_plugin_but_those_of_its_host() -> None:
    variables = cast(
        "list[dict[str, str]]", at(configuration(), "jenkins", "globalNodeProperties", 0, "envVars", "env")
    )
    assert {"key": "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "value": "true"} in variables


def test_only_the_administrator_may_run_other_code_with_the_rights_of_a_job() -> None:
    entries = cast(
        "list[dict[str, dict[str, object]]]",
        at(configuration(), "jenkins", "authorizationStrategy", "globalMatrix", "entries"),
    )
    for entry in entries:
        for whom in entry.values():
            permissions = set(cast("list[str]", whom["permissions"]))
            powerful = {
                "Overall/Administer",
                "Run/Replay",
                "Job/Configure",
                "Job/Create",
                "Agent/Configure",
                "Credentials/View",
            }
            assert whom["name"] == "admin" or not permissions & powerful
            assert whom["name"] != "anonymous"


def in_folder(job: str) -> dict[str, object]:
    """Credentials in the folder of a job, by id."""
    if "properties" not in cast("Mapping[str, object]", jobs()[job]):
        return {}
    path = ("properties", 0, "folderCredentialsProperty", 0, "domainCredentials", 0, "domainCredentials", 0)
    found = cast("Mapping[str, list[object]]", at(jobs()[job], *path, "credentials", 0))
    return {str(at(credential, "id", 0)): credential for given in found.values() for credential in given}


def for_every_job() -> dict[str, object]:
    """Credentials that belong to no folder, by id."""
    entries = cast("list[Tree]", at(configuration(), *CREDENTIALS))
    return {str(at(entry, kind, "id")): at(entry, kind) for entry in entries for kind in entry}


def test_credentials_and_approver_of_the_jenkinsfile_exist() -> None:
    file, tree = JENKINSFILE.read_text(encoding="utf-8"), configuration()
    users = {at(user, "id") for user in cast("list[object]", at(tree, "jenkins", "securityRealm", "local", "users"))}
    assert set(re.findall(r"submitter '(\w+)'", file)) <= users
    credentials = for_every_job().keys() | in_folder(REVIEWED).keys()
    used = set(re.findall(r"credentialsId(?:: |\(')'?([\w-]+)", file + CONFIGURATION.read_text(encoding="utf-8")))
    assert used == credentials, "one that nobody uses, or that is not there"


def test_what_writes_is_a_credential_of_the_reviewed_branches_job_alone() -> None:
    """The Jenkinsfile of a pull request may ask for any credential that its job can see."""
    tokens = {
        name: cast("Tree", credential)["defaultPermissionsStrategy"]
        for name, credential in for_every_job().items()
        if "appID" in cast("Tree", credential)
    }
    assert tokens == {"github": "CONTENTS_READ"}
    assert in_folder(UNREVIEWED) == {}
    assert list(in_folder(REVIEWED)) == ["github-release"]
    release = in_folder(REVIEWED)["github-release"]
    assert at(release, "defaultPermissionsStrategy", 0) == "CONTENTS_WRITE"
    assert at(release, "repositoryAccessStrategy", 0) == {"inferRepository": []}
    assert at(release, "privateKey", 0) == {"text": "the value of GITHUB_APP_KEY"}


@pytest.mark.parametrize("domain", [OPEN, DEPLOY])
def test_a_deployment_of_each_branch_finds_an_executor(domain: str) -> None:
    branches = [branch for branch in BRANCHES.values() if branch.domain == domain]
    assert int(str(at(nodes()[domain], "numExecutors"))) > len(branches)


def test_the_readme_names_every_value_that_the_hosts_bring_and_no_other() -> None:
    wanted = set(
        re.findall(r"\$\{(?:json:\w+:\$\{|readFile:)?([A-Za-z_/0-9-]+)\}", CONFIGURATION.read_text(encoding="utf-8"))
    )
    tables = re.findall(
        r"^\| (`.*?`(?:, `.*?`)*) \|",
        (JENKINS / "README.md").read_text(encoding="utf-8").split("## Who may")[0],
        re.MULTILINE,
    )
    named = {name for cell in tables for name in re.findall(r"`([^`]+)`", cell)}
    assert wanted <= named
    files = {
        "jenkins.yaml",
        "jenkins.schema.yaml",
        "one-build.groovy",
        "plugins.txt",
        "lint/",
        "../Jenkinsfile",
        "~jenkins/.ssh/known_hosts",
    }
    assert named - wanted == files | {"CASC_JENKINS_CONFIG"}


PLUGIN_OF: Final = {
    "archiveArtifacts": "workflow-basic-steps",
    "checkout": "workflow-scm-step",
    "input": "pipeline-input-step",
    "junit": "junit",
    "lock": "lockable-resources",
    "milestone": "pipeline-milestone-step",
    "pipeline": "pipeline-model-definition",
    "publishChecks": "github-checks",
    "sh": "workflow-durable-task-step",
    "stash": "workflow-basic-steps",
    "timestamps": "timestamper",
    "withCredentials": "credentials-binding",
    "globalMatrix": "matrix-auth",
    "gitHubApp": "github-branch-source",
    "jobRestrictionProperty": "job-restrictions",
    "jobs": "job-dsl",
    "smallcase/jenkins/passwords": "aws-secrets-manager-secret-source",
    "ssh": "ssh-slaves",
    "string": "plain-credentials",
}
"""Which plugin knows a word of the Jenkinsfile or of the configuration."""


def test_every_plugin_is_pinned_once_and_each_group_is_in_order() -> None:
    groups = [
        [line for line in group.splitlines() if not line.startswith("#")]
        for group in (JENKINS / "plugins.txt").read_text(encoding="utf-8").split("\n\n")
    ]
    pins = [line for group in groups for line in group]
    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+:\d[\w.-]*", line)] == []
    assert len({line.partition(":")[0] for line in pins}) == len(pins)
    assert groups == [sorted(group, key=lambda line: line.partition(":")[0]) for group in groups]


@pytest.mark.parametrize(("word", "plugin"), PLUGIN_OF.items())
def test_the_plugin_of_a_word_is_installed(word: str, plugin: str) -> None:
    assert re.search(
        rf"\b{re.escape(word)}\b", JENKINSFILE.read_text(encoding="utf-8") + CONFIGURATION.read_text(encoding="utf-8")
    )
    assert f"\n{plugin}:" in (JENKINS / "plugins.txt").read_text(encoding="utf-8")
