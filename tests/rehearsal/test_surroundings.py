import json
import shutil
from pathlib import Path

from rehearsal import cluster, places, surroundings
from rehearsal.node import configuration
from tests.stack_files import CHECKOUT, declared

HOME = Path("/tools/pulumi-home")


def variables(**caller: str) -> dict[str, str]:
    return surroundings.variables({"PATH": "/usr/bin", **caller}, programs=[Path("/tools/bin")], pulumi_home=HOME)


def test_nothing_of_the_caller_can_lead_to_a_real_account_cluster_builder_or_repository() -> None:
    found = variables(
        AWS_ACCESS_KEY_ID="AKIA",
        AWS_SESSION_TOKEN="token",  # noqa: S106
        BUILDX_BUILDER="mine",
        DOCKER_HOST="tcp://docker",
        GIT_DIR="/home/me/other/.git",
        GIT_INDEX_FILE="/home/me/other/.git/index",
        HELM_DRIVER="sql",
        HELM_KUBECONTEXT="production",
        KUBE_EDITOR="vi",
        KUBECONFIG="/home/me/.kube/config",
        PULUMI_ACCESS_TOKEN="token",  # noqa: S106
        PULUMI_BACKEND_URL="s3://mine",
        PULUMI_CONFIG_PASSPHRASE="mine",  # noqa: S106
    )
    assert {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "BUILDX_BUILDER", "DOCKER_HOST"} & set(found) == set()
    assert {"PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"} & set(found) == set()
    assert {"HELM_KUBECONTEXT", "HELM_DRIVER", "KUBE_EDITOR", "GIT_DIR", "GIT_INDEX_FILE"} & set(found) == set()
    assert found["PULUMI_BACKEND_URL"] == f"file://{places.state_directory() / 'pulumi'}"
    assert found["KUBECONFIG"] == str(places.state_directory() / "kubeconfig")


def test_whatever_could_lead_elsewhere_is_this_rehearsals_own() -> None:
    state = places.state_directory()
    own = {name: value for name, value in variables(HOME="/home/me").items() if name not in {"HOME", "PATH"}}
    directly = f"localhost,127.0.0.1,127.0.0.0/8,::1,elb.test,smallcase-node,{places.PODS},{places.SERVICES}"
    assert own == {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PROFILE": "administrator",
        "DOCKER_CONFIG": f"{state}/docker",
        "HELM_CACHE_HOME": f"{state}/helm",
        "HELM_CONFIG_HOME": f"{state}/helm",
        "HELM_DATA_HOME": f"{state}/helm",
        "KUBECACHEDIR": f"{state}/kubectl",
        "KUBECONFIG": f"{state}/kubeconfig",
        "NO_PROXY": directly,
        "no_proxy": directly,
        "PULUMI_BACKEND_URL": f"file://{state}/pulumi",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{state}/passphrase",
        "PULUMI_DEBUG_PROVIDERS": f"aws:{places.AWS_PROVIDER.port},eks:{places.EKS_PROVIDER.port}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(HOME),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SMALLCASE_REHEARSAL": str(state),
        "SSL_CERT_DIR": f"{state}/certificates/authority:/etc/ssl/certs:/etc/pki/tls/certs",
    }


def test_whom_the_caller_trusts_is_trusted_too() -> None:
    assert variables(SSL_CERT_DIR="/company")["SSL_CERT_DIR"].endswith("/certificates/authority:/company")


def test_what_has_nothing_to_do_with_a_cloud_stays_as_the_caller_has_it() -> None:
    assert variables(EDITOR="vi", LANG="en_GB.UTF-8").items() >= {"EDITOR": "vi", "LANG": "en_GB.UTF-8"}.items()


def test_the_aws_stand_in_comes_before_any_aws_of_the_machine() -> None:
    first, *_, last = variables()["PATH"].split(":")
    assert (Path(first) / "aws").is_file()
    assert last == "/usr/bin"


def test_what_docker_asks_for_the_registrys_password_is_on_path() -> None:
    helper = f"docker-credential-{json.loads(configuration.credentials())['credHelpers'][str(places.REGISTRY)]}"
    assert shutil.which(helper, path=variables()["PATH"])


def test_commands_are_the_administrators_whatever_profile_the_caller_has() -> None:
    assert variables()["AWS_PROFILE"] == "administrator"
    assert variables(AWS_PROFILE="company")["AWS_PROFILE"] == "administrator"


def test_only_named_settings_differ_from_aws() -> None:
    overlay = cluster.overlay(Path("/chart"), "localhost:5077/base@sha256:" + "0" * 64)
    changed = {*overlay.platform, *overlay.environment}
    assert changed == {
        "aws:allowedAccountIds",
        "smallcase:apiAllowList",
        "smallcase:baseImage",
        "smallcase:hostImage",
        "smallcase:ingressControllerChart",
    }
    assert changed - {"aws:allowedAccountIds"} <= set(declared())


def test_the_program_knows_nothing_of_the_rehearsal() -> None:
    program = [CHECKOUT / "__main__.py", *(CHECKOUT / "infra").rglob("*.py")]
    telling = ("rehears", "localhost", "127.0.0.1", "stand-in", "standin", "if local")
    said = {
        f"{path.name}: {word}"
        for path in program
        for word in telling
        if word in path.read_text(encoding="utf-8").lower()
    }
    # Jenkins without a domain: at the end of a tunnel, on the machine of whoever opens it.
    assert said <= {"jenkins.py: localhost"}


def test_the_program_is_a_table_of_contents() -> None:
    assert len((CHECKOUT / "__main__.py").read_text(encoding="utf-8").splitlines()) <= 60
    readers = [
        path.name for path in (CHECKOUT / "infra").rglob("*.py") if "runtime.config" in path.read_text(encoding="utf-8")
    ]
    assert readers == ["settings.py"]
