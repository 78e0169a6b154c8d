"""The measurements."""

import http
import http.client
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast, final

from rich.console import Console

from infra.fargate import environment_namespace
from infra.labels import APPLICATION
from rehearsal.bench import figures, load, memory
from rehearsal.bench.command import running
from rehearsal.bench.figures import Aim, Machine, Row, Section, Series
from rehearsal.bench.manifests import copies, leave_at_once, namespace_object, set_image, with_pods
from rehearsal.bench.trial import MODEL, NAME, PLATFORM, Trial, trial
from rehearsal.cluster import Standing
from rehearsal.load_balancer.objects import Json
from rehearsal.load_balancer.targets import LATE
from rehearsal.progress import Progress, RehearsalError

PAGE: Final = Path("docs") / "figures.md"

EXTRA: Final = (1, 10, 50)
"""How many other environments there are on the cluster."""
SERVING_WITHIN: Final = 90.0
"""Seconds until a change has to be served."""
VISITS_SECONDS: Final = 40
"""Long enough for a rollout and all of the old pods' draining."""
SEED_WAIT: Final = 120.0
"""Seconds of the recipe's `sleep 2m`."""
SETTLING: Final = 3.0
"""Seconds between one disturbance of the cluster and the next measurement."""
FEW: Final = 3
"""Runs of what takes long, in which nothing is measured in turn."""

_GATE_LABEL: Final = "elbv2.k8s.aws/pod-readiness-gate-inject"
_PLAIN: Final = environment_namespace(f"{NAME}-plain")
_NAIVE: Final = environment_namespace(f"{NAME}-naive")


def bench(progress: Progress, standing: Standing, checkout: Path, *, runs: int, seed_recipe: bool) -> None:
    """Measure everything, print the tables and write them to PAGE of the checkout.

    Parameters:
        runs: how often each side is measured; less often where one run takes a minute.
        seed_recipe: whether to measure the recipe that waits two minutes as well.

    Raises:
        RehearsalError: the program or the rehearsal does not do what is measured.
    """
    machine = this_machine()
    with trial(standing, checkout, progress) as made:
        commit = made.commit()
        sections = Measurements(made, progress, runs).all(seed_recipe=seed_recipe)
    console = Console()
    for section in sections:
        console.print(figures.table(section))
    (checkout / PAGE).write_text(
        figures.page(sections, day=datetime.now(UTC).date(), commit=commit, machine=machine), encoding="utf-8"
    )
    progress.note(f"written to {PAGE}")


def this_machine() -> Machine:
    """The machine this runs on."""
    memory_line = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()[0]
    return Machine(
        processors=os.cpu_count() or 1,
        memory=int(memory_line.split()[1]) / 1024**2,
        kernel=os.uname().release,
        load=os.getloadavg()[0],
    )


@final
class Measurements:
    """The measurements, one after the other on one trial: they share an environment and what it is compared with."""

    def __init__(self, made: Trial, progress: Progress, runs: int) -> None:
        self._trial: Final = made
        self._progress: Final = progress
        self._runs: Final = runs
        self._objects: list[Json] = []
        """Of the bench's environment, as Kubernetes has them."""

    def all(self, *, seed_recipe: bool) -> list[Section]:
        """Measure everything."""
        with self._progress.step("an environment to measure, and the same one without Pulumi"):
            self._prepare()
        return [
            self._preview(),
            self._change(seed_recipe=seed_recipe),
            self._new_environment(),
            self._lost_requests(),
            self._memory(),
        ]

    def _prepare(self) -> None:
        made, here = self._trial, environment_namespace(NAME)
        made.change_app()
        made.declare(NAME)
        made.bring_up(NAME)
        self._objects = made.objects(here)
        labels = made.labels(here)
        ungated = {name: value for name, value in labels.items() if name != _GATE_LABEL}
        made.apply([namespace_object(_PLAIN, labels), namespace_object(_NAIVE, ungated)])
        made.apply(copies(self._objects, _PLAIN))
        made.apply(with_pods(copies(self._objects, _NAIVE), leave_at_once))
        for name in (_PLAIN, _NAIVE):
            self._await_rollout(name)

    def _preview(self) -> Section:
        environment: list[float] = []
        platform: list[float] = []
        empty: list[float] = []
        with self._progress.step("previews without changes"):
            for _ in range(2 * self._runs + 1):
                environment.append(self._preview_once())
                platform.append(self._trial.preview_unchanged(PLATFORM).seconds)
                empty.append(self._trial.preview_empty().seconds)
        return Section(
            title="Preview without changes",
            text=f"`pulumi preview` of an environment with the settings of `{MODEL}`, of the stack "
            f"`{PLATFORM}`, which has all that the environments share, and of `import pulumi`, in turn. "
            "The environments that are there besides have a namespace, a Service, an Ingress and a Deployment "
            "without pods; with one of them it was measured both before and after the others.",
            rows=preview_rows(
                empty=_seconds(empty),
                environment=_seconds(environment),
                platform=_seconds(platform),
                among=self._preview_among(),
            ),
        )

    def _preview_among(self) -> Mapping[int, Series]:
        made = self._trial
        names = [environment_namespace(f"{NAME}-extra-{number}") for number in range(max(EXTRA))]
        seconds: dict[int, list[float]] = {count: [] for count in EXTRA}
        there = 0
        for count in EXTRA:
            with self._progress.step(f"previews beside {count} more on the cluster"):
                new, there = names[there:count], count
                made.apply([namespace_object(name, {}) for name in new])
                made.apply([found for name in new for found in copies(self._objects, name, replicas=0)])
                seconds[count] += self._previews_at_rest()
        with self._progress.step(f"removing all but {EXTRA[0]}, and once more"):
            made.remove_namespaces(names[EXTRA[0] :])
            seconds[EXTRA[0]] += self._previews_at_rest()
        made.remove_namespaces(names[: EXTRA[0]])
        return {count: _seconds(values) for count, values in seconds.items()}

    def _previews_at_rest(self) -> list[float]:
        # The work that controllers have with what has just come or gone is none of the program's.
        time.sleep(SETTLING)
        return [self._preview_once() for _ in range(self._runs + 2)]

    def _preview_once(self) -> float:
        return self._trial.preview_unchanged(NAME).seconds

    def _change(self, *, seed_recipe: bool) -> Section:
        program: list[float] = []
        plain: list[float] = []
        for number in range(1, self._runs + 1):
            with self._progress.step(f"a change of one line, {number} of {self._runs}"):
                program.append(self._until_served(environment_namespace(NAME), self._with_pulumi))
                plain.append(self._until_served(_PLAIN, self._with_kubectl))
        by_program, by_hand = _seconds(program), _seconds(plain)
        rows = [
            Row(what="`buildctl build`, `kubectl set image`, `kubectl rollout status`", series=by_hand),
            Row(what="`pulumi up`", series=by_program, against=by_hand, aim=Aim(goal=1.3, floor=1.5)),
        ]
        if seed_recipe:
            with self._progress.step("the same by a recipe with a fixed wait"):
                recipe = _seconds([self._until_served(_PLAIN, self._with_recipe)])
            rows += [
                Row(what="build, push, `kubectl apply`, `sleep 2m`, `kubectl rollout restart`", series=recipe),
                Row(what="`pulumi up`, against that recipe", series=by_program, against=recipe),
            ]
        return Section(
            title="A change of one line of the application, until all pods serve it",
            text="From the start of the command, build and push included, until it has ended, only new pods are in "
            "service and each of them has answered through the load balancer. Both sides roll out the same Deployment "
            "behind the same load balancer, health checks and readiness gates included.",
            rows=rows,
        )

    def _with_pulumi(self, _: str) -> None:
        self._trial.bring_up(NAME)

    def _with_kubectl(self, tag: str) -> None:
        image = self._trial.build_and_push(tag)
        self._trial.kubectl(
            "set", "image", f"deployment/{APPLICATION}", f"{APPLICATION}={image}", f"--namespace={_PLAIN}"
        )
        self._await_rollout(_PLAIN)

    def _with_recipe(self, tag: str) -> None:
        image = self._trial.build_and_push(tag)
        self._trial.apply(with_pods(copies(self._objects, _PLAIN), set_image(image)))
        time.sleep(SEED_WAIT)
        self._restart(_PLAIN)

    def _restart(self, name: str) -> None:
        self._trial.kubectl("rollout", "restart", f"deployment/{APPLICATION}", f"--namespace={name}")
        self._await_rollout(name)

    def _await_rollout(self, name: str) -> None:
        self._trial.kubectl(
            "rollout", "status", f"deployment/{APPLICATION}", f"--namespace={name}", f"--timeout={SERVING_WITHIN:.0f}s"
        )

    def _until_served(self, name: str, change: Callable[[str], None]) -> float:
        """Change the application, roll it out with `change`, which is given a tag, and wait for it; seconds."""
        url = self._url(name)
        old = self._trial.in_service(name)
        tag = f"{NAME}-plain-{self._trial.change_app()}"
        began = time.monotonic()
        change(tag)
        new: frozenset[str] = frozenset()
        answered: set[str] = set()
        while len(new) < len(old) or new & old or not new <= answered:
            if time.monotonic() - began > SERVING_WITHIN + SEED_WAIT:
                raise RehearsalError(
                    f"{url} does not answer with the change from {len(old)} new pods.",
                    f"`make shell`, then `kubectl get pods -n {name}`, shows them while the bench runs.",
                )
            new = self._trial.in_service(name)
            answered.add(_pod(url))
        return time.monotonic() - began

    def _url(self, name: str) -> str:
        url = self._trial.address(name)
        if url is None:
            raise RehearsalError(
                f"The load balancer of {name} has no address.", "`make status` shows whether the rehearsal is well."
            )
        return url

    def _new_environment(self) -> Section:
        answers: list[float] = []
        ends: list[float] = []
        for number in range(1, FEW + 1):
            stack = f"{NAME}-{number}"
            with self._progress.step(f"a new environment, {number} of {FEW}"):
                self._trial.declare(stack)
                answered, ended = self._up_until_answered(stack)
            answers.append(answered)
            ends.append(ended)
            self._trial.remove_namespaces([environment_namespace(stack)])
        return Section(
            title="A new environment",
            text="`pulumi up` of a stack that does not exist yet. The image's layers are cached; it is tagged "
            "for the new environment and pushed.",
            rows=[
                Row(what="until its page answers", series=_seconds(answers), aim=Aim(goal=4, floor=5)),
                Row(what="until all its pods are ready and `pulumi up` has ended", series=_seconds(ends)),
            ],
        )

    def _up_until_answered(self, stack: str) -> tuple[float, float]:
        began = time.monotonic()
        answered: float | None = None
        with self._trial.up(stack) as command:
            while command.is_running and answered is None:
                url = self._trial.address(environment_namespace(stack))
                if url is not None and _answers(url):
                    answered = time.monotonic() - began
                time.sleep(0.02)
            ended = command.finish().seconds
        if answered is None:
            _pod(self._url(environment_namespace(stack)))
            answered = time.monotonic() - began
        return answered, ended

    def _lost_requests(self) -> Section:
        program: list[load.Visits] = []
        for number in range(1, FEW + 1):
            with self._progress.step(f"a rollout under load, {number} of {FEW}"):
                program.append(self._visited(environment_namespace(NAME), self._changed_with_pulumi))
        with self._progress.step("a rollout of naive pods under load"):
            naive = self._visited(_NAIVE, lambda: self._restart(_NAIVE))
        sent = sum(one.requests for one in program)
        return Section(
            title="Requests lost in a rollout",
            text=f"`wrk` with {load.CONNECTIONS} connections for {VISITS_SECONDS} s, in which a rollout begins and the "
            f"old pods drain and end; lost is what got no answer or an error. {sent:,} requests were sent during "
            f"`pulumi up`, {naive.requests:,} to naive pods: the same ones without a readiness gate and without "
            "waiting before they stop. The load balancer sends a pod requests for "
            f"{LATE:g} s after it was deregistered, as AWS's does for some seconds.",
            rows=[
                Row(
                    what="a naive Deployment, `kubectl rollout restart`",
                    series=Series(values=(float(naive.lost),), unit="requests"),
                ),
                Row(
                    what="`pulumi up`",
                    series=Series(values=tuple(float(one.lost) for one in program), unit="requests"),
                    aim=Aim(goal=0, every_run=True),
                ),
            ],
        )

    def _changed_with_pulumi(self) -> None:
        self._trial.change_app()
        self._with_pulumi("")

    def _visited(self, name: str, roll_out: Callable[[], None]) -> load.Visits:
        argv = load.visitors(self._trial.standing.node.tools.wrk, self._url(name), VISITS_SECONDS)
        with running(argv, cwd=self._trial.directory, environment=self._trial.environment) as wrk:
            time.sleep(SETTLING)
            roll_out()
            return load.visits(wrk.finish().output)

    def _memory(self) -> Section:
        measured: dict[str, dict[str, list[float]]] = {}
        for number in range(1, FEW + 1):
            with self._progress.step(f"memory, {number} of {FEW}"):
                for what, start in (("preview", self._trial.preview), ("up", self._trial.up)):
                    self._trial.change_app()
                    with start(NAME) as command:
                        taken = memory.peaks(command)
                        command.finish()
                    for part, peak in taken.items():
                        measured.setdefault(what, {}).setdefault(part, []).append(peak)
        return Section(
            title="Memory",
            text="Resident memory of each part at its peak, in a preview and an update that change one line of the "
            "application. Pages that processes share are counted in each of them.",
            rows=[
                Row(what=f"`pulumi {what}`: {part}", series=Series(values=tuple(values), unit="MiB"))
                for what, parts in measured.items()
                for part, values in sorted(parts.items())
            ],
        )


def preview_rows(*, empty: Series, environment: Series, platform: Series, among: Mapping[int, Series]) -> list[Row]:
    """What previews are held to: a program that does nothing, and an environment that is nearly alone.

    `among` has the environment beside as many others as EXTRA says.
    """
    few = among[EXTRA[0]]
    return [
        Row(what="an empty program", series=empty),
        Row(what="an environment", series=environment, against=empty, aim=Aim(goal=3, floor=4)),
        Row(what="the platform", series=platform, against=empty, aim=Aim(goal=5, floor=6)),
        Row(what=f"an environment beside {EXTRA[0]} more", series=few),
        *(
            Row(what=f"an environment beside {count} more", series=among[count], against=few, aim=Aim(goal=1.1))
            for count in EXTRA[1:]
        ),
    ]


def _seconds(values: Sequence[float]) -> Series:
    return Series(values=tuple(values), unit="s")


def _pod(url: str) -> str:
    """Which pod answers, over a connection of its own."""
    with urllib.request.urlopen(f"{url}/version", timeout=5) as response:  # noqa: S310 - a load balancer of the bench
        return str(cast("dict[str, str]", json.loads(response.read()))["pod"])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/", timeout=5) as response:  # noqa: S310 - a load balancer of the bench
            return bool(response.status == http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return False
