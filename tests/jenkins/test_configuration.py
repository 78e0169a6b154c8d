"""The controller's configuration: what it lets in, and that it fits the Jenkinsfile, the stacks and its own README."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import pytest
import yaml

from pipeline.pulumi import PATIENCE
from tests.jenkins.builds import JENKINSFILE, job_dsl
from tests.stack_files import CHECKOUT, STACKS, own_values

JENKINS: Final = CHECKOUT / "jenkins"
CONFIGURATION: Final = JENKINS / "jenkins.yaml"
SCHEMA: Final = JENKINS / "jenkins.schema.yaml"
BRANCHES: Final = {str(own_values(stack)["smallcase:branch"]) for stack in STACKS if stack != "platform"}

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
    "a deploy agent for every job": put(*NODES, 1, "permanent", "nodeProperties", value=[]),
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


def job() -> Mapping[str, object]:
    """The multibranch job, as nested words."""
    calls = job_dsl(str(at(configuration(), "jobs", 0, "script")))
    return cast("Mapping[str, object]", at(calls, "multibranchPipelineJob", 1))


def traits() -> Mapping[str, object]:
    path = ("branchSources", 0, "branchSource", 0, "source", 0, "github", 0, "traits", 0)
    return cast("Mapping[str, object]", at(job(), *path))


def test_the_job_builds_the_branches_of_the_stacks_and_pull_requests() -> None:
    built = re.compile(str(at(traits(), "headRegexFilter", 0, "regex", 0)))
    assert all(built.fullmatch(name) for name in (*BRANCHES, "PR-1", "PR-123"))
    # A branch of such a name would wait for an agent that refuses it.
    assert not any(built.fullmatch(name) for name in ("feature/x", "PR-", "PR-x", "master2", "my-develop"))


def test_a_branch_is_built_even_while_it_heads_a_pull_request() -> None:
    assert at(traits(), "gitHubBranchDiscovery", 0, "strategyId", 0) == 3


def test_pull_requests_of_forks_are_not_discovered_and_others_are_built_at_their_own_commit() -> None:
    assert set(traits()) == {"gitHubBranchDiscovery", "gitHubPullRequestDiscovery", "headRegexFilter", "cloneOption"}
    assert at(traits(), "gitHubPullRequestDiscovery", 0, "strategyId", 0) == 2


def test_a_clone_has_the_whole_history_all_branches_and_tags() -> None:
    option = at(traits(), "cloneOption", 0, "extension", 0)
    assert [at(option, word, 0) for word in ("shallow", "noTags", "honorRefspec")] == [False, False, False]


def test_what_web_hooks_miss_is_found_within_half_an_hour() -> None:
    interval = str(at(job(), "triggers", 0, "periodicFolderTrigger", 0, "interval", 0))
    assert re.fullmatch(r"\d+m", interval)
    assert int(interval[:-1]) <= 30


def may_run_on_deploy(task: str) -> bool:
    path = (
        *NODES,
        1,
        "permanent",
        "nodeProperties",
        0,
        "jobRestrictionProperty",
        "jobRestriction",
        "regexNameRestriction",
    )
    return re.fullmatch(str(at(configuration(), *path, "regexExpression")), task) is not None


@pytest.mark.parametrize("branch", sorted(BRANCHES))
def test_the_deploy_agent_takes_the_builds_of_a_branch(branch: str) -> None:
    assert may_run_on_deploy(f"smallcase/{branch}/part of smallcase » {branch} #3")


@pytest.mark.parametrize(
    "task",
    [
        "smallcase/PR-12/part of smallcase » PR-12 #3",
        "smallcase/master-2/part of smallcase » master-2 #1",
        "smallcase/feature%2Fmaster/part of smallcase » feature/master #1",
        "other/smallcase/master",
        "other",
    ],
)
def test_the_deploy_agent_refuses_pull_requests_and_other_jobs(task: str) -> None:
    assert not may_run_on_deploy(task)


@pytest.mark.parametrize("node", [0, 1])
def test_an_aborted_build_ends_after_the_pulumi_that_it_interrupts(node: int) -> None:
    options = str(at(configuration(), *NODES, node, "permanent", "launcher", "ssh", "jvmOptions"))
    seconds = re.fullmatch(r"-DSoftKillWaitSeconds=(\d+)", options)
    assert seconds
    assert int(seconds[1]) >= PATIENCE + 30


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


def test_agents_credentials_and_approver_of_the_jenkinsfile_exist() -> None:
    file, tree = JENKINSFILE.read_text(encoding="utf-8"), configuration()
    labels = {at(node, "permanent", "labelString") for node in cast("list[object]", at(tree, *NODES))}
    assert set(re.findall(r"label '(\w+)'", file)) == labels
    users = {at(user, "id") for user in cast("list[object]", at(tree, "jenkins", "securityRealm", "local", "users"))}
    assert set(re.findall(r"submitter '(\w+)'", file)) <= users
    credentials = {at(next(iter(entry.values())), "id") for entry in cast("list[Tree]", at(tree, *CREDENTIALS))}
    used = set(re.findall(r"credentialsId(?:: |\(')'?([\w-]+)", file + CONFIGURATION.read_text(encoding="utf-8")))
    assert used <= credentials
    assert credentials <= used, "a credential that nobody uses"


def test_only_the_release_has_a_token_that_writes() -> None:
    apps = [
        entry["gitHubApp"] for entry in cast("list[Tree]", at(configuration(), *CREDENTIALS)) if "gitHubApp" in entry
    ]
    rights = {at(app, "id"): at(app, "defaultPermissionsStrategy") for app in apps}
    assert rights == {"github": "CONTENTS_READ", "github-release": "CONTENTS_WRITE"}


def test_a_deployment_of_each_branch_finds_an_executor() -> None:
    assert int(str(at(configuration(), *NODES, 1, "permanent", "numExecutors"))) > len(BRANCHES)


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
