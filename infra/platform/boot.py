"""What a host does when it boots for the first time: files, settings and units, packed into its user data.

Pure functions of a host's settings. The scripts themselves are in `jenkins/boot/`, where a linter sees them.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from infra import state, versions
from infra.branches import PREVIEW
from infra.plugins import plugins

JENKINS: Final = Path(__file__).resolve().parent.parent.parent / "jenkins"
PROGRAMS: Final = "/opt/smallcase"
LIMIT: Final = 16384
"""Bytes of user data, packed: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""

JENKINS_UID: Final = 1990
"""Owner of JENKINS_HOME, the same on every controller there will be."""

BOOT_UNIT: Final = """\
[Unit]
Description=Make this machine what it is for
After=network-online.target
Wants=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/opt/smallcase/boot.sh
TimeoutStartSec=1800
Restart=on-failure
RestartSec=30
[Install]
WantedBy=multi-user.target
"""
KEYS_UNIT: Final = """\
[Unit]
Description=Learn the public keys of the other hosts
[Service]
Type=oneshot
ExecStart=/opt/smallcase/keys.sh
TimeoutStartSec=60
"""
KEYS_TIMER: Final = """\
[Timer]
OnActiveSec=0
OnUnitInactiveSec=60
[Install]
WantedBy=timers.target
"""
JENKINS_DROP_IN: Final = """\
[Unit]
RequiresMountsFor=/var/lib/jenkins
[Service]
EnvironmentFile=/etc/smallcase/host.env
Environment="CASC_JENKINS_CONFIG=/etc/jenkins/jenkins.yaml"
Environment="JAVA_OPTS=-Djava.awt.headless=true -Djenkins.install.runSetupWizard=false -XX:MaxRAMPercentage=60"
"""


@final
@dataclass(frozen=True, kw_only=True)
class Controller:
    """Settings of the host that Jenkins runs on."""

    region: str
    parameters: str
    """Path of the SSM parameters by which hosts learn each other's public keys."""
    account: str
    home_volume: str
    """Id of the EBS volume that holds JENKINS_HOME."""
    url: str
    """How people reach Jenkins."""
    repository: str
    """`owner/name` on GitHub."""
    github_app: str
    agents: Mapping[str, str]
    """Private addresses by host."""
    labels: Mapping[str, str]
    """By label that a Jenkinsfile can ask for, the host that serves it."""

    def user_data(self) -> str:
        """Base64 for EC2.

        Raises:
            ValueError: the files are too large, packed, for user data.
        """
        owner, _, repository = self.repository.partition("/")
        environment = {
            "HOME_VOLUME": self.home_volume,
            "JENKINS_URL": self.url,
            "PULUMI_BACKEND_URL": state.backend_url(self.account, self.region),
            "GITHUB_OWNER": owner,
            "GITHUB_REPOSITORY": repository,
            "GITHUB_APP_ID": self.github_app,
            "JENKINS_UID": str(JENKINS_UID),
            "JENKINS_VERSION": versions.JENKINS,
            "JENKINS_SIGNED": versions.JENKINS_SIGNED,
            "JENKINS_SIGNER": versions.JENKINS_SIGNER,
            "JENKINS_PLUGINS_SHA256": versions.JENKINS_PLUGINS_SHA256,
            "PLUGIN_MANAGER_VERSION": versions.JENKINS_PLUGIN_MANAGER,
            "PLUGIN_MANAGER_SHA256": versions.JENKINS_PLUGIN_MANAGER_SHA256,
            "AGENTS": " ".join(self.agents),
            **{f"AGENT_{label.upper()}_HOST": self.agents[host] for label, host in self.labels.items()},
        }
        return _packed(
            {
                **_common("controller", self.region, self.parameters, environment),
                "/etc/systemd/system/jenkins.service.d/smallcase.conf": JENKINS_DROP_IN,
                **_configuration(),
            }
        )


@final
@dataclass(frozen=True, kw_only=True)
class Agent:
    """Settings of a host that the pipeline's stages run on."""

    label: str
    region: str
    parameters: str
    controller_address: str
    """Private address, the only one that may come in."""

    def user_data(self) -> str:
        """Base64 for EC2."""
        environment = {
            "AGENT": self.label,
            "CONTROLLER_ADDRESS": self.controller_address,
            "JENKINS_UID": str(JENKINS_UID),
            "PYTHON_VERSION": versions.PYTHON,
            "UV_VERSION": versions.UV,
            "UV_SHA256": versions.UV_SHA256,
            "PULUMI_VERSION": versions.PULUMI,
            "PULUMI_SHA256": versions.PULUMI_SHA256,
            "PULUMI_PLUGINS": " ".join(f"{one.name}:{one.version}:{one.sha256}" for one in plugins()),
            "BUILDKIT_VERSION": versions.BUILDKIT,
            "BUILDKIT_DIGEST": versions.BUILDKIT_DIGEST,
            "KUBECTL_VERSION": versions.KUBECTL,
            "KUBECTL_SHA256": versions.KUBECTL_SHA256,
        }
        build = {f"{PROGRAMS}/build.sh": _script("build")} if self.label == PREVIEW else {}
        return _packed({**_common("agent", self.region, self.parameters, environment), **build})


def unpacked(user_data: str) -> str:
    """The cloud-config in a host's user data, for people and tests."""
    return gzip.decompress(base64.b64decode(user_data)).decode()


def _common(kind: str, region: str, parameters: str, environment: Mapping[str, str]) -> dict[str, str]:
    # Quoted in the one way that a shell and systemd read alike.
    settings = {"AWS_REGION": region, "PARAMETERS": parameters, "JAVA_VERSION": versions.JAVA, **environment}
    return {
        "/etc/smallcase/host.env": "".join(f"{name}='{value}'\n" for name, value in settings.items()),
        f"{PROGRAMS}/lib.sh": _script("lib"),
        f"{PROGRAMS}/boot.sh": _script(kind),
        f"{PROGRAMS}/keys.sh": _script(f"{kind}-keys"),
        "/etc/systemd/system/smallcase-boot.service": BOOT_UNIT,
        "/etc/systemd/system/smallcase-keys.service": KEYS_UNIT,
        "/etc/systemd/system/smallcase-keys.timer": KEYS_TIMER,
    }


def _script(name: str) -> str:
    return (JENKINS / "boot" / f"{name}.sh").read_text(encoding="utf-8")


def _configuration() -> dict[str, str]:
    """Jenkins's own configuration, as the repository has it."""
    names = ("plugins.txt", "jenkins.yaml", "one-build.groovy")
    return {f"/etc/jenkins/{name}": (JENKINS / name).read_text(encoding="utf-8") for name in names}


def _packed(files: Mapping[str, str]) -> str:
    """cloud-config in the part of YAML that is JSON. https://cloudinit.readthedocs.io/en/latest/explanation/format.html"""
    content = {
        "write_files": [
            {"path": path, "permissions": "0755" if path.endswith(".sh") else "0644", "content": text}
            for path, text in files.items()
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", "smallcase-boot.service"],
        ],
    }
    # A date in the archive would make every preview show a changed host.
    packed = gzip.compress(f"#cloud-config\n{json.dumps(content)}\n".encode(), mtime=0)
    if len(packed) > LIMIT:
        raise ValueError(f"the files of a host take {len(packed)} bytes, packed; user data takes {LIMIT}")
    return base64.b64encode(packed).decode()
