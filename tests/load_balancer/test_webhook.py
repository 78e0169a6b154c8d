import base64
import json

from rehearsal.load_balancer.objects import Json, at, key, text
from rehearsal.load_balancer.targets import GATE
from rehearsal.load_balancer.webhook import review
from tests.load_balancer.cluster import NAMESPACE, binding, pod, service


def patched(new_pod: Json, bindings: list[Json], services: list[Json], namespace: str = NAMESPACE) -> list[Json]:
    request: Json = {"request": {"uid": "7", "namespace": namespace, "object": new_pod}}
    answer = review(request, {key(one): one for one in bindings}, {key(one): one for one in services})
    assert at(answer, "response", "allowed") is True
    assert text(answer, "response", "uid") == "7"
    patch = text(answer, "response", "patch")
    return json.loads(base64.b64decode(patch)) if patch else []


def test_a_pod_that_the_service_of_a_binding_selects_gets_its_gate() -> None:
    (patch,) = patched(pod("a"), [binding("one")], [service()])
    assert patch == {"op": "add", "path": "/spec/readinessGates", "value": [{"conditionType": f"{GATE}one"}]}


def test_gates_that_are_there_stay_and_none_comes_twice() -> None:
    (patch,) = patched(pod("a", gate="mine"), [binding("one")], [service()])
    assert at(patch, "value") == [{"conditionType": "mine"}, {"conditionType": f"{GATE}one"}]
    assert patched(pod("a", gate=f"{GATE}one"), [binding("one")], [service()]) == []


def test_without_the_service_or_the_binding_the_pod_gets_no_gate() -> None:
    assert patched(pod("a"), [binding("one")], []) == []
    assert patched(pod("a"), [], [service()]) == []


def test_a_pod_of_another_service_or_namespace_gets_no_gate() -> None:
    assert patched(pod("a"), [binding("one", service_name="other")], [service("other")]) == []
    assert patched(pod("a"), [binding("one")], [service()], namespace="smallcase-green") == []
