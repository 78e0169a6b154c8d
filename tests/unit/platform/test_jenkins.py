"""The Jenkins hosts."""

import json
import re
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network
from typing import cast

import pytest

from infra.platform.boot import unpacked
from tests.graph import WITH_DOMAIN, Graph, Node, platform
from tests.policies import many, of_role

INSTANCE = "aws:ec2/instance:Instance"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
HOSTS = ("controller", "preview", "open", "deploy")
AGENTS = HOSTS[1:]


def owner(graph: Graph, rule: Node) -> str:
    """Logical name of the security group that a rule belongs to."""
    found = [
        group
        for group in graph.mocks.cloud.of("aws:ec2/securityGroup:SecurityGroup")
        if group.id == rule.at("securityGroupId")
    ]
    return found[0].name if found else "cluster"


def source(graph: Graph, rule: Node) -> str:
    """Where a rule lets traffic come from or go to."""
    for group in graph.mocks.cloud.of("aws:ec2/securityGroup:SecurityGroup"):
        if group.id == rule.at("referencedSecurityGroupId"):
            return group.name
    return rule.text("cidrIpv4")


def opened(graph: Graph, kind: str) -> set[tuple[str, str, object]]:
    """(group, other side, port) of all rules of a kind; none spans several ports."""
    rules = graph.of(kind)
    assert all(rule.at("fromPort") == rule.at("toPort") and rule.at("ipProtocol") == "tcp" for rule in rules)
    return {(owner(graph, rule), source(graph, rule), rule.at("fromPort")) for rule in rules}


@pytest.mark.trap("T50")
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_gives_its_credentials_to_its_own_processes_alone(host: str) -> None:
    options = platform().one(INSTANCE, host).at("metadataOptions")
    assert options == {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}


@pytest.mark.trap("T50")
def test_every_disk_is_encrypted() -> None:
    graph = platform()
    assert all(node.at("rootBlockDevice", "encrypted") is True for node in graph.of(INSTANCE))
    assert all(node.at("encrypted") is True for node in graph.of("aws:ebs/volume:Volume"))


@pytest.mark.trap("T50")
@pytest.mark.parametrize("host", HOSTS)
def test_people_come_in_through_session_manager_and_no_key_pair_is_installed(host: str) -> None:
    graph = platform()
    node = graph.one(INSTANCE, host)
    assert "keyName" not in node.inputs
    allowed = {action for statement in of_role(graph, host) for action in many(statement["Action"])}
    assert {"ssmmessages:OpenDataChannel", "ssm:UpdateInstanceInformation"} <= allowed
    assert not [rule for rule in opened(graph, INGRESS) if rule[0] == host and "/" in rule[1]]


@pytest.mark.trap("T50")
@pytest.mark.parametrize("host", HOSTS)
def test_user_data_holds_no_secret(host: str) -> None:
    text = unpacked(platform().one(INSTANCE, host).text("userDataBase64"))
    assert not re.search(
        r"AKIA[0-9A-Z]{16}|PRIVATE KEY|gh[pousr]_\w{20}|(?i:password|token|secret)\s*[=:]\s*['\"]?\w", text
    )


@pytest.mark.trap("T51")
def test_the_machine_image_is_the_configured_one_and_never_looked_up() -> None:
    graph = platform()
    assert {node.text("ami") for node in graph.of(INSTANCE)} == {"ami-0123456789abcdef0"}


@pytest.mark.trap("T52")
def test_a_host_is_replaced_without_its_data_its_addresses_or_a_hand_in_the_console() -> None:
    graph = platform()
    for node in graph.of(INSTANCE):
        assert node.delete_before_replace
        assert (node.at("disableApiTermination"), node.at("forceDestroy")) == (True, True)
        assert node.at("userDataReplaceOnChange") is True
        assert node.at("primaryNetworkInterface", "networkInterfaceId") is not None
    volume = graph.one("aws:ebs/volume:Volume")
    attachment = graph.one("aws:ec2/volumeAttachment:VolumeAttachment")
    assert volume.protect
    assert volume.at("finalSnapshot") is True
    assert attachment.at("stopInstanceBeforeDetaching") is True
    # The volume fits one host at a time.
    assert attachment.delete_before_replace
    # Detached first: the attachment goes before the instance that it needs, the volume stays.
    assert graph.depends(attachment, graph.one(INSTANCE, "controller"))
    assert graph.depends(graph.one(INSTANCE, "controller"), volume)


@pytest.mark.trap("T52")
def test_the_volume_is_in_the_controllers_zone() -> None:
    graph = platform()
    subnet = graph.one("aws:ec2/networkInterface:NetworkInterface", "controller").at("subnetId")
    [found] = [node for node in graph.mocks.cloud.of("aws:ec2/subnet:Subnet") if node.id == subnet]
    assert graph.one("aws:ebs/volume:Volume").at("availabilityZone") == found.text("availabilityZone")


@pytest.mark.trap("T52")
def test_jenkins_home_has_a_snapshot_each_night_for_two_weeks() -> None:
    policy = platform().one("aws:dlm/lifecyclePolicy:LifecyclePolicy")
    [schedule] = cast("list[dict[str, object]]", policy.at("policyDetails", "schedules"))
    assert schedule["createRule"] == {"interval": 24, "intervalUnit": "HOURS", "times": "03:30"}
    assert schedule["retainRule"] == {"count": 14}
    # Recovery finds them by the volume's name.
    assert schedule["copyTags"] is True
    volume = platform().one("aws:ebs/volume:Volume")
    assert policy.at("policyDetails", "targetTags") == {"Name": volume.at("tags", "Name")}


@pytest.mark.trap("T53")
def test_without_a_domain_nothing_is_open_but_what_hosts_need_of_each_other() -> None:
    assert opened(platform(), INGRESS) == {
        *((agent, "controller", 22) for agent in AGENTS),
        *(("cluster", agent, 443) for agent in AGENTS),
    }


@pytest.mark.trap("T53")
def test_with_a_domain_only_people_in_the_list_and_github_reach_the_load_balancer() -> None:
    graph = platform(**WITH_DOMAIN)
    added = opened(graph, INGRESS) - opened(platform(), INGRESS)
    assert added == {
        ("front-door", "198.51.100.0/24", 80),
        ("front-door", "198.51.100.0/24", 443),
        ("front-door", "192.30.252.0/22", 443),
        ("front-door", "185.199.108.0/22", 443),
        ("front-door", "140.82.112.0/20", 443),
        ("front-door", "143.55.64.0/20", 443),
        ("controller", "front-door", 8080),
    }


@pytest.mark.trap("T53")
@pytest.mark.parametrize("changes", [{}, dict(WITH_DOMAIN), {"registryEndpoints": True}])
def test_no_rule_lets_the_whole_internet_in(changes: dict[str, str]) -> None:
    graph = platform(**changes)
    assert "0.0.0.0/0" not in [rule.at("cidrIpv4") for rule in graph.of(INGRESS)]
    assert not [node for node in graph.of(INGRESS) if "cidrIpv6" in node.inputs or "prefixListId" in node.inputs]
    # All rules are resources of their own.
    assert not [
        node for node in graph.of("aws:ec2/securityGroup:SecurityGroup") if {"ingress", "egress"} & node.inputs.keys()
    ]


def test_hosts_reach_out_by_http_and_https_only() -> None:
    reached = {(group, port) for group, other, port in opened(platform(), EGRESS) if other == "0.0.0.0/0"}
    assert reached == {("controller", 443), *((agent, port) for agent in AGENTS for port in (443, 80))}


def test_every_rule_says_who_needs_it() -> None:
    graph = platform(**WITH_DOMAIN, registryEndpoints=True)
    assert [str(rule) for rule in graph.of(INGRESS, EGRESS) if not rule.at("description")] == []


def test_the_front_door_opens_once_there_is_a_way_in_and_closes_before_that_is_gone() -> None:
    graph = platform(**WITH_DOMAIN)
    door = graph.one("aws:lb/loadBalancer:LoadBalancer", "front-door")
    assert graph.depends(door, graph.one("aws:ec2/internetGateway:InternetGateway"))


def test_the_controller_has_an_elastic_ip_before_it_boots_and_the_agents_are_private() -> None:
    graph = platform()
    address = graph.one("aws:ec2/eip:Eip", "controller")
    assert graph.depends(graph.one(INSTANCE, "controller"), address)
    assert {node.name for node in graph.of("aws:ec2/eip:Eip")} == {"nat-0", "controller"}
    private = {node.id for node in graph.mocks.cloud.of("aws:ec2/subnet:Subnet") if "internal-elb" in str(node.inputs)}
    for agent in AGENTS:
        assert graph.one("aws:ec2/networkInterface:NetworkInterface", agent).at("subnetId") in private


def test_how_to_get_to_jenkins_is_an_output() -> None:
    graph = platform()
    [controller] = [node for node in graph.mocks.cloud.of(INSTANCE) if node.name == "controller"]
    assert graph.outputs["jenkins"] == (
        f"aws ssm start-session --region us-east-1 --target {controller.id} --document-name "
        "AWS-StartPortForwardingSession --parameters portNumber=8080,localPortNumber=8080"
    )
    assert platform(**WITH_DOMAIN).outputs["jenkins"] == "https://jenkins.example.org"


def test_a_host_writes_its_own_public_key_and_no_others() -> None:
    graph = platform()
    path = "arn:aws:ssm:us-east-1:123456789012:parameter/smallcase-platform/jenkins"
    for host, own in (("controller", "controller/key"), *((agent, f"{agent}/host-key") for agent in AGENTS)):
        written = [
            resource
            for statement in of_role(graph, host)
            if "ssm:PutParameter" in many(statement["Action"])
            for resource in many(statement["Resource"])
        ]
        assert written == [f"{path}/{own}"]
        parameter = graph.one("aws:ssm/parameter:Parameter", host)
        assert parameter.text("name") == f"/smallcase-platform/jenkins/{own}"
        # What the host wrote stays.
        assert "value" in parameter.ignore_changes


def hosts_of(graph: Graph) -> dict[str, str]:
    """What the controller is told of the agents."""
    config = json.loads(
        unpacked(graph.one(INSTANCE, "controller").text("userDataBase64")).removeprefix("#cloud-config\n")
    )
    [settings] = [one["content"] for one in config["write_files"] if one["path"] == "/etc/smallcase/host.env"]
    pairs = [line.partition("=") for line in settings.splitlines()]
    return {name: value.strip("'") for name, _, value in pairs if name.startswith("AGENT")}


def test_each_label_that_a_build_can_ask_for_leads_to_a_host_of_its_own() -> None:
    told = hosts_of(platform())
    assert told["AGENTS"].split() == list(AGENTS)
    assert len({told[f"AGENT_{agent.upper()}_HOST"] for agent in AGENTS}) == 3


def test_shared_agents_are_one_host_and_pull_requests_keep_theirs() -> None:
    graph = platform(agents="shared")
    assert {node.name for node in graph.of(INSTANCE)} == {"controller", "preview", "deploy"}
    told = hosts_of(graph)
    assert told["AGENTS"].split() == ["preview", "deploy"]
    assert told["AGENT_OPEN_HOST"] == told["AGENT_DEPLOY_HOST"] != told["AGENT_PREVIEW_HOST"]


def test_jenkins_reads_its_own_secrets_and_the_agents_read_none() -> None:
    graph = platform()
    reads = {
        host: [
            resource
            for statement in of_role(graph, host)
            if "secretsmanager:GetSecretValue" in many(statement["Action"])
            for resource in many(statement["Resource"])
        ]
        for host in HOSTS
    }
    own = "arn:aws:secretsmanager:us-east-1:123456789012:secret:smallcase/jenkins/*"
    assert reads == {"controller": [own], "preview": [], "open": [], "deploy": []}
    assert not graph.any("aws:secretsmanager/secretVersion:SecretVersion")


def test_the_load_balancer_speaks_tls_and_sends_plain_http_there() -> None:
    graph = platform(**WITH_DOMAIN)
    https, http = (graph.one("aws:lb/listener:Listener", name) for name in ("https", "http"))
    assert (https.at("port"), https.at("protocol")) == (443, "HTTPS")
    assert "TLS13" in https.text("sslPolicy")
    assert graph.one("aws:lb/loadBalancer:LoadBalancer", "front-door").at("dropInvalidHeaderFields") is True
    assert http.at("defaultActions", 0, "redirect", "protocol") == "HTTPS"
    group = graph.one("aws:lb/targetGroup:TargetGroup")
    assert group.at("healthCheck", "path") == "/login"
    record = graph.one("aws:route53/record:Record", "jenkins")
    assert record.text("name") == "jenkins.example.org"


def answer(graph: Graph, source: str, path: str) -> str:
    """What the load balancer does with a request: as the first rule says whose conditions hold, else as the default."""
    for rule in sorted(graph.of("aws:lb/listenerRule:ListenerRule"), key=lambda rule: float(str(rule.at("priority")))):
        conditions = cast("list[dict[str, dict[str, list[str]]]]", rule.at("conditions"))
        if all(
            any(fnmatchcase(path, pattern) for pattern in condition["pathPattern"]["values"])
            if "pathPattern" in condition
            else any(IPv4Address(source) in IPv4Network(addresses) for addresses in condition["sourceIp"]["values"])
            for condition in conditions
        ):
            return rule.text("actions", 0, "type")
    action = graph.one("aws:lb/listener:Listener", "https").at("defaultActions", 0)
    return str(cast("dict[str, dict[str, str]]", action).get("fixedResponse", {}).get("statusCode", action))


PERSON, HOOK, STRANGER = "198.51.100.7", "140.82.115.1", "203.0.113.9"


@pytest.mark.parametrize("path", ["/", "/login", "/job/smallcase/", "/github-webhook/"])
def test_people_in_the_list_reach_all_of_jenkins_and_others_nothing(path: str) -> None:
    graph = platform(**WITH_DOMAIN)
    assert answer(graph, PERSON, path) == "forward"
    assert answer(graph, STRANGER, path) == "403"


@pytest.mark.parametrize(
    "path", ["/", "/login", "/script", "/github-webhook", "/github-webhook/../script", "/x/github-webhook/"]
)
def test_the_addresses_of_github_reach_the_path_of_its_hooks_alone(path: str) -> None:
    """They are shared: much that runs at GitHub comes from there, and not every hook is of this repository."""
    graph = platform(**WITH_DOMAIN)
    assert answer(graph, HOOK, "/github-webhook/") == "forward"
    assert answer(graph, HOOK, path) == "403"


@pytest.mark.parametrize("people", [1, 5, 6, 23])
def test_no_rule_has_more_values_than_elastic_load_balancing_takes(people: int) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"""
    allowed = [f"198.51.100.{number}/32" for number in range(people)]
    graph = platform(**{**WITH_DOMAIN, "jenkinsAllowList": json.dumps(allowed)})
    rules = graph.of("aws:lb/listenerRule:ListenerRule")
    assert all(1 <= values(rule) <= 5 for rule in rules)
    assert len({str(rule.at("priority")) for rule in rules}) == len(rules) <= 100
    assert all(answer(graph, allow.partition("/")[0], "/") == "forward" for allow in allowed)


def values(rule: Node) -> int:
    conditions = cast("list[dict[str, dict[str, list[str]]]]", rule.at("conditions"))
    return sum(len(part["values"]) for condition in conditions for part in condition.values())
