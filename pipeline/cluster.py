"""Asking the cluster, with the kubeconfig of the platform's stack: why pods do not run, and what we may do."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

import yaml

from infra.labels import SELECTOR
from pipeline.environments import Target
from pipeline.proxy import through
from pipeline.pulumi import Pulumi

TIMEOUT: Final = 20
"""Seconds that one question to the cluster may take."""
LOG_LINES: Final = 20
PODS: Final = 3
"""How many of the pods that do not run are told about: they mostly say the same."""

Object = Mapping[str, object]
"""As Kubernetes has it, in JSON."""


class ClusterUnreachable(Exception):  # noqa: N818 - a cluster that does not answer is an answer here
    """Nobody could be asked; the message says why."""


@final
@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One namespace of the cluster, as `kubectl` sees it."""

    kubeconfig: str
    namespace: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, target: Target) -> "Cluster":
        """The cluster of an environment.

        Raises:
            ClusterUnreachable: its platform has no kubeconfig to offer.
        """
        return cls.on(target.pulumi, target.declared.platform, target.declared.environment.namespace)

    @classmethod
    def on(cls, pulumi: Pulumi, platform: str, namespace: str) -> "Cluster":
        """The cluster of the platform that a stack owns.

        Raises:
            ClusterUnreachable: the stack has no kubeconfig to offer.
        """
        contract = pulumi.outputs(platform).get("platform")
        kubeconfig = cast("Object", contract).get("kubeconfig") if isinstance(contract, dict) else None
        if not kubeconfig:
            raise ClusterUnreachable(f"the stack {platform!r} exports no kubeconfig")
        text = kubeconfig if isinstance(kubeconfig, str) else json.dumps(kubeconfig)
        return cls(kubeconfig=text, namespace=namespace, environment=pulumi.environment)

    def get(self, *names: str) -> dict[str, Object]:
        """Those of the objects that there are, each named as `deployment/smallcase`.

        Raises:
            ClusterUnreachable: the cluster does not answer.
        """
        found = self._items("get", *names, "--ignore-not-found")
        return {f"{_text(one, 'kind').lower()}/{_text(one, 'metadata', 'name')}": one for one in found}

    def everywhere(self, kind: str) -> list[str]:
        """Namespace and name of every object of a kind, in all namespaces; none where the cluster has no such kind.

        Raises:
            ClusterUnreachable: the cluster does not answer.
        """
        try:
            found = self._items("get", kind, "--all-namespaces")
        except ClusterUnreachable as refused:
            if "doesn't have a resource type" in str(refused):
                return []
            raise
        return [f"{_text(one, 'metadata', 'namespace')}/{_text(one, 'metadata', 'name')}" for one in found]

    def annotate(self, name: str, annotations: Mapping[str, str]) -> None:
        """Put annotations on an object, named as `ingress/smallcase`, whatever they are on it now.

        Raises:
            ClusterUnreachable: the cluster does not answer, or does not let us.
        """
        pairs = (f"{key}={value}" for key, value in annotations.items())
        answer = self._kubectl("annotate", "--overwrite", name, *pairs)
        if answer.returncode != 0:
            raise self._unanswered(answer)

    def may_change(self) -> bool:
        """Whether our rights reach as far as changing the Deployment, which a preview on the server needs too.

        Raises:
            ClusterUnreachable: the cluster does not answer.
        """
        answer = self._kubectl("auth", "can-i", "patch", "deployments.apps")
        # "no" comes with the code 1 and sometimes a reason, a failure with the code 1 and nothing.
        word = answer.stdout.partition(" ")[0].strip()
        if word not in ("yes", "no"):
            raise self._unanswered(answer)
        return word == "yes"

    def troubles(self) -> str:
        """Of the pods that are not ready: their state, their newest events and the last lines of their log.

        Raises:
            ClusterUnreachable: the cluster does not answer.
        """
        selector = ",".join(f"{name}={value}" for name, value in SELECTOR.items())
        pods = self._items("get", "pods", "--selector", selector)
        unready = sorted((pod for pod in pods if not _is_ready(pod)), key=_created, reverse=True)
        if not pods:
            return f"There is no pod in {self.namespace}."
        return "\n".join(self._trouble(pod) for pod in unready[:PODS]) or f"Every pod in {self.namespace} is ready."

    def _trouble(self, pod: Object) -> str:
        name = _text(pod, "metadata", "name")
        lines = [f"pod {name}: {'; '.join(_states(pod)) or _text(pod, 'status', 'phase')}"]
        events = self._items("get", "events", "--field-selector", f"involvedObject.name={name}")
        lines += [
            f"  event {event.get('reason', '')}: {str(event.get('message', '')).strip()}"
            for event in sorted(events, key=_seen)[-5:]
        ]
        log = self._kubectl("logs", name, f"--tail={LOG_LINES}")
        if "Error from server (Forbidden)" in log.stderr:
            # Whoever may push to a branch without a review reads no logs (docs/trust.md).
            lines.append(f"  its log is not for this role: kubectl logs --namespace {self.namespace} {name}")
        else:
            said = log.stdout or self._kubectl("logs", name, "--previous", f"--tail={LOG_LINES}").stdout
            lines += [f"  log {line}" for line in said.splitlines()]
        return "\n".join(lines)

    def _items(self, *arguments: str) -> list[Object]:
        answer = self._kubectl(*arguments, "--output", "json")
        if answer.returncode != 0:
            raise self._unanswered(answer)
        # Nothing is said of nothing, and one alone is no list.
        found = cast("Object", json.loads(answer.stdout or '{"items": []}'))
        return cast("list[Object]", found.get("items", [found]))

    def _kubectl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(self.kubeconfig)
            file.flush()
            try:
                return subprocess.run(
                    [
                        *("kubectl", "--kubeconfig", file.name, "--namespace", self.namespace),
                        *("--request-timeout", f"{TIMEOUT}s", *arguments),
                    ],
                    cwd=Path(file.name).parent,
                    env=dict(self.environment),
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",  # a log may hold anything
                    timeout=TIMEOUT + 5,
                    check=False,
                    stdin=subprocess.DEVNULL,
                )
            except FileNotFoundError:
                raise ClusterUnreachable("`kubectl` is not on PATH") from None
            except OSError as error:
                raise ClusterUnreachable(f"`kubectl` does not run: {error.strerror}") from None
            except subprocess.TimeoutExpired:
                why = f"the cluster did not answer within {TIMEOUT} seconds{self._through}"
                raise ClusterUnreachable(why) from None

    def _unanswered(self, answer: "subprocess.CompletedProcess[str]") -> ClusterUnreachable:
        said = answer.stderr.strip().splitlines() or ["no answer"]
        return ClusterUnreachable(said[-1] + (f" (asked{self._through})" if self._through else ""))

    @property
    def _through(self) -> str:
        """The proxy on the way to the cluster, if there is one."""
        clusters = cast("Sequence[Object]", at(yaml.safe_load(self.kubeconfig), "clusters") or [{}])
        return through(_text(clusters[0], "cluster", "server"))


def annotations(found: Object) -> Mapping[str, str]:
    """Of an object; none where it has none."""
    return cast("Mapping[str, str]", at(found, "metadata", "annotations") or {})


def _is_ready(pod: Object) -> bool:
    conditions = cast("Sequence[Mapping[str, str]]", at(pod, "status", "conditions") or ())
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _states(pod: Object) -> list[str]:
    """Why its containers do not run, as Kubernetes says it: `CrashLoopBackOff: back-off 10s…`."""
    found: list[str] = []
    for container in cast("Sequence[Object]", at(pod, "status", "containerStatuses") or ()):
        for moment in ("state", "lastState"):
            for kind in ("waiting", "terminated"):
                state = cast("Object", at(container, moment, kind) or {})
                if state:
                    code = f" (exit code {state['exitCode']})" if "exitCode" in state else ""
                    found.append(f"{state.get('reason', kind)}{code} {state.get('message', '')}".strip())
    conditions = cast("Sequence[Mapping[str, str]]", at(pod, "status", "conditions") or ())
    found += [one["message"] for one in conditions if one.get("status") == "False" and one.get("message")]
    return list(dict.fromkeys(found))


def _created(pod: Object) -> str:
    return _text(pod, "metadata", "creationTimestamp")


def _seen(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _text(value: Object, *path: str) -> str:
    return str(at(value, *path) or "")


def at(value: Object, *path: str) -> object:
    """What an object has at a path of keys; None where it has nothing there."""
    found: object = value
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]
