"""Whoever can write a checkpoint runs nothing as whoever reads it."""

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from pipeline.checkpoint import asks_eks, foreign, require_ours
from pipeline.outcomes import Refused
from tests.pipeline.live import Live

URN = "urn:pulumi:develop::smallcase::"
DYNAMIC = "pulumi-python:dynamic:Resource"
EVIL = f"{URN}pulumi:providers:evil::default"
PROVIDER: Mapping[str, object] = {
    "urn": f"{URN}pulumi:providers:aws::aws",
    "custom": True,
    "id": "1",
    "type": "pulumi:providers:aws",
    "inputs": {"__internal": {}, "region": "us-east-1", "version": "7.51.1"},
}
BUILDER: Mapping[str, object] = {
    "urn": f"{URN}pulumi:providers:docker-build::default_0_0_22",
    "custom": True,
    "id": "1",
    "type": "pulumi:providers:docker-build",
    "inputs": {
        "__internal": {},
        "__pulumi-go-provider-infer": True,
        "__pulumi-go-provider-version": "v1.5.0",
        "host": "",
        "version": "0.0.22",
    },
    "outputs": {"host": "unix:///run/user/1000/docker.sock", "version": "0.0.22"},
}
"""As the real provider of docker-build has it, with the default of a person's own Docker."""
KUBECONFIG: Mapping[str, object] = {
    "clusters": [
        {"cluster": {"server": "https://0A.gr7.us-east-1.eks.amazonaws.com", "certificate-authority-data": ""}}
    ],
    "users": [
        {
            "user": {
                "exec": {
                    "command": "aws",
                    "args": ["--region", "us-east-1", "eks", "get-token", "--cluster-name", "smallcase-platform"],
                    "env": [{"name": "KUBERNETES_EXEC_INFO", "value": "{}"}],
                }
            }
        }
    ],
}

Resource = dict[str, object]


def checkpoint(*resources: Mapping[str, object], **more: object) -> Mapping[str, object]:
    return {"version": 3, "deployment": {"resources": list(resources), **more}}


def changed(base: Mapping[str, object], *path: str | int, to: object) -> Mapping[str, object]:
    """A copy with another value at the end of a path."""
    copy = json.loads(json.dumps(base))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy


def test_what_the_program_makes_is_let_through(live: Live) -> None:
    for stack in ("platform", "develop"):
        ran = live.verb("inspect", stack)
        assert ran.code == 0, ran.stderr
        assert "this program's providers alone" in ran.stdout


def test_what_the_builds_provider_says_of_itself_is_let_through() -> None:
    assert not list(foreign(checkpoint(BUILDER)))


def test_a_stack_without_a_checkpoint_holds_nothing_foreign() -> None:
    require_ours("develop", {"version": 3, "deployment": None})


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (checkpoint(changed(PROVIDER, "inputs", "__internal", to={"pluginDownloadURL": "x"})), "pluginDownloadURL"),
        (checkpoint(changed(PROVIDER, "inputs", "pluginDownloadURL", to="https://x")), "setting pluginDownloadURL"),
        (checkpoint(changed(PROVIDER, "inputs", "__internal", to={"parameterization": {}})), "parameterization"),
        (checkpoint(changed(PROVIDER, "inputs", "__internal", to={"envVarMappings": {}})), "envVarMappings"),
        (checkpoint(changed(PROVIDER, "inputs", "endpoints", to="[]")), "setting endpoints"),
        (checkpoint(changed(PROVIDER, "outputs", to={"sharedConfigFiles": "[]"})), "setting sharedConfigFiles"),
        (checkpoint(changed(BUILDER, "inputs", "host", to="ssh://evil.example")), "Docker host 'ssh://evil.example'"),
        (checkpoint(changed(BUILDER, "outputs", "host", to="tcp://192.0.2.1:2375")), "no socket of this machine"),
        (checkpoint(changed(BUILDER, "inputs", "registries", to="[]")), "setting registries"),
        (checkpoint({**PROVIDER, "urn": EVIL, "type": "pulumi:providers:evil"}), "another provider"),
        (checkpoint({**PROVIDER, "urn": EVIL}), "whose type is pulumi:providers:aws"),
        (checkpoint({"urn": f"{URN}evil:a:B::b", "type": "evil:a:B", "custom": True}), "of another provider"),
        (
            checkpoint({"urn": f"{URN}aws:a:B::b", "type": "aws:a:B", "custom": True, "provider": f"{EVIL}::1"}),
            "of the provider evil",
        ),
        (checkpoint({"urn": f"{URN}{DYNAMIC}::b", "type": DYNAMIC, "custom": True}), "of another provider"),
        (checkpoint(pending_operations=[{"type": "creating", "resource": {**PROVIDER, "urn": EVIL}}]), "evil"),
        (checkpoint(snippets=[{"uuid": "1", "code": "…"}]), "snippets"),
        (checkpoint(extensions={"1": {}}), "extensions"),
        ({**checkpoint(), "features": ["snippets-prototype"]}, "the feature 'snippets-prototype'"),
        ({**checkpoint(), "features": ["a-later-one"]}, "the feature 'a-later-one'"),
    ],
)  # fmt: skip
def test_what_would_start_something_else_is_refused_by_name(held: Mapping[str, object], named: str) -> None:
    with pytest.raises(Refused, match=named.replace("(", r"\(")):
        require_ours("develop", held)


def test_a_kubeconfig_that_asks_eks_for_a_token_is_let_through() -> None:
    assert asks_eks(json.dumps(KUBECONFIG))
    provider = {
        **PROVIDER,
        "urn": f"{URN}smallcase:environment:Environment$pulumi:providers:kubernetes::cluster",
        "type": "pulumi:providers:kubernetes",
        "inputs": {"kubeconfig": json.dumps(KUBECONFIG), "version": "4.25.0"},
        "outputs": {"kubeconfig": json.dumps(KUBECONFIG), "version": "4.25.0"},
    }
    assert not list(foreign(checkpoint(provider)))
    assert list(foreign(checkpoint(changed(provider, "inputs", "kubeconfig", to="{}"))))


@pytest.mark.parametrize(
    "kubeconfig",
    [
        changed(KUBECONFIG, "users", 0, "user", "exec", "command", to="/bin/sh"),
        changed(KUBECONFIG, "users", 0, "user", "exec", "args", to=["-c", "eks get-token --cluster-name a"]),
        changed(KUBECONFIG, "users", 0, "user", "exec", "args", 0, to="--endpoint-url"),
        changed(KUBECONFIG, "users", 0, "user", "exec", "env", 0, "name", to="AWS_CONFIG_FILE"),
        changed(KUBECONFIG, "users", 0, "user", "auth-provider", to={"name": "gcp", "config": {"cmd-path": "/bin/sh"}}),
        changed(KUBECONFIG, "users", 0, "user", to={"tokenFile": "/etc/shadow"}),
        changed(KUBECONFIG, "users", to=[]),
        changed(KUBECONFIG, "clusters", 0, "cluster", "server", to="https://evil.example"),
        changed(KUBECONFIG, "clusters", 0, "cluster", "server", to="https://evil.example/.eks.amazonaws.com"),
        changed(KUBECONFIG, "clusters", 0, "cluster", "server", to="https://127.0.0.1:1@evil.example"),
        changed(KUBECONFIG, "clusters", 0, "cluster", "proxy-url", to="http://evil.example"),
        changed(KUBECONFIG, "clusters", 0, "cluster", "insecure-skip-tls-verify", to=True),
    ],
)
def test_a_kubeconfig_that_starts_or_reaches_something_else_is_not(kubeconfig: Mapping[str, object]) -> None:
    assert not asks_eks(json.dumps(kubeconfig))


@pytest.mark.parametrize("kubeconfig", [None, "", "no JSON", "[]", "1", {"4dabf18193072939515e22adb298388d": "secret"}])
def test_a_kubeconfig_that_cannot_be_read_is_not_let_through(kubeconfig: object) -> None:
    assert not asks_eks(kubeconfig)


@contextmanager
def serving(plugin: str, asked: list[str]) -> Generator[str]:
    """A site that offers every plugin that is asked for: a program that leaves a mark."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("pulumi-resource-evil")
        entry.size, entry.mode = len(plugin), 0o755
        archive.addfile(entry, io.BytesIO(plugin.encode()))

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(packed.getvalue())))
            self.end_headers()
            self.wfile.write(packed.getvalue())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test asks what was asked for."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def tamper(live: Live, stack: str, *added: Resource) -> None:
    """Write into a checkpoint past Pulumi, as whoever may write the bucket can."""
    (path,) = (live.directory / "state" / ".pulumi" / "stacks").rglob(f"{stack}.json")
    written = cast("dict[str, dict[str, dict[str, list[object]]]]", json.loads(path.read_text(encoding="utf-8")))
    written["checkpoint"]["latest"]["resources"] += added
    path.write_text(json.dumps(written), encoding="utf-8")


def downloaded(stack: str, url: str) -> list[Resource]:
    provider = f"urn:pulumi:{stack}::smallcase::pulumi:providers:evil::default"
    inputs = {"version": "1.0.0", "__internal": {"pluginDownloadURL": url}}
    thing: Resource = {
        "urn": f"urn:pulumi:{stack}::smallcase::evil:index:Thing::thing",
        "type": "evil:index:Thing",
        "custom": True,
        "id": "thing",
        "provider": f"{provider}::1",
    }
    return [{"urn": provider, "type": "pulumi:providers:evil", "custom": True, "id": "1", "inputs": inputs}, thing]


def pickled(stack: str, _: str) -> list[Resource]:
    provider = f"urn:pulumi:{stack}::smallcase::pulumi:providers:pulumi-python::default"
    thing: Resource = {
        "urn": f"urn:pulumi:{stack}::smallcase::{DYNAMIC}::thing",
        "type": DYNAMIC,
        "custom": True,
        "id": "thing",
        "provider": f"{provider}::1",
        "inputs": {"__provider": "a pickle"},
    }
    return [{"urn": provider, "type": "pulumi:providers:pulumi-python", "custom": True, "id": "1"}, thing]


@pytest.mark.parametrize("attack", [downloaded, pickled])
def test_no_verb_runs_what_a_checkpoint_brings_along_and_plain_pulumi_does(
    live: Live, tmp_path: Path, attack: Callable[[str, str], list[Resource]]
) -> None:
    mark = tmp_path / "it-ran"
    program = f'#!/bin/sh\n: >"{mark}"\nexit 1\n'
    dynamic = live.directory / "programs" / "pulumi-resource-pulumi-python"
    dynamic.write_text(program, encoding="utf-8")
    dynamic.chmod(0o755)
    asked: list[str] = []
    live.plan()
    with serving(program, asked) as url:
        for stack in ("develop", "platform"):
            tamper(live, stack, *attack(stack, url))
        variables = {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false"}
        plan = ("--plan", "reports/plan.json")
        for verb in (
            ("inspect", "develop"),
            ("preview",),
            ("drift",),
            ("deploy", *plan),
            ("teardown", "platform", "--really", "platform"),
        ):
            ran = live.verb(*verb, **variables)
            assert ran.code == 3, (verb, ran.stdout, ran.stderr)
            assert "holds what this program does not make" in ran.stderr
            assert "Traceback" not in ran.stderr
        assert not mark.exists()
        assert not asked
        plain = subprocess.run(
            ["pulumi", "preview", "--stack", "develop", "--non-interactive"],
            cwd=live.harness.project,
            env=live.variables(**variables),
            capture_output=True,
            timeout=100,
            check=False,
        )
    assert mark.exists(), f"the attack does nothing, so the test proves nothing: {plain.stdout!r}"


@pytest.mark.parametrize(
    "provider",
    [
        {
            "type": "cloud",
            "state": {"url": "awskms://alias/smallcase-state?region=us-east-1&endpoint=https://evil.example"},
        },
        {"type": "cloud", "state": {"url": "awskms://alias/smallcase-state?region=us-east-1&profile=other"}},
        {"type": "cloud", "state": {"url": "awskms://arn:aws:kms:us-east-1:999999999999:key/1?region=us-east-1"}},
        {"type": "cloud", "state": {"url": "hashivault://evil"}},
        {"type": "cloud", "state": {}},
        {"type": "service", "state": {"url": "https://evil.example", "owner": "o", "project": "p", "stack": "s"}},
    ],
)
def test_nobody_but_kms_of_the_own_account_is_asked_for_the_key(provider: Mapping[str, object]) -> None:
    assert list(foreign(checkpoint(secrets_providers=provider)))


@pytest.mark.parametrize(
    "provider",
    [
        {"type": "passphrase", "state": {"salt": "v1:x"}},
        {"type": "cloud", "state": {"url": "awskms://alias/smallcase-state?region=us-east-1", "encryptedkey": "x"}},
    ],
)
def test_a_passphrase_and_the_key_of_the_state_are_let_through(provider: Mapping[str, object]) -> None:
    assert not list(foreign(checkpoint(secrets_providers=provider)))


@pytest.mark.parametrize("region", ["us-east-1.evil.example/#", "evil@example", "us east"])
def test_a_region_is_a_word_and_leads_to_no_other_host(region: str) -> None:
    assert list(foreign(checkpoint(changed(PROVIDER, "inputs", "region", to=region))))
