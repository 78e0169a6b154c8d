"""A caller's proxy is not asked for what is on this machine, and is named where it was asked for something else."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from operations import add_ons, host_image, quotas, state
from pipeline import proxy
from pipeline.checkout import Checkout
from pipeline.cluster import Cluster, ClusterUnreachable
from pipeline.deadline import Deadline
from pipeline.github import GitHub
from pipeline.outcomes import Failed, Stopped, WrongUse
from pipeline.pulumi import Answer, Pulumi, explain
from pipeline.release import _Origin  # pyright: ignore[reportPrivateUsage]
from pipeline.verify import Page, watch
from rehearsal import places, surroundings
from rehearsal.load_balancer.naming import DOMAIN
from tests.engine.harness import Harness
from tests.pipeline.repository import git
from tests.surroundings.proxy import HostileProxy, hostile_proxy

PAGE = Page(environment="staging", branch="staging", version="1", colour="#008000", digest="sha256:0")


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileProxy]:
    """The caller's proxy, which lets nothing through."""
    with hostile_proxy() as found:
        for name, value in found.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("urllib.request._opener", None)  # It keeps the proxies of the first request.
        yield found


def named(proxy: HostileProxy, stopped: Exception) -> bool:
    said = str(stopped)
    return proxy.address in said and "secret" not in said and bool(proxy.asked)


@pytest.mark.surroundings(
    "a proxy (`http_proxy` and its kind), with and without `no_proxy=localhost`",
    "What is on this machine is not asked through it: Pulumi's engine, and all of the rehearsal. "
    "What is elsewhere is, and is told with the proxy where it fails. "
    "`pulumi` by hand needs `no_proxy=127.0.0.1`: its SDK would ask the proxy for the engine.",
)
@pytest.mark.parametrize("exempt", ["", "localhost"])
def test_a_program_and_the_engine_beside_it_speak_without_the_callers_proxy(
    hostile: HostileProxy, exempt: str, pulumi_cli: Path, tmp_path: Path
) -> None:
    harness = Harness.create(tmp_path / "trial", pulumi_cli, {})
    harness.write("import pulumi\n\npulumi.export('a', 1)\n")
    environment = {**harness.environment, **hostile.variables(no_proxy=exempt)}
    pulumi = Pulumi(project=harness.project, environment=environment, out=io.StringIO())
    for command in (("stack", "init", "dev"), ("preview", "--stack", "dev")):
        answer = pulumi.run(*command, deadline=Deadline.after(60))
        assert answer.code == 0, answer.said
    assert hostile.asked == []
    for exempt_by_hand, ends_well in (("127.0.0.1", True), (exempt, False)):
        by_hand = harness.pulumi(
            "preview", "--stack", "dev", events=False, **hostile.variables(no_proxy=exempt_by_hand)
        )
        assert (by_hand.code == 0) is ends_well, by_hand.output


@pytest.mark.parametrize("exempt", ["", "localhost", "example.org, 10.0.0.0/8"])
def test_nothing_of_the_rehearsal_is_asked_for_through_the_callers_proxy(
    exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = HostileProxy(address="proxy.example.org:3128").variables(no_proxy=exempt, NO_PROXY="example.com")
    variables = surroundings.variables(caller, programs=[], pulumi_home=Path("/home"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, variables[name])
    hosts = ("localhost", "127.0.0.1", f"k8s-green.{DOMAIN}", places.NODE_NAME)
    assert [host for host in hosts if not proxy_bypass(host)] == []
    assert {"127.0.0.0/8", str(places.PODS), str(places.SERVICES)} <= set(variables["NO_PROXY"].split(","))
    assert not proxy_bypass("index.example.net")
    assert proxy_bypass("www.example.com")


def test_going_around_twice_is_going_around_once() -> None:
    once = proxy.around({"no_proxy": "example.org"}, "elb.test")
    assert proxy.around(once, "elb.test") == once


@pytest.mark.usefixtures("hostile")
def test_a_proxy_that_is_not_asked_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy.through("http://example.org/") != ""
    monkeypatch.setenv("no_proxy", "example.org")
    assert proxy.through("http://example.org/") == ""
    assert proxy.through("ssh://other.example.net/") == ""


def test_a_live_page_is_looked_at_through_the_proxy_which_is_named_where_it_fails(hostile: HostileProxy) -> None:
    with pytest.raises(Failed) as failed:
        watch("http://page.example.org", PAGE, 1, Deadline.after(1))
    assert named(hostile, failed.value)
    assert hostile.asked[0] == "GET http://page.example.org/version HTTP/1.1"


def test_github_is_asked_through_the_proxy_which_is_named_where_it_fails(hostile: HostileProxy) -> None:
    github = GitHub.configured({"GITHUB_REPOSITORY": "o/n", "GITHUB_TOKEN": "t"}, Deadline.after(30))
    assert github
    with pytest.raises(Failed) as failed:
        github.releases()
    assert named(hostile, failed.value)


@pytest.mark.parametrize("way", ["fetch", "tags"])
def test_origin_is_asked_through_the_proxy_which_is_named_where_it_fails(
    hostile: HostileProxy, tmp_path: Path, way: str
) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", "http://git.example.org/o/n.git")
    with pytest.raises(Failed) as failed:
        getattr(_Origin(checkout=Checkout(root=tmp_path), options=(), deadline=Deadline.after(30)), way)()
    assert named(hostile, failed.value)


@pytest.mark.parametrize(
    "verb",
    [
        lambda: host_image.newest("us-east-1"),
        lambda: add_ons.check(add_ons.catalogue("us-east-1")),
        lambda: quotas.check(quotas.of_region("us-east-1"), "us-east-1"),
        lambda: state.ensure("us-east-1"),
    ],
    ids=["host-image", "add-ons", "quotas", "state"],
)
def test_aws_is_asked_through_the_proxy_which_is_named_where_it_fails(
    hostile: HostileProxy, verb: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Stopped) as failed:
        verb()  # pyright: ignore[reportCallIssue]
    assert named(hostile, failed.value)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ('error: failed to refresh cached credentials, get credentials: Post "https://sts": Bad Gateway', WrongUse),
        ('error: Post "https://ec2": proxyconnect tcp: dial tcp: lookup proxy: no such host', Failed),
    ],
)
def test_where_pulumi_reaches_nobody_the_proxy_that_it_asks_is_named(said: str, outcome: type[Stopped]) -> None:
    stopped = explain(Answer(code=255, stdout="", stderr=said), "`pulumi up`")
    assert isinstance(stopped, outcome)
    assert f"is asked{proxy.through('https://amazonaws.com')}." in stopped.way_out


@pytest.mark.usefixtures("hostile")
def test_where_pulumi_fails_for_another_reason_no_proxy_is_named() -> None:
    assert "proxy" not in str(explain(Answer(code=255, stdout="", stderr="error: no colour"), "`pulumi up`"))


def test_a_cluster_that_does_not_answer_is_told_with_the_proxy_on_the_way(
    hostile: HostileProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'Unable to connect to the server: Bad Gateway' >&2\nexit 1\n", encoding="utf-8")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("no_proxy", places.NODE_NAME)
    for server, known in (("https://abc.eks.example.org", True), (f"https://{places.NODE_NAME}", False)):
        kubeconfig = f'{{"clusters": [{{"cluster": {{"server": "{server}"}}}}]}}'
        cluster = Cluster(kubeconfig=kubeconfig, namespace="n", environment=dict(os.environ))
        with pytest.raises(ClusterUnreachable, match="Bad Gateway") as unreachable:
            cluster.may_change()
        assert (f"(asked through the proxy http://{hostile.address})" in str(unreachable.value)) is known
