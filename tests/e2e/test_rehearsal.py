"""The main job, for real: the engine, the images, the pods and the pages, on this machine."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from infra.branches import BRANCHES
from pipeline.cluster import Cluster
from rehearsal import rehearse
from rehearsal.node.files import node_files
from rehearsal.node.namespace import read_process
from rehearsal.toolchain import RehearsalTools
from tests.e2e.conftest import ENVIRONMENTS, Change, Rehearsal, make
from tests.stack_files import CHECKOUT, own_values

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def git_status() -> str:
    return subprocess.run(
        ["git", "-C", CHECKOUT, "status", "--porcelain"], capture_output=True, encoding="utf-8", check=True
    ).stdout


def kill(component: str) -> None:
    """End one process of the rehearsal as a crash would."""
    process = read_process(node_files().run / f"{component}.process")
    assert process, f"{component} does not run"
    process.end(patience=0)


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_each_environment_shows_its_own_page(rehearsal: Rehearsal, stack: str) -> None:
    page = rehearsal.page(stack)
    settings = own_values(stack)
    assert page.branch == settings["smallcase:branch"]
    assert page.environment == BRANCHES[page.branch].purpose
    assert page.colour == settings["smallcase:colour"]
    assert rehearsal.url(stack) in rehearsal.said


def test_the_three_addresses_differ_and_the_three_images_do_not(rehearsal: Rehearsal) -> None:
    assert len({rehearsal.url(stack) for stack in ENVIRONMENTS}) == 3
    assert len({rehearsal.page(stack).digest for stack in ENVIRONMENTS}) == 1


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_a_screenshot_of_each_page_has_the_colour_of_its_environment(
    rehearsal: Rehearsal, stack: str, tmp_path: Path
) -> None:
    picture = Path(os.environ.get("SMALLCASE_SCREENSHOTS", tmp_path)) / f"{stack}.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags += [f"--user-data-dir={tmp_path / 'chromium'}", "--window-size=1000,760", f"--screenshot={picture}"]
    done = subprocess.run(
        ["chromium", *flags, rehearsal.url(stack)], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert picture.exists(), done.stderr
    with Image.open(picture) as image:
        corner = image.convert("RGB").getpixel((5, 5))
    assert corner == tuple(bytes.fromhex(str(own_values(stack)["smallcase:colour"]).removeprefix("#")))


def test_a_callers_proxy_is_asked_for_nothing_of_the_rehearsal(rehearsal: Rehearsal) -> None:
    assert rehearsal.asked == []
    # The API server calls the kubelet by name.
    logs = rehearsal.shell(
        "kubectl", "--namespace=smallcase-green", "logs", "--selector=app.kubernetes.io/name=smallcase"
    )
    assert logs.returncode == 0, logs.stderr


@pytest.mark.usefixtures("rehearsal")
def test_a_second_rehearsal_changes_nothing_and_takes_seconds() -> None:
    started = time.monotonic()
    said = make("rehearse")
    assert time.monotonic() - started < 60  # 20 on two idle cores
    assert len(re.findall("resources unchanged", said)) == len(ENVIRONMENTS), said


@pytest.mark.parametrize("step", ["pulumi up -s platform", "deploying develop to develop"])
@pytest.mark.usefixtures("rehearsal")
def test_an_interrupted_rehearsal_ends_in_order_and_the_next_one_goes_on(step: str) -> None:
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "up"],
        cwd=CHECKOUT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        assert running.stderr
        for line in running.stderr:
            said.append(line)
            if step in line:
                time.sleep(1)
                # As a terminal does it: the signal goes to everything that runs there.
                os.killpg(running.pid, signal.SIGINT)
                break
        said.append(running.communicate(timeout=120)[1])
    assert running.returncode == 130, "".join(said)
    assert "Traceback" not in "".join(said)
    make("rehearse")


def test_plain_commands_work_to_the_letter_in_the_shell(rehearsal: Rehearsal) -> None:
    up = rehearsal.shell("pulumi", "up", "-s", "green", "--yes", "--expect-no-changes")
    assert up.returncode == 0, up.stdout + up.stderr
    preview = rehearsal.shell("pulumi", "preview", "-s", "green")
    assert "unchanged" in preview.stdout, preview.stdout + preview.stderr
    assert "warning" not in (up.stdout + up.stderr + preview.stdout + preview.stderr).lower()
    pods = rehearsal.shell("kubectl", "get", "pods", "-A", "--no-headers")
    running = re.findall(r"^(smallcase-\S+) .* 1/1 +Running", pods.stdout, re.MULTILINE)
    assert {namespace: running.count(namespace) for namespace in sorted(set(running))} == {
        "smallcase-blue": 3,
        "smallcase-develop": 1,
        "smallcase-green": 2,
    }


def test_the_roles_have_their_own_rights_in_the_cluster(rehearsal: Rehearsal) -> None:
    shim = rehearsal.shell("env", "AWS_PROFILE=stranger", "aws", "eks", "get-token", "--cluster-name", "smallcase")
    assert shim.returncode == 2
    assert "stranger" in shim.stderr


def test_pods_run_without_privileges_on_a_read_only_file_system(rehearsal: Rehearsal) -> None:
    touched = rehearsal.shell(
        *("kubectl", "exec", "-n", "smallcase-green", "deploy/smallcase", "--"),
        *("python3", "-c", "import os; print(os.getuid()); open('/srv/app/x', 'w')"),
    )
    assert "Read-only file system" in touched.stderr
    assert touched.stdout.split() == ["10001"]
    refused = rehearsal.shell(
        *("kubectl", "run", "-n", "smallcase-green", "root", "--image=busybox", "--dry-run=server")
    )
    assert "violates PodSecurity" in refused.stderr


def test_what_somebody_scaled_by_hand_gives_way_to_the_next_deployment(rehearsal: Rehearsal, change: Change) -> None:
    scaled = rehearsal.shell("kubectl", "scale", "-n", "smallcase-green", "deploy/smallcase", "--replicas=3")
    assert scaled.returncode == 0, scaled.stderr
    change.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-after-scaling")
    deployed = change.up("green")
    assert deployed.code == 0, deployed.said
    asked = rehearsal.shell(
        *("kubectl", "get", "-n", "smallcase-green", "deploy/smallcase", "-o", "jsonpath={.spec.replicas}")
    )
    assert asked.stdout == "2"


def test_a_change_reaches_every_pod_and_no_request_is_lost(
    rehearsal: Rehearsal, change: Change, tools: RehearsalTools
) -> None:
    url = rehearsal.url("green")
    before = rehearsal.page("green")
    change.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-changed")
    with subprocess.Popen(
        [tools.wrk, "-c20", "-t1", "-d25s", "--timeout", "10s", f"{url}/"], stdout=subprocess.PIPE, encoding="utf-8"
    ) as load:
        time.sleep(1)
        up = change.up("green")
        output = load.communicate(timeout=60)[0]
    assert up.code == 0, up.said
    after = rehearsal.page("green", unlike=before)
    assert after.version != before.version
    assert after.digest != before.digest
    requests = re.search(r"(\d+) requests in", output)
    assert requests, output
    assert int(requests[1]) > 1000, output
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output


def test_staging_is_promoted_to_production_as_it_is_and_production_goes_back(
    rehearsal: Rehearsal, change: Change
) -> None:
    change.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-promoted")
    staged = change.up("green")
    assert staged.code == 0, staged.said
    image = {stack: str(change.pulumi.outputs(stack)["image"]) for stack in ENVIRONMENTS}
    before = rehearsal.page("blue")
    change.configure("blue", "smallcase:image", image["green"])
    promoted = change.up("blue")
    assert promoted.code == 0, promoted.said
    page = rehearsal.page("blue", unlike=before)
    assert (page.environment, page.digest) == ("production", rehearsal.page("green").digest)
    [kept] = (one for one in change.pulumi.resources("blue") if one["type"] == "docker-build:index:Index")
    outputs = cast("dict[str, object]", kept["outputs"])
    assert outputs["sources"] == [image["green"]]
    # The provider read the digest from the registry.
    tag = re.sub(r":green-([\w-]+)@.*", r":blue-\1-from-green", image["green"])
    assert re.fullmatch(re.escape(tag) + "@sha256:[0-9a-f]{64}", str(outputs["ref"]))
    again = change.up("blue", "--refresh", "--run-program", "--expect-no-changes")
    assert again.code == 0, again.said
    change.configure("blue", "smallcase:image", image["blue"])
    back = change.up("blue")
    assert back.code == 0, back.said
    assert rehearsal.page("blue", unlike=page) == before


def deploy_that_fails(rehearsal: Rehearsal, change: Change, expected: str) -> None:
    """The change does not go live, one message says why, and the running version keeps serving."""
    before = rehearsal.page("develop")
    up = change.up("develop")
    assert up.code != 0, up.said
    assert re.search(expected, up.said), up.said
    assert "Traceback" not in up.said
    assert rehearsal.page("develop") == before


def test_an_unreachable_registry_leaves_the_running_version_serving(rehearsal: Rehearsal, change: Change) -> None:
    change.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-unpushed")
    kill("registry")
    deploy_that_fails(rehearsal, change, "localhost:5077")


def test_an_unreachable_cluster_leaves_the_running_version_serving(rehearsal: Rehearsal, change: Change) -> None:
    change.commit("app/smallcase/templates/page.html", "<h1", "<h1 data-unreachable")
    kill("kube-apiserver")
    deploy_that_fails(rehearsal, change, "unreachable|connection refused")


@pytest.mark.parametrize(("role", "may"), [("open", True), ("deploy", False), ("preview", False)])
def test_the_pipelines_roles_have_their_real_rights(rehearsal: Rehearsal, role: str, may: bool) -> None:
    """Who deploys can change its own domain's environments and nothing else; who previews can look."""
    token = rehearsal.shell("env", f"AWS_PROFILE={role}", "aws", "eks", "get-token", "--cluster-name", "smallcase")
    assert token.returncode == 0, token.stderr
    preview = rehearsal.shell(
        "env", f"AWS_PROFILE={role}", "pulumi", "refresh", "-s", "green", "--yes", "--skip-preview"
    )
    assert preview.returncode == 0, preview.stdout + preview.stderr
    scaled = rehearsal.shell(
        *("env", f"AWS_PROFILE={role}", "pulumi", "up", "-s", "develop", "--yes", "--skip-preview"),
        *("-c", f"smallcase:replicas={2 if may else 3}"),
    )
    assert (scaled.returncode == 0) == may, scaled.stdout + scaled.stderr
    if not may:
        assert "forbidden" in (scaled.stdout + scaled.stderr).lower()
    make("rehearse")


OUTSIDE = "the agent 'deploy' changes smallcase-blue, smallcase-green and nothing else"
BEYOND = "the agent 'open' changes smallcase-develop and nothing else"
MORE = "a pod of the pipeline says"
UNRESTRICTED = "a namespace of the pipeline enforces the Pod Security Standard"


@pytest.mark.parametrize(
    ("role", "asked", "refusal"),
    [
        ("deploy", "create service clusterip one --tcp=80 --namespace=smallcase-green", ""),
        ("deploy", "create deployment one --image=one --namespace=smallcase-green", MORE),
        ("deploy", "create deployment one --image=one --namespace=smallcase-develop", OUTSIDE),
        ("deploy", "create deployment one --image=one --namespace=kube-system", OUTSIDE),
        ("deploy", "create ingress one --rule=/=one:80 --namespace=kube-system", OUTSIDE),
        ("deploy", "delete namespace aws-observability", OUTSIDE),
        ("deploy", "create namespace smallcase-other", OUTSIDE),
        ("deploy", "label namespace smallcase-green pod-security.kubernetes.io/enforce-", UNRESTRICTED),
        ("deploy", "create configmap one --namespace=smallcase-green", 'cannot create resource "configmaps"'),
        ("deploy", "get secrets --namespace=smallcase-green", 'cannot list resource "secrets"'),
        ("deploy", "logs deployment/smallcase --namespace=smallcase-green", ""),
        ("open", "create service clusterip one --tcp=80 --namespace=smallcase-develop", ""),
        ("open", "create deployment one --image=one --namespace=smallcase-blue", BEYOND),
        ("open", "scale deployment smallcase --replicas=0 --namespace=smallcase-blue", "cannot patch resource"),
        ("open", "set image deployment/smallcase smallcase=one --namespace=smallcase-blue", BEYOND),
        ("open", "delete deployment smallcase --namespace=smallcase-blue", BEYOND),
        ("open", "delete namespace smallcase-blue", BEYOND),
        ("open", "create namespace smallcase-blue-2", BEYOND),
        ("open", "logs deployment/smallcase --namespace=smallcase-blue", 'cannot get resource "pods/log"'),
    ],
)
def test_whoever_deploys_changes_its_own_environments_and_nothing_else(
    rehearsal: Rehearsal, tmp_path: Path, role: str, asked: str, refusal: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        Cluster.on(rehearsal.pulumi(rehearse.project_directory()), "platform", "").kubeconfig, encoding="utf-8"
    )
    dry = [] if asked.startswith(("get", "logs")) else ["--dry-run=server"]
    ran = rehearsal.shell("env", f"AWS_PROFILE={role}", "kubectl", f"--kubeconfig={kubeconfig}", *asked.split(), *dry)
    assert (ran.returncode == 0) == (not refusal), ran.stdout + ran.stderr
    assert refusal in ran.stderr


def test_the_checkout_stays_clean(rehearsal: Rehearsal) -> None:
    """Nothing that a rehearsal does shows in `git status`."""
    before = git_status()
    rehearsal.shell("pulumi", "config", "set", "smallcase:replicas", "2", "-s", "green")
    make("rehearse")
    assert git_status() == before
    assert not list(CHECKOUT.glob("Pulumi.*.yaml.*"))
