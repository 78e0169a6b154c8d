"""What has to be true of the builds of the Jenkinsfile: each claim is a function that fails where it is not."""

import re
import shlex
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from pipeline.__main__ import command_line
from pipeline.pulumi import OVERRUN
from tests.jenkins.builds import Build, Builds, Event, Scenario, pull_request, push

VERB: Final = "uv run --locked python -m pipeline "
DEPLOYING: Final = "uv run --locked --no-dev python -m pipeline "
"""On the hosts that deploy, outside of the tests: with what the program needs, and nothing that only tests do."""
INSTALL: Final = "uv sync --locked"
FLOW: Final = f"{VERB}flow"
TEST: Final = f"{VERB}test"
PREVIEW: Final = f"{VERB}preview --deadline 7m"
PLAN: Final = f"{DEPLOYING}preview --save-plan reports/plan.json --deadline 7m"
REPRODUCE: Final = f"{DEPLOYING}reproduce --deadline 7m"
DEPLOY: Final = f"{DEPLOYING}deploy --plan reports/plan.json --deadline 35m"
VERIFY: Final = f"{DEPLOYING}verify --deadline 5m"
RELEASE: Final = f"{DEPLOYING}release --deadline 3m"
DRIFT: Final = f"{DEPLOYING}drift --deadline 12m"
HOOKS: Final = f"{DEPLOYING}hooks"

TOKEN: Final = "GITHUB_TOKEN"
"""The variable that `pipeline release` reads."""

UNDER_DEPLOY_ROLE: Final = (PLAN, REPRODUCE, DEPLOY, VERIFY, RELEASE)
CHANGE: Final = (INSTALL, FLOW, TEST, PREVIEW)
DELIVERY: Final[Mapping[str, tuple[str, ...]]] = {
    "develop": (INSTALL, FLOW, TEST, PLAN, DEPLOY, VERIFY),
    "staging": (INSTALL, FLOW, TEST, PLAN, DEPLOY, VERIFY, RELEASE),
    "master": (INSTALL, FLOW, TEST, PLAN, REPRODUCE, DEPLOY, VERIFY, RELEASE),
}

NIGHT: Final = (DRIFT, HOOKS)

BRANCHES: Final = ("develop", "staging", "master")
PULL_REQUESTS: Final = (
    ("feature/x", "develop"),
    ("develop", "staging"),
    ("staging", "master"),
    ("hotfix/x", "master"),
    ("master", "develop"),
    ("master", "staging"),
)

SCENARIOS: Final[Mapping[str, Scenario]] = {
    **{f"push to {branch}": push(branch) for branch in BRANCHES},
    "push to PR-x, a branch of no stack": push("PR-x"),
    **{f"night on {branch}": push(branch, cause="TimerTriggerCause") for branch in BRANCHES},
    **{f"PR of {source} into {target}": pull_request(source, target) for source, target in PULL_REQUESTS},
    **{
        f"push to master, broken: {command}": push("master", broken=f"^sh {re.escape(command)}$")
        for command in DELIVERY["master"]
    },
    **{
        f"PR of develop into staging, broken: {command}": pull_request(
            "develop", "staging", broken=f"^sh {re.escape(command)}$"
        )
        for command in CHANGE
    },
    "push to develop, broken: plan": push("develop", broken=f"^sh {re.escape(PLAN)}$"),
    "PR of feature/x into master, refused": pull_request("feature/x", "master", broken=f"^sh {re.escape(FLOW)}$"),
    "PR of a fork": pull_request("develop", "staging", fork="someone"),
    "night on master, drifted": push("master", cause="TimerTriggerCause", broken="^sh .* drift "),
    "push to master, not approved": push("master", broken="^input", result="ABORTED"),
    "push to master, superseded while it waits for approval": push("master", broken="^milestone 1", result="ABORTED"),
    "push to master, superseded while it waits for the lock": push("master", broken="^milestone 2", result="ABORTED"),
    "push to master, no lock in time": push("master", broken="^lock", result="FAILURE"),
    "push to master, deploy times out": push("master", broken="^sh .* deploy", result="ABORTED"),
    "PR superseded": pull_request("develop", "staging", broken="^sh .* test$", result="ABORTED"),
}


def expected(scenario: Scenario) -> list[str]:
    """The commands that a build is for, up to the one that breaks it."""
    if scenario.fork:
        return []
    commands = CHANGE if scenario.target else DELIVERY.get(scenario.branch, (INSTALL, FLOW, TEST))
    if scenario.cause == "TimerTriggerCause":
        # Whatever the one says, the other is asked.
        return list(NIGHT)
    broken = scenario.broken or "$^"
    last = next((i for i, command in enumerate(commands) if re.search(broken, f"sh {command}")), len(commands))
    if re.match(r"\^(input|milestone|lock)", broken):
        last = commands.index(DEPLOY) - 1
    return list(commands[: last + 1])


def minutes(event: Event) -> int:
    """How long the innermost time-out around an event is, 0 where there is none."""
    wrapper = event.within("timeout")
    if wrapper is None:
        return 0
    return (
        int(str(wrapper.arguments["time"])) * {"MINUTES": 1, "HOURS": 60, "DAYS": 1440}[str(wrapper.arguments["unit"])]
    )


def calm(builds: Builds, start: str) -> dict[str, Build]:
    """The builds in which nothing breaks, of the scenarios whose name starts so."""
    return {name: build for name, build in builds.items() if name.startswith(start) and SCENARIOS[name].broken is None}


def delivered(builds: Builds) -> dict[str, Build]:
    """The builds that deploy, and in which nothing breaks."""
    return {name: build for name, build in calm(builds, "push").items() if SCENARIOS[name].branch in BRANCHES}


def jenkins_accepts_the_file(builds: Builds) -> None:
    refused = {name: build.refusal for name, build in builds.items() if build.refusal}
    assert not refused, refused


def a_build_ends_as_its_steps_do(builds: Builds) -> None:
    for name, build in builds.items():
        scenario = SCENARIOS[name]
        assert build.result == (scenario.result if scenario.broken or scenario.fork else "SUCCESS"), (
            name,
            build.result,
        )


def a_build_runs_what_it_is_for_and_nothing_after_what_broke(builds: Builds) -> None:
    for name, build in builds.items():
        assert build.commands == expected(SCENARIOS[name]), (name, build.commands)


def a_fork_runs_no_code_at_all(builds: Builds) -> None:
    build = builds["PR of a fork"]
    assert build.result == "FAILURE"
    assert not build.commands
    assert not build.all("node")


def agent(scenario: Scenario, command: str) -> str:
    """The label that a command may run under: of its own branch and nothing else, and apart from deployments."""
    if scenario.branch.startswith("PR-"):
        return "preview"
    return f"{'deploy' if command in UNDER_DEPLOY_ROLE else 'checks'}-{scenario.branch}"


def a_build_asks_for_agents_of_its_own_branch_and_deploys_on_others_than_it_tests_on(builds: Builds) -> None:
    for name, build in builds.items():
        scenario = SCENARIOS[name]
        for event in build.events:
            node = event.within("node")
            if event.command and node:
                assert node.arguments["label"] == agent(scenario, event.command), f"{name}: {event}"
        labels = {str(event.arguments["label"]) for event in build.all("node")}
        assert labels <= {agent(scenario, DEPLOY), agent(scenario, TEST)}, (name, labels)


def only_master_asks_and_it_asks_once(builds: Builds) -> None:
    for name, build in calm(builds, "").items():
        assert len(build.all("input")) == (1 if name == "push to master" else 0), name


def the_question_comes_between_plan_and_deploy(builds: Builds) -> None:
    build = builds["push to master"]
    assert build.position(PLAN) < build.position(REPRODUCE) < build.position("input") < build.position(DEPLOY)
    for name in ("push to master, not approved", *(f"push to master, broken: {asked}" for asked in (PLAN, REPRODUCE))):
        assert DEPLOY not in builds[name].commands, name


def the_question_holds_neither_executor_nor_lock_and_is_bounded(builds: Builds) -> None:
    for question in builds["push to master"].all("input"):
        assert question.within("node") is None
        assert question.within("lock") is None
        assert 0 < minutes(question) <= 1440
        assert question.arguments.get("submitter") == "approver", "anyone who may build could approve"


def a_deploy_holds_the_lock_of_its_branch_until_it_is_released(builds: Builds) -> None:
    locks: set[str] = set()
    for name, build in delivered(builds).items():
        held = [event.within("lock") for event in build.events if event.command in (DEPLOY, VERIFY, RELEASE)]
        names = {str(lock.arguments["resource"]) if lock else "" for lock in held}
        assert names == {f"deploy-{SCENARIOS[name].branch}"}, (name, names)
        assert len(build.all("lock")) == 1, name
        locks |= names
    assert len(locks) == len(BRANCHES)


def what_nobody_approves_is_planned_once_it_is_its_turn(builds: Builds) -> None:
    """Planned earlier, it would be a plan against what the push before it has changed by now, and be refused."""
    for name, build in delivered(builds).items():
        waits = [event.within("lock") is None for event in build.events if event.command == PLAN]
        assert waits == [SCENARIOS[name].branch == "master"], f"{name}: {waits}"


def the_newest_build_gets_the_lock_and_none_waits_for_ever_or_with_an_executor(builds: Builds) -> None:
    for name, build in delivered(builds).items():
        for lock in build.all("lock"):
            assert str(lock.arguments.get("inversePrecedence")).lower() == "true", name
            assert int(str(lock.arguments.get("timeoutForAllocateResource", 0))) > 0, name
            assert lock.within("node") is None, name


def cancelled_by(ordinal: int, last_passed: int | None) -> bool:
    """Whether an older build is cancelled when a newer one passes a milestone, as `MilestoneStepExecution` has it."""
    return last_passed is None or last_passed < ordinal


def passed(build: Build, until: int) -> int | None:
    """The last milestone that a build has passed before a position."""
    ordinals = [int(str(event.arguments["ordinal"])) for event in build.events[:until] if event.word == "milestone"]
    return max(ordinals, default=None)


def a_newer_build_supersedes_one_that_waits_and_never_one_that_deploys(builds: Builds) -> None:
    for name, build in delivered(builds).items():
        deploy, lock = build.position(DEPLOY), build.position("lock")
        before_lock, in_deploy = passed(build, lock), passed(build, deploy)
        assert before_lock is not None, f"{name}: nothing supersedes builds that wait for approval"
        assert in_deploy is not None
        # While it holds the lock, a newer one waits for it, or has ended, which counts as one milestone more.
        assert not cancelled_by(before_lock + 1, in_deploy), f"{name}: a newer build aborts a deploy that is under way"
        # Once a newer one had the lock, it must not get it: its commit is older.
        assert cancelled_by(in_deploy, before_lock), name
        assert passed(build, len(build.events)) == in_deploy, f"{name}: a late milestone aborts others"
        asked = build.position("input")
        assert asked == len(build.events) or passed(build, asked) is None, f"{name}: superseded too early"


def a_newer_build_of_a_pull_request_supersedes_an_older_one_at_once(builds: Builds) -> None:
    for name, build in calm(builds, "PR of").items():
        if "fork" not in name:
            assert passed(build, build.position("node")) == SCENARIOS[name].number, name


def a_night_supersedes_nothing(builds: Builds) -> None:
    for name, build in calm(builds, "night").items():
        assert passed(build, len(build.events)) is None, f"{name}: it aborts pushes that wait for approval"


def every_command_has_a_time_out_that_does_not_count_waiting(builds: Builds) -> None:
    for name, build in builds.items():
        for event in build.events:
            assert not event.command or 0 < minutes(event) <= 60, f"{name}: {event}"
            assert event.word not in ("node", "lock") or minutes(event) == 0, f"{name}: {event}"


def a_command_stops_by_itself_before_jenkins_stops_it(builds: Builds) -> None:
    for build in builds.values():
        for event in build.events:
            seconds = deadline(event)
            assert not seconds or seconds + OVERRUN < 60 * minutes(event), str(event)


def deadline(event: Event) -> float:
    """Seconds after which the verb that is called ends by itself, 0 where it is none or has no deadline."""
    verb = event.command.partition(" -m pipeline ")[2]
    if not verb:
        return 0
    options = command_line().parse_args(shlex.split(verb))
    return float(getattr(options, "deadline", 0))


def only_the_release_sees_credentials(builds: Builds) -> None:
    for name, build in builds.items():
        for event in build.events:
            wrapper = event.within("withCredentials")
            assert (wrapper is not None) == (event.command == RELEASE), f"{name}: {event}"
            assert wrapper is None or TOKEN in str(wrapper), f"{name}: {wrapper}"


def what_is_applied_is_the_plan_that_was_shown(builds: Builds) -> None:
    for name, build in delivered(builds).items():
        stash, unstash = build.all("stash"), build.all("unstash")
        assert [event.arguments["name"] for event in stash] == [event.arguments["name"] for event in unstash], name
        assert [event.arguments["includes"] for event in stash] == ["reports/plan.json"], name
        # A branch whose stack is not declared yet has no plan, and nothing to deploy.
        assert [str(event.arguments.get("allowEmpty")).lower() for event in stash] == ["true"], name
        assert build.position(PLAN) < build.position("stash") < build.position("unstash") < build.position(DEPLOY), name
        assert "reports/preview.md" in archived(build), name


def archived(build: Build) -> set[str]:
    return {str(event.arguments["artifacts"]) for event in build.all("archiveArtifacts")}


def reports_are_kept_whatever_happened(builds: Builds) -> None:
    for name, build in builds.items():
        if TEST in build.commands:
            assert [event.arguments["testResults"] for event in build.all("junit")] == ["reports/junit.xml"], name
        if PREVIEW in build.commands or PLAN in build.commands:
            assert "reports/preview.md" in archived(build), name
        if DRIFT in build.commands:
            assert archived(build) == {"reports/drift.md"}, name


def a_pull_request_shows_its_preview(builds: Builds) -> None:
    for name, build in calm(builds, "PR of").items():
        if "fork" not in name:
            shown = [event.arguments["summary"] for event in build.all("publishChecks")]
            assert "text of reports/preview.md" in shown, name


def the_check_that_a_branch_requires_names_it_and_says_how_the_build_went(builds: Builds) -> None:
    for name, build in builds.items():
        scenario = SCENARIOS[name]
        ready = [event for event in build.all("publishChecks") if event.arguments["name"] != "Preview"]
        if build.all("node") and DRIFT not in build.commands:
            tested = FLOW in build.commands and TEST in build.commands
            went_well = tested and (not scenario.target or PREVIEW in build.commands)
            went_well = went_well and (build.result == "SUCCESS" or PLAN in build.commands)
            told = [(f"ready-for-{scenario.target or scenario.branch}", "SUCCESS" if went_well else "FAILURE")]
            assert [(e.arguments["name"], e.arguments["conclusion"]) for e in ready] == told, name
        else:
            assert not ready, name


def every_agent_starts_from_a_checkout_and_is_left_clean(builds: Builds) -> None:
    for name, build in builds.items():
        assert build.all("skipDefaultCheckout"), name
        nodes = [position for position, event in enumerate(build.events) if event.word == "node"]
        for start, end in pairwise([*nodes, len(build.events)]):
            words = [event.word for event in build.events[start:end] if event.within("node")]
            steps = [word for word in words if word not in ("stage", "post", "timeout", "milestone")]
            assert "deleteDir" in steps, (name, steps)
            assert steps[0] == "checkout" or steps == ["deleteDir"], (name, steps)


def pull_requests_have_no_nights(builds: Builds) -> None:
    for name, build in builds.items():
        scheduled = [event.arguments["spec"] for event in build.all("cron")]
        assert scheduled == ([""] if SCENARIOS[name].target else ["H 3 * * *"]), name


def nobody_restarts_a_build_behind_its_tests(builds: Builds) -> None:
    assert all(build.all("disableRestartFromStage") for build in builds.values())


def old_builds_are_discarded(builds: Builds) -> None:
    assert all(build.all("buildDiscarder") for build in builds.values())


def lines_of_the_log_say_when(builds: Builds) -> None:
    for build in builds.values():
        assert all(event.within("timestamps") for event in build.events if event.command)


CLAIMS: Final[tuple[Callable[[Builds], None], ...]] = (
    jenkins_accepts_the_file,
    a_build_ends_as_its_steps_do,
    a_build_runs_what_it_is_for_and_nothing_after_what_broke,
    a_fork_runs_no_code_at_all,
    a_build_asks_for_agents_of_its_own_branch_and_deploys_on_others_than_it_tests_on,
    only_master_asks_and_it_asks_once,
    the_question_comes_between_plan_and_deploy,
    the_question_holds_neither_executor_nor_lock_and_is_bounded,
    a_deploy_holds_the_lock_of_its_branch_until_it_is_released,
    what_nobody_approves_is_planned_once_it_is_its_turn,
    the_newest_build_gets_the_lock_and_none_waits_for_ever_or_with_an_executor,
    a_newer_build_supersedes_one_that_waits_and_never_one_that_deploys,
    a_newer_build_of_a_pull_request_supersedes_an_older_one_at_once,
    a_night_supersedes_nothing,
    every_command_has_a_time_out_that_does_not_count_waiting,
    a_command_stops_by_itself_before_jenkins_stops_it,
    only_the_release_sees_credentials,
    what_is_applied_is_the_plan_that_was_shown,
    reports_are_kept_whatever_happened,
    a_pull_request_shows_its_preview,
    the_check_that_a_branch_requires_names_it_and_says_how_the_build_went,
    every_agent_starts_from_a_checkout_and_is_left_clean,
    pull_requests_have_no_nights,
    nobody_restarts_a_build_behind_its_tests,
    old_builds_are_discarded,
    lines_of_the_log_say_when,
)
