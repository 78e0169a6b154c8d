"""The Jenkins hosts: a controller that builds nothing, and an agent for each trust domain, or for what shares one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final, final

import pulumi
import pulumi_aws as aws

from infra import iam
from infra.branches import DEPLOY, OPEN, PREVIEW, Agents
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
PORT: Final = 8080
INSTANCE_TYPE: Final = "t3.medium"
"""x86, as the images are; 4 GB of memory."""
SECRETS: Final = f"{PROJECT}/jenkins/"
"""What the names of Jenkins's secrets in AWS Secrets Manager start with. People put them there, never Pulumi."""
PENDING: Final = "pending"
"""Value of a parameter that no host has written yet."""
PURPOSES: Final = {
    PREVIEW: "Agent that tests and previews",
    OPEN: "Agent that deploys what nobody has reviewed",
    DEPLOY: "Agent that deploys",
}
"""What each agent is for, as its security group says it."""


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
    agents: Agents
    image: str
    """AMI id of all hosts."""
    repository: str
    """`owner/name` on GitHub."""
    github_app: str
    domain: Domain | None
    """None where Jenkins is reached through Session Manager alone."""
    access_logs: pulumi.Input[str] | None
    """Bucket of its load balancer's access logs."""
    allow_list: Sequence[IPv4Network]
    """Where people come from."""


@final
class Jenkins(pulumi.ComponentResource):
    """Machines that can be replaced, and one volume that cannot."""

    access: pulumi.Output[str]
    """How a person gets there: a URL, or the command that opens a tunnel."""
    instance_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: JenkinsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Jenkins", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        agents = args.roles.by_agent
        firewalls = self._firewalls(args)
        for agent in agents:
            args.cluster.grant_api(f"agents-{agent}", firewalls[agent].id, f"The {agent} agent of Jenkins")
        roles = {CONTROLLER: self._controller_role(args), **agents}
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
                    access_logs=args.access_logs,
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
        def firewall(label: str, description: str) -> Firewall:
            return Firewall(label, f"{args.name}-{label}", description, args.network.vpc_id, self._child)

        controller = firewall(CONTROLLER, "Jenkins itself")
        controller.reach_out(443, "GitHub, plugins, Session Manager")
        agents = {label: firewall(label, PURPOSES[label]) for label in args.roles.by_agent}
        for agent in agents.values():
            agent.admit(controller, 22, "Jenkins starts its agents by SSH")
            agent.reach_out(443, "GitHub, registries, AWS")
            agent.reach_out(80, "The live pages")
        return {CONTROLLER: controller, **agents}

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
        for label, role in roles.items():
            aws.ssm.Parameter(
                label,
                name=f"{parameters(args.name)}/{public_key(label)}",
                description=f"Public SSH key, written by the host {label}",
                type="String",
                value=PENDING,
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value", "insecureValue"]),
            )
            aws.iam.RolePolicy(
                f"{label}-keys",
                name="keys",
                role=role.name,
                policy=iam.rendered(*key_rights(args.account_id, args.region, args.name, label)),
                opts=self._child,
            )


def parameters(name: str) -> str:
    """Path of the platform's SSM parameters."""
    return f"/{name}/jenkins"


def public_key(label: str) -> str:
    """The SSM parameter that a host writes and the others read; private keys stay where they are made."""
    return f"{label}/key" if label == CONTROLLER else f"{label}/host-key"


def secrets_rights(account: str, region: str) -> list[iam.Statement]:
    """What Jenkins needs to fill in the secrets of its own configuration, and to offer them as credentials."""
    own = iam.arn("secretsmanager", region, account, f"secret:{SECRETS}*")
    return [
        *iam.within(account, iam.allow("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", on=own)),
        # Names and tags only; no resource can be named for it.
        iam.allow("secretsmanager:ListSecrets", on="*"),
    ]


def key_rights(account: str, region: str, name: str, label: str) -> list[iam.Statement]:
    """Read everybody's public key, write one's own."""
    path = iam.arn("ssm", region, account, f"parameter{parameters(name)}")
    return iam.within(
        account,
        iam.allow("ssm:GetParameter", on=f"{path}/*"),
        iam.allow("ssm:PutParameter", on=f"{path}/{public_key(label)}"),
    )


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
    agents = tuple(args.roles.by_agent)

    def controller(volume: str, *hosts: str) -> str:
        return Controller(
            region=args.region,
            account=args.account_id,
            parameters=parameters(args.name),
            home_volume=volume,
            url=url,
            repository=args.repository,
            github_app=args.github_app,
            agents=dict(zip(agents, hosts, strict=True)),
            labels={PREVIEW: PREVIEW, **{label: agent for agent, served in args.agents.items() for label in served}},
        ).user_data()

    def agent(label: str, controller_address: str) -> str:
        return Agent(
            label=label,
            region=args.region,
            parameters=parameters(args.name),
            controller_address=controller_address,
        ).user_data()

    known = pulumi.Output.all(home.id, *(addresses[label].private_ip for label in agents))
    booted = {
        label: addresses[CONTROLLER].private_ip.apply(lambda address, label=label: agent(label, address))
        for label in agents
    }
    return {CONTROLLER: known.apply(lambda values: controller(*values)), **booted}
