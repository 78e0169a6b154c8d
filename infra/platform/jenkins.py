"""The Jenkins hosts: a controller that builds nothing, and two agents: one may deploy, the other may only look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.branches import DEPLOY, PREVIEW
from infra.host_names import jenkins_host
from infra.names import physical_name
from infra.platform.boot import Agent, Controller
from infra.platform.cluster import Cluster
from infra.platform.domain import Domain
from infra.platform.firewall import Firewall
from infra.platform.front_door import FrontDoor, FrontDoorArgs
from infra.platform.host import Host, HostArgs
from infra.platform.host_address import HostAddress
from infra.platform.network import Network
from infra.platform.pipeline_roles import PipelineRoles
from infra.platform.volume import Volume
from infra.settings import PROJECT

CONTROLLER: Final = "controller"
AGENTS: Final = (PREVIEW, DEPLOY)
PORT: Final = 8080
INSTANCE_TYPE: Final = "t3.medium"
"""x86, as the images are; 4 GB of memory."""
SECRETS: Final = f"{PROJECT}/jenkins/"
"""What the names of Jenkins's secrets in AWS Secrets Manager start with. People put them there, never Pulumi."""
PENDING: Final = "pending"
"""Value of a parameter that no host has written yet."""
PUBLIC_KEYS: Final = {
    CONTROLLER: f"{CONTROLLER}/key",
    PREVIEW: f"{PREVIEW}/host-key",
    DEPLOY: f"{DEPLOY}/host-key",
}
"""The SSM parameter that each host writes and the others read; private keys stay where they are made."""


@final
@dataclass(frozen=True, kw_only=True)
class JenkinsArgs:
    """Jenkins for one platform."""

    name: str
    region: str
    account_id: str
    network: Network
    cluster: Cluster
    roles: PipelineRoles
    image: str
    """AMI id of all three hosts."""
    repository: str
    """`owner/name` on GitHub."""
    github_app: str
    domain: Domain | None
    """None where Jenkins is reached through Session Manager alone."""
    allow_list: Sequence[IPv4Network]
    """Where people come from."""


@final
class Jenkins(pulumi.ComponentResource):
    """Three machines that can be replaced, and one volume that cannot."""

    access: pulumi.Output[str]
    """How a person gets there: a URL, or the command that opens a tunnel."""
    instance_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: JenkinsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Jenkins", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        firewalls = self._firewalls(args)
        args.cluster.grant_api("agents-preview", firewalls[PREVIEW].id, "The preview agent of Jenkins")
        args.cluster.grant_api("agents-deploy", firewalls[DEPLOY].id, "The deploy agent of Jenkins")
        roles = {CONTROLLER: self._controller_role(args), PREVIEW: args.roles.preview, DEPLOY: args.roles.deploy}
        self._exchange_keys(args, roles)
        home = Volume("jenkins-home", f"{args.name}-jenkins-home", args.network.first_zone, self._child)
        addresses = {
            label: HostAddress(
                label,
                f"{args.name}-{label}",
                args.network,
                firewalls[label],
                public=label == CONTROLLER,
                opts=self._child,
            )
            for label in roles
        }
        url = f"https://{jenkins_host(args.domain.name)}" if args.domain is not None else f"http://localhost:{PORT}"
        boots = _boots(args, url, home, addresses)
        hosts = {
            label: Host(
                label,
                HostArgs(
                    name=f"{args.name}-{label}",
                    instance_type=INSTANCE_TYPE,
                    image=args.image,
                    address=addresses[label],
                    role=roles[label],
                    user_data=boots[label],
                ),
                self._child,
            )
            for label in roles
        }
        self.instance_ids = {label: host.instance_id for label, host in hosts.items()}
        home.attach(self.instance_ids[CONTROLLER])
        self.access = self.instance_ids[CONTROLLER].apply(lambda instance: tunnel(args.region, instance))
        if args.domain is not None:
            door = FrontDoor(
                "front-door",
                FrontDoorArgs(
                    name=args.name,
                    network=args.network,
                    domain=args.domain,
                    allow_list=args.allow_list,
                    firewall=firewalls[CONTROLLER],
                    instance_id=self.instance_ids[CONTROLLER],
                    port=PORT,
                ),
                self._child,
            )
            self.access = pulumi.Output.from_input(door.url)
        self.register_outputs({"access": self.access})

    def _firewalls(self, args: JenkinsArgs) -> dict[str, Firewall]:
        controller, preview, deploy = (
            Firewall(label, f"{args.name}-{label}", description, args.network.vpc_id, self._child)
            for label, description in (
                (CONTROLLER, "Jenkins itself"),
                (PREVIEW, "Agent that tests and previews"),
                (DEPLOY, "Agent that deploys"),
            )
        )
        controller.reach_out(443, "GitHub, plugins, Session Manager")
        for agent in (preview, deploy):
            agent.admit(controller, 22, "Jenkins starts its agents by SSH")
            agent.reach_out(443, "GitHub, registries, AWS")
            agent.reach_out(80, "The live pages")
        return {CONTROLLER: controller, PREVIEW: preview, DEPLOY: deploy}

    def _controller_role(self, args: JenkinsArgs) -> aws.iam.Role:
        role = aws.iam.Role(
            CONTROLLER,
            name=physical_name(args.name, CONTROLLER, limit=64),
            description=f"Jenkins of {args.name}: reads its own secrets, and nothing else",
            assume_role_policy=iam.trust("ec2.amazonaws.com"),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            "secrets",
            name="secrets",
            role=role.name,
            policy=iam.rendered(*secrets_rights(args.account_id, args.region)),
            opts=self._child,
        )
        return role

    def _exchange_keys(self, args: JenkinsArgs, roles: Mapping[str, aws.iam.Role]) -> None:
        """Hosts tell each other their public keys, each in a parameter that it alone can write."""
        for label, parameter in PUBLIC_KEYS.items():
            aws.ssm.Parameter(
                label,
                name=f"{parameters(args.name)}/{parameter}",
                description=f"Public SSH key, written by the host {label}",
                type="String",
                value=PENDING,
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value", "insecureValue"]),
            )
            aws.iam.RolePolicy(
                f"{label}-keys",
                name="keys",
                role=roles[label].name,
                policy=iam.rendered(*key_rights(args.account_id, args.region, args.name, label)),
                opts=self._child,
            )


def parameters(name: str) -> str:
    """Path of the platform's SSM parameters."""
    return f"/{name}/jenkins"


def secrets_rights(account: str, region: str) -> list[iam.Statement]:
    """What Jenkins needs to fill in the secrets of its own configuration, and to offer them as credentials."""
    return [
        iam.allow(
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            on=iam.arn("secretsmanager", region, account, f"secret:{SECRETS}*"),
        ),
        # Names and tags only; no resource can be named for it.
        iam.allow("secretsmanager:ListSecrets", on="*"),
    ]


def key_rights(account: str, region: str, name: str, label: str) -> list[iam.Statement]:
    """Read everybody's public key, write one's own."""
    path = parameters(name)
    return [
        iam.allow("ssm:GetParameter", on=iam.arn("ssm", region, account, f"parameter{path}/*")),
        iam.allow("ssm:PutParameter", on=iam.arn("ssm", region, account, f"parameter{path}/{PUBLIC_KEYS[label]}")),
    ]


def tunnel(region: str, instance: str) -> str:
    """The command that brings Jenkins to http://localhost:8080 of whoever may use Session Manager."""
    return (
        f"aws ssm start-session --region {region} --target {instance} --document-name AWS-StartPortForwardingSession "
        f"--parameters portNumber={PORT},localPortNumber={PORT}"
    )


def _boots(
    args: JenkinsArgs, url: str, home: Volume, addresses: Mapping[str, HostAddress]
) -> dict[str, pulumi.Output[str]]:
    """User data of each host."""

    def controller(volume: str, *agents: str) -> str:
        return Controller(
            region=args.region,
            account=args.account_id,
            parameters=parameters(args.name),
            home_volume=volume,
            url=url,
            repository=args.repository,
            github_app=args.github_app,
            agents=dict(zip(AGENTS, agents, strict=True)),
        ).user_data()

    def agent(label: str, controller_address: str) -> str:
        return Agent(
            label=label,
            region=args.region,
            parameters=parameters(args.name),
            controller_address=controller_address,
        ).user_data()

    known = pulumi.Output.all(home.id, *(addresses[label].private_ip for label in AGENTS))
    return {
        CONTROLLER: known.apply(lambda values: controller(*values)),
        PREVIEW: addresses[CONTROLLER].private_ip.apply(lambda address: agent(PREVIEW, address)),
        DEPLOY: addresses[CONTROLLER].private_ip.apply(lambda address: agent(DEPLOY, address)),
    }
