"""What a hostile Jenkinsfile of `develop` asks the real API server for, with the role that its agent has."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast
from urllib.request import Request, urlopen

import pytest

from pipeline.cluster import Cluster
from rehearsal import rehearse
from tests.e2e.conftest import Rehearsal, make

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

NAMESPACE: Final = "smallcase-develop"
ALB: Final = "alb.ingress.kubernetes.io/"
Object = Mapping[str, object]
Ask = Callable[[Object], tuple[int, str]]


@pytest.fixture
def ask(rehearsal: Rehearsal, tmp_path: Path) -> Ask:
    """Makes an object as the role `open` would: how `kubectl` ended, and what it said."""
    kubeconfig, manifest = tmp_path / "kubeconfig", tmp_path / "object.json"
    cluster = Cluster.on(rehearsal.pulumi(rehearse.project_directory()), "platform", "")
    kubeconfig.write_text(cluster.kubeconfig, encoding="utf-8")

    def run(asked: Object) -> tuple[int, str]:
        manifest.write_text(json.dumps(asked), encoding="utf-8")
        ran = rehearsal.shell(
            *("env", "AWS_PROFILE=open", "kubectl", f"--kubeconfig={kubeconfig}"),
            *("create", f"--filename={manifest}", "--dry-run=server"),
        )
        return ran.returncode, ran.stderr

    return run


def made(api: str, kind: str, annotations: Mapping[str, str] | None = None, **content: object) -> Object:
    metadata = {"name": "another", "namespace": NAMESPACE, "annotations": dict(annotations or {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def service(annotations: Mapping[str, str] | None = None, **spec: object) -> Object:
    return made("v1", "Service", annotations, spec={"ports": [{"port": 80}], **spec})


def ingress(annotations: Mapping[str, str] | None = None, ingress_class: str = "alb") -> Object:
    rules = [
        {
            "http": {
                "paths": [
                    {
                        "path": "/",
                        "pathType": "Prefix",
                        "backend": {"service": {"name": "smallcase", "port": {"number": 80}}},
                    }
                ]
            }
        }
    ]
    spec = {"ingressClassName": ingress_class, "rules": rules}
    return made("networking.k8s.io/v1", "Ingress", annotations, spec=spec)


def deployment(image: str, **pod: object) -> Object:
    labels = {"app": "another"}
    said = {"automountServiceAccountToken": False, "containers": [{"name": "one", "image": image}], **pod}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": said}}
    return made("apps/v1", "Deployment", spec=spec)


def image_of(rehearsal: Rehearsal, stack: str) -> str:
    return str(rehearsal.pulumi(rehearse.project_directory()).outputs(stack)["image"])


def test_what_an_environment_may_have_is_let_in(rehearsal: Rehearsal, ask: Ask) -> None:
    image = image_of(rehearsal, "develop")
    for asked in (
        service(),
        ingress({f"{ALB}healthcheck-path": "/readyz", "pulumi.com/patchForce": "true"}),
        deployment(image, volumes=[{"name": "tmp", "emptyDir": {"medium": "Memory"}}]),
        deployment(image, initContainers=[{"name": "first", "image": image}]),
    ):
        code, said = ask(asked)
        assert code == 0, said


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (service(externalIPs=["203.0.113.7"]), "is of type ClusterIP"),
        (service(type="NodePort"), "is of type ClusterIP"),
        (service(type="LoadBalancer"), "is of type ClusterIP"),
        (service(type="ExternalName", externalName="x.test"), "is of type ClusterIP"),
        (service({f"{ALB}auth-type": "oidc"}), "annotations of Pulumi alone"),
        (ingress({f"{ALB}group.name": "smallcase-blue"}), "annotations that the platform knows"),
        (ingress({f"{ALB}security-groups": "sg-0123456789abcdef0"}), "annotations that the platform knows"),
        (ingress({f"{ALB}certificate-arn": "arn:aws:acm:another"}), "annotations that the platform knows"),
        (ingress({f"{ALB}actions.one": "{}"}), "annotations that the platform knows"),
        (ingress({f"{ALB}target-type": "instance"}), "annotations that the platform knows"),
        (
            ingress({f"{ALB}load-balancer-attributes": "routing.http.drop_invalid_header_fields.enabled=false"}),
            "annotations that the platform knows",
        ),
        (ingress(ingress_class="another"), "is of the class alb"),
        (
            made(
                "elbv2.k8s.aws/v1beta1",
                "TargetGroupBinding",
                spec={"serviceRef": {"name": "smallcase", "port": 80}, "targetGroupARN": "arn:another"},
            ),
            'cannot create resource "targetgroupbindings"',
        ),
        (made("v1", "Pod", spec={"containers": [{"name": "one", "image": "one"}]}), 'cannot create resource "pods"'),
    ],
)
def test_what_reaches_beyond_the_environment_is_refused(ask: Ask, asked: Object, refusal: str) -> None:
    code, said = ask(asked)
    assert code != 0
    assert refusal in said


@pytest.mark.parametrize("image", ["busybox", "{develop_tag}", "{green}"])
def test_an_image_of_another_repository_or_without_its_digest_is_refused(
    rehearsal: Rehearsal, ask: Ask, image: str
) -> None:
    known = {"develop_tag": image_of(rehearsal, "develop").partition("@")[0], "green": image_of(rehearsal, "green")}
    code, said = ask(deployment(image.format(**known)))
    assert code != 0
    assert "of the repository of its namespace's trust domain" in said


@pytest.mark.parametrize(
    "pod",
    [
        {"hostNetwork": True},
        {"serviceAccountName": "another"},
        {"automountServiceAccountToken": True},
        {"nodeName": "another"},
        {"priorityClassName": "system-node-critical"},
        {"tolerations": [{"operator": "Exists"}]},
        {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
    ],
)
def test_a_pod_that_is_more_than_the_application_is_refused(rehearsal: Rehearsal, ask: Ask, pod: Object) -> None:
    code, said = ask(deployment(image_of(rehearsal, "develop"), **pod))
    assert code != 0
    assert "a pod of the pipeline says" in said


def test_the_page_is_answered_to_whoever_sends_headers_that_are_dropped(rehearsal: Rehearsal) -> None:
    """The page would be told by this one that it is served by TLS, and ask browsers to come by that for ever."""
    forged = {"X_Forwarded_Proto": "https", "X.Forwarded.For": "203.0.113.7"}
    with urlopen(Request(rehearsal.url("blue"), headers=forged), timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
        assert "Strict-Transport-Security" not in answer.headers
        assert "production" in cast("bytes", answer.read()).decode()


def test_production_is_not_destroyed_by_a_slip_and_is_by_whoever_lifts_its_protection(rehearsal: Rehearsal) -> None:
    """As docs/recovery.md has it, and as the verb `teardown` does it."""
    address = rehearsal.url("blue")
    refused = rehearsal.shell("pulumi", "destroy", "-s", "blue", "--yes")
    assert refused.returncode != 0
    assert "protected" in refused.stdout + refused.stderr
    assert rehearsal.page("blue").environment == "production"

    where = ("--namespace=smallcase-blue", "ingress/smallcase")
    try:
        # Past Pulumi, the controller refuses, and the load balancer goes on.
        deleted = rehearsal.shell("kubectl", "delete", *where, "--wait=false")
        assert deleted.returncode == 0, deleted.stderr
        waited = rehearsal.shell("kubectl", "wait", *where, "--for=delete", "--timeout=10s")
        assert waited.returncode != 0
        assert rehearsal.page("blue").environment == "production"
        events = rehearsal.shell("kubectl", "get", "events", "--namespace=smallcase-blue", "--output=wide")
        assert "deletion_protection is enabled, cannot delete the ingress: smallcase" in events.stdout

        lifted = rehearsal.shell("pulumi", "state", "unprotect", "--all", "--yes", "-s", "blue")
        assert lifted.returncode == 0, lifted.stderr
        released = f"{ALB}load-balancer-attributes=deletion_protection.enabled=false"
        annotated = rehearsal.shell("kubectl", "annotate", "--overwrite", *where, released)
        assert annotated.returncode == 0, annotated.stderr
        destroyed = rehearsal.shell("pulumi", "destroy", "-s", "blue", "--yes", "--skip-preview")
        assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    finally:
        make("rehearse")
    assert rehearsal.url("blue") == address
