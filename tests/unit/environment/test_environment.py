"""An environment: what would be accepted by AWS and Kubernetes and would then lose requests, or never run."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import pytest
from pulumi_docker_build import ExportArgs

from infra import contract
from infra.annotations import DEREGISTRATION_DELAY
from infra.contract import PlatformMissing
from infra.environment.image import arguments, build_arguments, promoted_tag
from infra.environment.workload import DRAIN_SECONDS, GRACE_SECONDS, PROGRESS_DEADLINE
from infra.image_reference import ImageReference, tag
from infra.revision import Revision
from infra.revision import Tree as AppTree
from infra.settings import SettingsError
from rehearsal.cloud.mocks import STACK_REFERENCE
from tests.graph import Graph, environment, platform, program, whole
from tests.stack_files import own_values

BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
IMAGE: Final = "docker-build:index:Image"
INDEX: Final = "docker-build:index:Index"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
SERVICE: Final = "kubernetes:core/v1:Service"
STACKS: Final = ("blue", "green", "develop")
EVERY = pytest.mark.parametrize("stack", STACKS)

REGISTRY: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
REPOSITORIES: Final = {
    "blue": "smallcase-platform",
    "green": "smallcase-platform",
    "develop": "smallcase-platform-open",
}
DIGEST: Final = "sha256:" + "a" * 64
PROTECTION: Final = "deletion_protection.enabled=true"
BASE: Final = f"registry.test/base@{DIGEST}"

Tree = dict[str, object]


def revision(commit: str, app_commit: str = "cafe") -> Revision:
    return Revision(commit=commit, app_commit=app_commit, app=AppTree(id="", files={}))


def pod_of(graph: Graph) -> Tree:
    return cast("Tree", graph.one(DEPLOYMENT).at("spec", "template", "spec"))


def pod(stack: str = "green") -> Tree:
    return pod_of(environment(stack))


def container_of(graph: Graph) -> Tree:
    [container] = cast("list[Tree]", pod_of(graph)["containers"])
    return container


def container(stack: str = "green") -> Tree:
    return container_of(environment(stack))


def annotations(stack: str = "green") -> dict[str, str]:
    return cast("dict[str, str]", environment(stack).one(INGRESS).at("metadata", "annotations"))


def seconds(annotation: str) -> int:
    return int(annotations()[f"alb.ingress.kubernetes.io/{annotation}"])


@EVERY
def test_everything_of_an_environment_is_in_its_own_namespace(stack: str) -> None:
    found = [node for node in environment(stack) if node.type in (BUDGET, DEPLOYMENT, INGRESS, SERVICE)]
    assert {node.text("metadata", "namespace") for node in found} == {f"smallcase-{stack}"}
    assert len(found) == (3 if stack == "develop" else 4)


def test_the_three_environments_are_made_of_the_same_but_for_the_budget_of_a_single_pod() -> None:
    kinds = {stack: {node.type for node in environment(stack)} for stack in STACKS}
    assert kinds["blue"] == kinds["green"]
    assert kinds["green"] - kinds["develop"] == {BUDGET}


def test_the_namespace_enforces_restricted_pods_and_asks_for_readiness_gates() -> None:
    assert environment("green").one(NAMESPACE).at("metadata", "labels") == {
        "app.kubernetes.io/name": "smallcase",
        "app.kubernetes.io/managed-by": "pulumi",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/warn": "restricted",
        "elbv2.k8s.aws/pod-readiness-gate-inject": "enabled",
    }


@pytest.mark.trap("T26")
@EVERY
def test_the_load_balancer_asks_the_pods_themselves_since_fargate_has_no_instances(stack: str) -> None:
    """The whole table: each of them is accepted with another value, and requests are lost with it."""
    assert annotations(stack) == {
        "pulumi.com/patchForce": "true",
        "alb.ingress.kubernetes.io/target-type": "ip",
        "alb.ingress.kubernetes.io/healthcheck-path": "/readyz",
        "alb.ingress.kubernetes.io/healthcheck-interval-seconds": "5",
        "alb.ingress.kubernetes.io/healthcheck-timeout-seconds": "2",
        "alb.ingress.kubernetes.io/healthy-threshold-count": "2",
        "alb.ingress.kubernetes.io/unhealthy-threshold-count": "2",
        # 503 is what a draining pod says of itself.
        "alb.ingress.kubernetes.io/success-codes": "200",
        "alb.ingress.kubernetes.io/target-group-attributes": "deregistration_delay.timeout_seconds=30",
        **({"alb.ingress.kubernetes.io/load-balancer-attributes": PROTECTION} if stack == "blue" else {}),
    }


def test_production_alone_is_not_deleted_by_a_slip() -> None:
    """Pulumi says so in a preview, the controller while it still has pods to send requests to, and AWS after that."""
    assert [stack for stack in STACKS if environment(stack).one(INGRESS).protect] == ["blue"]


@EVERY
def test_what_is_declared_wins_over_what_somebody_changed_by_hand(stack: str) -> None:
    """One `kubectl scale` would make the API server refuse every later deployment."""
    graph = environment(stack)
    for kind in (NAMESPACE, SERVICE, INGRESS, DEPLOYMENT):
        declared = cast("dict[str, str]", graph.one(kind).at("metadata", "annotations"))
        assert declared["pulumi.com/patchForce"] == "true", kind


@pytest.mark.trap("T27")
def test_pods_are_made_last_or_they_would_miss_their_readiness_gates() -> None:
    graph = environment("green")
    namespace, service, ingress, deployment = (graph.one(kind) for kind in (NAMESPACE, SERVICE, INGRESS, DEPLOYMENT))
    order = list(graph.nodes)
    assert order.index(namespace.urn) < order.index(service.urn) < order.index(ingress.urn)
    assert order.index(ingress.urn) < order.index(deployment.urn)
    assert graph.depends(service, namespace)
    assert graph.depends(ingress, service)
    assert graph.depends(deployment, ingress)


@pytest.mark.trap("T30")
def test_a_leaving_pod_serves_until_the_load_balancer_has_let_go_of_it() -> None:
    assert (DRAIN_SECONDS, DEREGISTRATION_DELAY, GRACE_SECONDS) == (20, 30, 60)
    assert container("blue")["lifecycle"] == {
        "preStop": {"exec": {"command": ["python3", "-m", "smallcase.drain", str(DRAIN_SECONDS)]}}
    }
    assert pod("blue")["terminationGracePeriodSeconds"] == GRACE_SECONDS >= DRAIN_SECONDS + DEREGISTRATION_DELAY
    attributes = annotations()["alb.ingress.kubernetes.io/target-group-attributes"]
    assert attributes == f"deregistration_delay.timeout_seconds={DEREGISTRATION_DELAY}"


@pytest.mark.trap("T30")
def test_the_load_balancer_notices_a_draining_pod_before_the_drain_is_over() -> None:
    interval, unhealthy = seconds("healthcheck-interval-seconds"), seconds("unhealthy-threshold-count")
    assert interval * unhealthy < DRAIN_SECONDS
    assert seconds("healthcheck-timeout-seconds") < interval


@EVERY
def test_a_rollout_never_has_fewer_pods_than_asked_for(stack: str) -> None:
    deployment = environment(stack).one(DEPLOYMENT)
    assert deployment.at("spec", "replicas") == own_values(stack)["smallcase:replicas"]
    assert deployment.at("spec", "strategy") == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0},
    }


def test_a_rollout_that_stands_still_fails_soon_and_the_provider_does_not_wait_longer() -> None:
    deployment = environment("blue").one(DEPLOYMENT)
    assert deployment.at("spec", "progressDeadlineSeconds") == PROGRESS_DEADLINE == 120
    assert deployment.timeouts == {"create": "150s", "update": "150s"}


@pytest.mark.trap("T33")
@pytest.mark.parametrize(
    ("size", "cpu", "memory"), [("0.25vCPU-0.5GB", "250m", "256Mi"), ("1vCPU-2GB", "1000m", "1792Mi")]
)
def test_a_pod_asks_for_exactly_what_it_may_use_and_leaves_fargate_its_share(size: str, cpu: str, memory: str) -> None:
    resources = {"cpu": cpu, "memory": memory}
    assert container_of(environment("green", size=size))["resources"] == {"requests": resources, "limits": resources}


@pytest.mark.trap("T34")
@EVERY
def test_nothing_is_asked_of_fargate_that_it_does_not_have(stack: str) -> None:
    graph = environment(stack)
    assert graph.one(IMAGE).at("platforms") == ["linux/amd64"]
    assert not graph.any("kubernetes:apps/v1:DaemonSet")
    text = json.dumps(pod(stack))
    assert [word for word in ("hostPort", "hostNetwork", "nodeSelector", '"privileged": true') if word in text] == []


@pytest.mark.trap("T35")
@EVERY
def test_pods_are_not_spread_by_constraints_that_fargate_ignores(stack: str) -> None:
    assert "topologySpreadConstraints" not in pod(stack)


@pytest.mark.trap("T36")
def test_only_the_service_is_not_waited_for_or_a_broken_app_would_look_deployed() -> None:
    skipping = {node.type for node in environment("green") if "pulumi.com/skipAwait" in str(node.inputs)}
    assert skipping == {SERVICE}


def test_the_container_may_do_as_little_as_pod_security_restricted_demands() -> None:
    assert pod()["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod()["automountServiceAccountToken"], pod()["enableServiceLinks"]) == (False, False)


def test_the_one_place_to_write_to_is_memory_and_small() -> None:
    assert pod()["volumes"] == [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}]
    assert container()["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


@pytest.mark.parametrize(
    ("name", "path", "period", "failures"),
    [("startup", "/healthz", 1, 60), ("readiness", "/readyz", 2, 2), ("liveness", "/healthz", 10, 3)],
)
def test_each_probe_asks_the_application_often_and_long_enough(
    name: str, path: str, period: int, failures: int
) -> None:
    """A minute to start; unready within four seconds; started anew only after half a minute of silence."""
    assert container()[f"{name}Probe"] == {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 2,
    }


@pytest.mark.parametrize(("stack", "budgets"), [("blue", [1]), ("green", [1]), ("develop", [])])
def test_a_budget_lets_one_pod_go_at_a_time_wherever_there_is_more_than_one(stack: str, budgets: list[int]) -> None:
    found = environment(stack).any(BUDGET)
    assert [node.at("spec", "maxUnavailable") for node in found] == budgets
    selected = environment(stack).one(DEPLOYMENT).at("spec", "selector")
    assert all(node.at("spec", "selector") == selected for node in found)


@pytest.mark.trap("T38")
@EVERY
def test_a_preview_builds_and_pushes_nothing(stack: str) -> None:
    assert environment(stack).one(IMAGE).at("buildOnPreview") is False


@EVERY
def test_a_build_is_pushed_by_its_exporter_with_the_dates_of_the_commit(stack: str) -> None:
    """Without `rewrite-timestamp` each environment's digest is another one; pushed twice, the second one wins."""
    image = environment(stack).one(IMAGE)
    assert image.at("exports") == [{"raw": "type=image,push=true,oci-mediatypes=true,rewrite-timestamp=true"}]
    assert image.at("push") is False


def test_files_are_dated_earlier_than_any_work_tree_and_the_same_in_every_commit() -> None:
    """The exporter lowers dates and never raises them: a file older than this would keep its own."""
    one, other = (revision(letter * 12, letter * 40) for letter in "ab")
    dates = {build_arguments(source, None)["SOURCE_DATE_EPOCH"] for source in (one, other)}
    # The earliest date that a zip archive can hold, and so the earliest that tools can be trusted with.
    assert dates == {str(int(datetime(1980, 1, 1, tzinfo=UTC).timestamp()))}


def test_every_environment_gives_the_build_the_same_arguments() -> None:
    """What differed between them would give each another digest."""
    builds = [environment(stack).one(IMAGE) for stack in STACKS]
    assert set(cast("Tree", builds[0].at("buildArgs"))) == {"REVISION", "SOURCE_DATE_EPOCH"}
    assert all(build.at("buildArgs") == builds[0].at("buildArgs") for build in builds)


@pytest.mark.trap("T39")
@EVERY
def test_an_image_stays_in_the_registry_when_its_resource_goes(stack: str) -> None:
    assert environment(stack).one(IMAGE).retain_on_delete


@pytest.mark.trap("T40")
@EVERY
def test_pods_run_a_digest_and_the_tag_says_environment_and_commit(stack: str) -> None:
    image, outputs = cast("str", container(stack)["image"]), environment(stack).outputs
    assert re.fullmatch(
        rf".+/{REPOSITORIES[stack]}:{stack}-[0-9a-f]{{12}}(-dirty-[0-9a-f]{{8}})?@sha256:[0-9a-f]{{64}}", image
    )
    assert environment(stack).one(IMAGE).at("tags") == [image.partition("@")[0]]
    assert outputs["image"] == image
    assert f":{stack}-{outputs['commit']}@sha256:" in image


@pytest.mark.trap("T40")
def test_an_image_that_exists_is_deployed_as_it_is_and_the_page_says_its_own_commit() -> None:
    image = f"{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}"
    graph = environment("blue", image=image)
    assert not graph.any(IMAGE, INDEX)
    assert container_of(graph)["image"] == graph.outputs["image"] == image
    assert graph.outputs["commit"] == "0123456789ab"


@pytest.mark.trap("T43")
def test_a_promoted_image_gets_a_tag_of_the_environments_own_before_it_is_deployed() -> None:
    image = f"{REGISTRY}/smallcase-platform:green-0123456789ab@{DIGEST}"
    graph = environment("blue", image=image)
    kept = graph.one(INDEX)
    assert kept.text("tag") == f"{REGISTRY}/smallcase-platform:blue-0123456789ab-from-green"
    assert kept.at("sources") == [image]
    assert kept.at("push") is None or kept.at("push")
    assert kept.retain_on_delete
    assert graph.depends(graph.one(DEPLOYMENT), kept)
    assert container_of(graph)["image"] == graph.outputs["image"] == image
    assert graph.outputs["commit"] == "0123456789ab"


@pytest.mark.parametrize("tagged", ["blue", "green"])
@pytest.mark.parametrize(
    "repository",
    [
        f"{REGISTRY}/smallcase-platform-open",
        f"{REGISTRY}/smallcase-second",
        "999999999999.dkr.ecr.us-east-1.amazonaws.com/smallcase-platform",
        "docker.io/library/smallcase-platform",
        # The same registry in other words, and words that only look like it.
        f"{REGISTRY}./smallcase-platform",
        f"{REGISTRY}:443/smallcase-platform",
        f"{REGISTRY}//smallcase-platform",
        f"{REGISTRY}/./smallcase-platform",
        f"{REGISTRY}/smallcase-platform/",
        f"{REGISTRY}/smallcase-platform/else",
        f"{REGISTRY}/else/smallcase-platform",
        f"{REGISTRY}.example.net/smallcase-platform",
        f"docker.io/{REGISTRY}/smallcase-platform",
        "localhost:5077/smallcase-platform",
    ],
)
def test_an_image_of_another_repository_is_refused_whatever_its_tag_says(repository: str, tagged: str) -> None:
    image = f"{repository}:{tagged}-0123456789ab@{DIGEST}"
    with pytest.raises(SettingsError, match=r"own trust domain's.*`pulumi config set smallcase:image build -s blue`"):
        environment("blue", image=image)


@pytest.mark.parametrize(
    "image",
    [
        f"{REGISTRY.upper()}/smallcase-platform:blue-0123456789ab@{DIGEST}",
        f"https://{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}",
        f"evil.example@{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}",
        f"{REGISTRY}/smallcase-platform:blue-0123456789ab",
        f"{REGISTRY}/smallcase-platform@{DIGEST}",
        f"{REGISTRY}/smallcase-platform:blue-0123456789ab:green-0123456789ab@{DIGEST}",
        f"{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}@{DIGEST}",
        f"{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}\n",
        f" {REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST}",
        f"{REGISTRY}/smallcase-platform:blue-0123456789ab@{DIGEST.upper()}",
        f"{REGISTRY}/smallcase-platform:/else:blue-0123456789ab@{DIGEST}",
    ],
)
def test_what_is_no_image_by_tag_and_digest_in_the_one_way_to_write_it_is_none_at_all(image: str) -> None:
    """Whoever reads it after us, BuildKit and the kubelet, could read another image."""
    with pytest.raises(SettingsError, match="smallcase:image is"):
        environment("blue", image=image)


@pytest.mark.parametrize("stack", STACKS)
def test_a_platform_in_the_same_stack_takes_its_own_images_alone_too(stack: str) -> None:
    domain = "-open" if stack == "develop" else ""
    for repository in (f"smallcase-platform{domain}", f"smallcase-{stack}{'' if domain else '-open'}"):
        with pytest.raises(SettingsError, match="own trust domain's"):
            whole(stack, image=f"{REGISTRY}/{repository}:{stack}-0123456789ab@{DIGEST}")
    own = f"{REGISTRY}/smallcase-{stack}{domain}:{stack}-0123456789ab@{DIGEST}"
    assert container_of(whole(stack, image=own))["image"] == own


def test_the_reviewed_domains_images_are_not_the_open_domains_either() -> None:
    image = f"{REGISTRY}/smallcase-platform:develop-0123456789ab@{DIGEST}"
    with pytest.raises(SettingsError, match=r"is not of '.*/smallcase-platform-open'"):
        environment("develop", image=image)


@pytest.mark.trap("T43")
@pytest.mark.parametrize("built", ["0123456789ab", "0123456789ab-dirty-01234567-base-01234567"])
def test_the_tag_of_a_promoted_image_says_commit_and_origin_and_is_read_like_any_other(built: str) -> None:
    staged = ImageReference.parse(f"registry.test/smallcase:green-{built}@{DIGEST}")
    written = promoted_tag("blue", staged)
    assert written == f"blue-{built}-from-green"
    promoted = ImageReference.parse(f"registry.test/smallcase:{written}@{DIGEST}")
    assert (promoted.environment, promoted.commit) == ("blue", staged.commit)
    assert len(promoted_tag("a-stack" + "x" * 93, staged)) <= 128


@pytest.mark.trap("T40")
@pytest.mark.parametrize("commit", ["0123456789ab", "0123456789ab-dirty-01234567"])
@pytest.mark.parametrize("base", [None, BASE])
def test_the_commit_is_read_back_from_whatever_tag_is_written(commit: str, base: str | None) -> None:
    written = tag("a-stack", commit, base)
    assert ImageReference.parse(f"registry.test/smallcase:{written}@{DIGEST}").commit == commit


@pytest.mark.trap("T40")
def test_another_base_is_another_tag_or_the_registry_would_refuse_the_push() -> None:
    assert tag("green", "0123456789ab", None) == "green-0123456789ab"
    assert re.fullmatch(r"green-0123456789ab-base-[0-9a-f]{8}", tag("green", "0123456789ab", BASE))
    assert tag("green", "0123456789ab", BASE) != tag("green", "0123456789ab", BASE.replace("a" * 64, "b" * 64))
    image = environment("green", baseImage=BASE)
    assert re.search(r"-base-[0-9a-f]{8}@", cast("str", image.outputs["image"]))
    assert "base" not in cast("str", image.outputs["commit"])


@pytest.mark.trap("T42")
@pytest.mark.parametrize("given", [{}, {"image": f"{REGISTRY}/smallcase-platform:green-0123456789ab@{DIGEST}"}])
def test_what_builds_and_pushes_is_told_no_password_and_no_cache_of_others(given: Mapping[str, str]) -> None:
    (resource,) = environment("blue", **given).any(IMAGE, INDEX)
    assert resource.secrets == frozenset()
    told = {name for name in resource.inputs if re.search("registr|cache|auth|secret|password", name, re.IGNORECASE)}
    assert told == set()


def test_two_clones_in_two_places_give_the_same_inputs() -> None:
    image = environment("green").one(IMAGE)
    location = image.text("context", "location")
    assert re.fullmatch(r"\.build/[0-9a-f]{40}", location)
    assert image.at("context") == {"location": location}
    assert image.at("dockerfile") == {"location": f"{location}/Dockerfile"}


def test_what_is_built_to_be_compared_differs_in_the_push_alone_from_what_is_deployed() -> None:
    deployed, compared = (arguments(revision("a" * 12), BASE, Path("there"), push=push) for push in (True, False))
    for name in ("build_args", "build_on_preview", "labels", "platforms", "push", "target"):
        assert getattr(deployed, name) == getattr(compared, name), name
    exporters = [cast("list[ExportArgs]", one.exports)[0].raw for one in (deployed, compared)]
    assert [str(exporter).replace("push=true", "push=false") for exporter in exporters] == [exporters[1]] * 2
    assert exporters[0] != exporters[1]


def test_the_build_depends_on_the_application_and_its_base_alone() -> None:
    one = revision("aaaaaaaaaaaa")
    other = revision("bbbbbbbbbbbb")
    assert build_arguments(one, None) == build_arguments(other, None)
    assert build_arguments(one, BASE) == {**build_arguments(one, None), "BASE": BASE}


@pytest.mark.parametrize(
    ("stack", "purpose", "branch"),
    [("blue", "production", "master"), ("green", "staging", "staging"), ("develop", "development", "develop")],
)
def test_one_image_becomes_an_environment_by_its_variables(stack: str, purpose: str, branch: str) -> None:
    outputs = environment(stack).outputs
    given = {cast("str", v["name"]): v.get("value") for v in cast("list[Tree]", container(stack)["env"])}
    assert given == {
        "PORT": "8080",
        "SMALLCASE_BRANCH": branch,
        "SMALLCASE_COLOUR": own_values(stack)["smallcase:colour"],
        "SMALLCASE_ENVIRONMENT": purpose,
        # No account and no repository: the page is for everybody.
        "SMALLCASE_IMAGE": f"smallcase@{str(outputs['image']).partition('@')[2]}",
        "SMALLCASE_VERSION": outputs["commit"],
        "POD_NAME": None,
    }


@pytest.mark.parametrize(
    ("stack", "purpose", "branch"),
    [("blue", "production", "master"), ("green", "staging", "staging"), ("develop", "development", "develop")],
)
def test_an_environment_exports_what_people_and_pipelines_ask_for_and_nothing_else(
    stack: str, purpose: str, branch: str
) -> None:
    graph = environment(stack)
    exported = {name: str(value) for name, value in graph.outputs.items()}
    assert exported.pop("url").startswith("http://k8s-")
    assert exported.pop("image") == container(stack)["image"]
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty-[0-9a-f]{8})?", exported.pop("commit"))
    assert exported == {"namespace": f"smallcase-{stack}", "environment": purpose, "branch": branch}


def test_a_host_name_becomes_the_rule_and_the_address() -> None:
    named = environment("green", host="green.example.test")
    assert named.outputs["url"] == "http://green.example.test"
    assert named.one(INGRESS).at("spec", "rules", 0, "host") == "green.example.test"


def test_an_environment_creates_nothing_in_aws() -> None:
    assert [node.type for node in environment("green") if node.type.startswith(("aws:", "eks:"))] == []


def test_a_missing_platform_is_one_sentence_with_both_ways_out() -> None:
    with pytest.raises(PlatformMissing) as missing:
        program("green", changes={"platform": "plattform"})
    message = str(missing.value)
    assert "unknown stack" in message
    assert "pulumi up -s plattform" in message
    assert "pulumi config set smallcase:platform self -s green" in message


def test_in_self_one_stack_exports_both_layers_and_refers_to_no_other() -> None:
    assert whole().mocks.of(STACK_REFERENCE) == []
    assert len(environment("green").mocks.of(STACK_REFERENCE)) == 1
    assert set(whole().outputs) == {*environment("green").outputs, *platform().outputs}
    assert contract.OUTPUT in platform().outputs
