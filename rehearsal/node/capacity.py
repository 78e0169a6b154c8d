"""How much room the node says it has.

On Fargate each pod has a machine of its own, so no pod waits for another one's processor. Here all share one, and the
scheduler would leave pods pending once their requests add up to its processors. So whatever the kubelet reports of
itself, the API server takes it down as PROCESSORS; scheduler and kubelet both go by that. Containers still get what
there is.
"""

import json
import subprocess
import time
from typing import Final

from rehearsal.node.files import NodeFiles
from rehearsal.progress import RehearsalError
from rehearsal.toolchain.tools import RehearsalTools

PROCESSORS: Final = 64

_NAME: Final = "room-for-every-pod"
_GROUP: Final = "admissionregistration.k8s.io"
_PATIENCE: Final = 30.0


def policy() -> dict[str, object]:
    """The policy and its binding, as a list for `kubectl apply`."""
    patches = ", ".join(
        f'JSONPatch{{op: "add", path: "/status/{part}/cpu", value: "{PROCESSORS}"}}'
        for part in ("capacity", "allocatable")
    )
    nodes = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["nodes", "nodes/status"],
    }
    version = f"{_GROUP}/v1"
    items: list[dict[str, object]] = [
        {
            "apiVersion": version,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": _NAME},
            "spec": {
                "matchConstraints": {"resourceRules": [nodes]},
                "matchConditions": [
                    {"name": "reports", "expression": "has(object.status.capacity) && has(object.status.allocatable)"}
                ],
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{patches}]"}}],
            },
        },
        {
            "apiVersion": version,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": _NAME},
            "spec": {"policyName": _NAME},
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def make_room(files: NodeFiles, tools: RehearsalTools) -> None:
    """Put the policy in force, and return once it is.

    Raises:
        RehearsalError: the API server does not take it, or does not act on it within half a minute.
    """
    small = {"cpu": "1", "memory": "1Gi", "pods": "1"}
    trial = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "trial"},
        "status": {"capacity": small, "allocatable": small},
    }
    deadline = time.monotonic() + _PATIENCE
    _kubectl(files, tools, ["apply", "--server-side", "--filename=-"], policy())
    while True:
        answer = _kubectl(files, tools, ["create", "--dry-run=server", "--output=json", "--filename=-"], trial)
        if json.loads(answer)["status"]["allocatable"]["cpu"] == str(PROCESSORS):
            return
        if time.monotonic() > deadline:
            raise RehearsalError(
                f"The API server takes no notice of the policy {_NAME}.",
                f"Its log is {files.logs / 'kube-apiserver.log'}.",
            )
        time.sleep(0.1)


def _kubectl(files: NodeFiles, tools: RehearsalTools, arguments: list[str], document: object) -> str:
    done = subprocess.run(
        [tools.kubectl, f"--kubeconfig={files.kubeconfig}", *arguments],
        input=json.dumps(document),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise RehearsalError(
            f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}",
            f"The API server's log is {files.logs / 'kube-apiserver.log'}.",
        )
    return done.stdout
