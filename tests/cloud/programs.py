"""Programs for the trials: the size of a page, and of the kinds that the real one has."""

from string import Template

_NETWORK = Template("""
import pulumi
import pulumi_aws as aws

vpc = aws.ec2.Vpc("vpc", cidr_block="$cidr", enable_dns_hostnames=True, tags={"owner": "$owner"})
gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id)
table = aws.ec2.RouteTable("table", vpc_id=vpc.id)
subnets = [
    aws.ec2.Subnet(f"private-{zone}", vpc_id=vpc.id, cidr_block=cidr, availability_zone=f"us-east-1{zone}")
    for zone, cidr in (("a", "10.0.0.0/24"), ("b", "10.0.1.0/24"))
]
for index, subnet in enumerate(subnets):
    aws.ec2.RouteTableAssociation(f"association-{index}", subnet_id=subnet.id, route_table_id=table.id)
repository = aws.ecr.Repository("repository", name="smallcase", image_tag_mutability="IMMUTABLE")
""")

_EVERYTHING = """
import pulumi_docker_build as docker_build
import pulumi_eks as eks
import pulumi_kubernetes as kubernetes

cluster = eks.Cluster(
    "cluster",
    name="smallcase",
    vpc_id=vpc.id,
    private_subnet_ids=[subnet.id for subnet in subnets],
    authentication_mode=eks.AuthenticationMode.API,
    create_oidc_provider=True,
    endpoint_private_access=True,
    endpoint_public_access=True,
    fargate=eks.FargateProfileArgs(selectors=[aws.eks.FargateProfileSelectorArgs(namespace="smallcase-*")]),
    access_entries={"deploy": eks.AccessEntryArgs(principal_arn="arn:aws:iam::123456789012:role/deploy")},
    skip_default_node_group=True,
    skip_default_security_groups=True,
    create_instance_role=False,
)
image = docker_build.Image(
    "image",
    context=docker_build.BuildContextArgs(location="./app"),
    tags=[pulumi.Output.concat(repository.repository_url, ":", pulumi.Config().get("tag") or "one")],
    push=True,
    build_on_preview=False,
)
provider = kubernetes.Provider("kubernetes", kubeconfig=cluster.kubeconfig_json)
on = pulumi.ResourceOptions(provider=provider)
release = kubernetes.helm.v3.Release("controller", chart="controller", namespace="kube-system", opts=on)
namespace = kubernetes.core.v1.Namespace("namespace", metadata={"name": "smallcase-dev"}, opts=on)
ingress = kubernetes.networking.v1.Ingress(
    "ingress",
    metadata={"name": "smallcase", "namespace": namespace.metadata.name},
    spec={"ingress_class_name": "alb", "default_backend": {"service": {"name": "smallcase", "port": {"number": 80}}}},
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[release]),
)
deployment = kubernetes.apps.v1.Deployment(
    "deployment",
    metadata={"name": "smallcase", "namespace": namespace.metadata.name},
    spec={
        "replicas": 2,
        "selector": {"match_labels": {"app": "smallcase"}},
        "template": {
            "metadata": {"labels": {"app": "smallcase"}},
            "spec": {"containers": [{"name": "app", "image": image.ref}]},
        },
    },
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[ingress]),
)
pulumi.export("host", ingress.status.load_balancer.ingress[0].hostname)
pulumi.export("image", image.ref)
pulumi.export("kubeconfig", cluster.kubeconfig_json)
pulumi.export("issuer", cluster.oidc_issuer)
pulumi.export("oidcProvider", cluster.oidc_provider_arn)
pulumi.export("securityGroup", cluster.cluster_security_group_id)
pulumi.export("endpoint", cluster.eks_cluster.endpoint)
"""


def network(cidr: str = "10.0.0.0/16", owner: str = "nobody") -> str:
    return _NETWORK.substitute(cidr=cidr, owner=owner)


def everything(owner: str = "nobody") -> str:
    return network(owner=owner) + _EVERYTHING
