"""The platform layer: everything that the environments share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import pulumi
import pulumi_kubernetes as kubernetes

from infra import account, tenants
from infra.branches import PREVIEW
from infra.contract import PlatformContract
from infra.names import physical_name
from infra.platform.access_logs import AccessLogs, AccessLogsArgs
from infra.platform.alarms import Alarms, AlarmsArgs
from infra.platform.cluster import Cluster, ClusterArgs
from infra.platform.domain import Domain, hosted_zone
from infra.platform.fresh_root import FreshRoot, FreshRootArgs
from infra.platform.ingress_controller import IngressController, IngressControllerArgs
from infra.platform.jenkins import Jenkins, JenkinsArgs
from infra.platform.load_balancers import INGRESS_CLASS, LoadBalancers
from infra.platform.logging import Logging
from infra.platform.network import Network, NetworkArgs, available_zones
from infra.platform.pipeline_rights import PipelineRights, PipelineRightsArgs
from infra.platform.pipeline_roles import PipelineRoles, PipelineRolesArgs
from infra.platform.registry import Registry, RegistryArgs
from infra.settings import PROJECT, PlatformSettings
from infra.tenants import Tenant

LONGEST_NAME: Final = 48
"""Of a platform: it starts the names of roles, which take 64 characters."""


@final
@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """One platform, named after the stack that owns it."""

    stack: str
    region: str
    account_id: str
    settings: PlatformSettings
    tenants: Sequence[Tenant]
    """The environments that are declared on it."""


@final
class Platform(pulumi.ComponentResource):
    """Network, registry, cluster, ingress controller, logs, Jenkins; `contract` is what an environment sees of it."""

    contract: PlatformContract
    jenkins: Jenkins
    roles: Mapping[str, Mapping[str, object]]
    """By role that changes environments, its ARN and their stacks."""

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("smallcase:platform:Platform", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, stack, region = args.settings, args.stack, args.region
        platform = physical_name(PROJECT, stack, limit=LONGEST_NAME)
        # Questions come first: what they refuse leaves nothing half-made.
        asking = pulumi.InvokeOptions(parent=self)
        zones = available_zones(settings.zones, asking)
        zone_id = hosted_zone(settings.domain, asking) if settings.domain is not None else ""
        names = tenants.names(args.tenants, settings.domain) if settings.domain is not None else {}
        # Jenkins runs on the platform, so it never deploys the stack that owns it.
        deployed = {
            agent: [tenant for tenant in tenants.of(args.tenants, *domains) if tenant.stack != stack]
            for agent, domains in settings.agents.items()
        }
        network = Network(
            "network",
            NetworkArgs(
                name=platform,
                region=region,
                network=settings.network,
                zones=zones,
                nat_per_zone=settings.nat_per_zone,
                registry_endpoints=settings.registry_endpoints,
            ),
            child,
        )
        registry = Registry(
            "registry", RegistryArgs(name=platform, account_id=args.account_id, tenants=args.tenants), child
        )
        domain = Domain("domain", settings.domain, zone_id, child) if settings.domain is not None else None
        cluster = Cluster(
            "cluster",
            ClusterArgs(
                name=platform,
                region=region,
                account_id=args.account_id,
                network=network,
                api_allow_list=settings.api_allow_list,
            ),
            child,
        )
        for index, administrator in enumerate(settings.administrators):
            cluster.grant_administration(f"administrator-{index}", administrator)
        in_cluster = kubernetes.Provider(
            "platform-cluster",
            kubeconfig=cluster.kubeconfig,
            cluster_identifier=cluster.name,
            enable_server_side_apply=True,
            opts=child,
        )
        inside = pulumi.ResourceOptions(parent=self, providers=[in_cluster])
        logging = Logging("logging", cluster, stack, region, inside)
        logs = (
            AccessLogs("access-logs", AccessLogsArgs(name=platform, account_id=args.account_id), child).bucket
            if settings.access_logs
            else None
        )
        load_balancers = LoadBalancers(
            certificate_arn=domain.certificate_arn if domain is not None else None, logs=logs
        )
        ingress_controller = IngressController(
            "ingress-controller",
            IngressControllerArgs(
                name=platform,
                cluster=cluster,
                network=network,
                region=region,
                account_id=args.account_id,
                chart=settings.ingress_controller_chart,
                tags=account.tags(stack),
                load_balancers=load_balancers,
                logging=logging,
            ),
            inside,
        )
        roles = PipelineRoles(
            "pipeline-roles",
            PipelineRolesArgs(
                name=platform,
                stack=stack,
                region=region,
                account_id=args.account_id,
                cluster=cluster,
                registry=registry,
                domain=domain,
                names=names,
                tenants=args.tenants,
                agents=settings.agents,
                deployed=deployed,
                people=(*settings.administrators, *settings.operators),
            ),
            child,
        )
        PipelineRights(
            "pipeline-rights",
            PipelineRightsArgs(
                repositories={
                    agent: {tenant.namespace: registry.repository_urls[tenant.branch.domain] for tenant in own}
                    for agent, own in deployed.items()
                },
                ingress_annotations=load_balancers.annotations,
            ),
            inside,
        )
        self.roles = {
            agent: {"arn": roles.by_agent[agent].arn, "stacks": [tenant.stack for tenant in own]}
            for agent, own in deployed.items()
        }
        self.jenkins = Jenkins(
            "jenkins",
            JenkinsArgs(
                name=platform,
                region=region,
                account_id=args.account_id,
                network=network,
                cluster=cluster,
                roles=roles,
                agents=settings.agents,
                image=settings.host_image,
                repository=settings.github_repository,
                github_app=settings.github_app,
                domain=domain,
                access_logs=logs,
                allow_list=settings.jenkins_allow_list,
            ),
            child,
        )
        FreshRoot(
            "preview-root",
            FreshRootArgs(
                name=platform,
                region=region,
                account_id=args.account_id,
                instance_id=self.jenkins.instance_ids[PREVIEW],
            ),
            child,
        )
        if settings.alarm_mail is not None:
            Alarms(
                "alarms", AlarmsArgs(name=platform, mail=settings.alarm_mail, hosts=self.jenkins.instance_ids), child
            )
        self.contract = PlatformContract(
            kubeconfig=cluster.kubeconfig,
            cluster_name=cluster.name,
            repositories=registry.repository_urls,
            ingress_class=INGRESS_CLASS,
            ingress_annotations=load_balancers.annotations,
            domain=domain.name if domain is not None else "",
            zone_id=domain.zone_id if domain is not None else "",
            ready=(ingress_controller, logging),
        )
        self.register_outputs({"cluster_name": cluster.name})
