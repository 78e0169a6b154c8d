"""The configuration files of the node's processes, as pure functions of where things are."""

import base64
import json
from pathlib import Path
from typing import Final

from rehearsal import places
from rehearsal.node import certificates
from rehearsal.node.files import NodeFiles
from rehearsal.toolchain.tools import RehearsalTools

CGROUP: Final = "smallcase-rehearsal"
"""The one control group that pods and builds are in, directly below the root of each hierarchy."""

CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
"""As containerd's own; the directory is private to the namespace, and hidden from a containerd of the machine."""

HIDDEN: Final = (
    Path("/run/buildkit"),
    Path("/run/containerd"),
    Path("/run/netns"),
    Path("/run/runc"),
    Path("/var/lib/cni"),
    Path("/var/lib/kubelet"),
    Path("/var/log/containers"),
)
"""Where BuildKit, containerd, runc, CNI and the kubelet write whatever they are told to: each is an empty directory
inside the namespace."""

PAUSE_IMAGE: Final = f"{places.REGISTRY}/pause:rehearsal"

BUILD_CACHE_LIMIT: Final = "6GB"

CREDENTIAL_HELPER: Final = "rehearsal"
"""Docker's tools look for `docker-credential-` and this on PATH."""
CREDENTIAL_HELPERS: Final = Path(__file__).parent / "bin"
"""The directory that has it."""


def containerd(files: NodeFiles, tools: RehearsalTools, snapshotter: str) -> str:
    """containerd's configuration file (version 2, as containerd 1.6 and 1.7 read it)."""
    return f"""\
version = 2
root = "{files.data}/containerd"
state = "/run/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# A machine may forbid to lower the score that decides who is ended first when memory runs out.
restrict_oom_score_adj = true
disable_tcp_service = true
stream_server_address = "{places.CONTAINERD_STREAM.host}"
stream_server_port = "{places.CONTAINERD_STREAM.port}"
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{tools.cni}"
conf_dir = "{files.configuration}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{tools.debian}/runc"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{files.configuration}/registries"
"""


def registry_authorization(password: str) -> str:
    """The value by which the user AWS shows the password."""
    return base64.b64encode(f"AWS:{password}".encode()).decode()


def registry_hosts(password: str) -> str:
    """How containerd reaches the registry: the node's own right to pull, as the pod execution role has it in AWS."""
    server = f"http://{places.REGISTRY}"
    return f"""\
server = "{server}"

[host."{server}"]
capabilities = ["pull", "resolve"]

[host."{server}".header]
Authorization = "Basic {registry_authorization(password)}"
"""


def network() -> str:
    """The pod network: one bridge, an address each from the pods' range, and no address translation."""
    bridge: dict[str, object] = {
        "type": "bridge",
        "bridge": places.BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/var/lib/cni/networks",
            "ranges": [[{"subnet": str(places.PODS), "gateway": str(places.BRIDGE_ADDRESS)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    plugins: list[dict[str, object]] = [bridge]
    return json.dumps({"cniVersion": "1.0.0", "name": "smallcase", "plugins": plugins})


def kubelet(files: NodeFiles, resolver: Path) -> str:
    """The kubelet's configuration. It listens on loopback and starts several pods at once."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": places.KUBELET.host,
            "port": places.KUBELET.port,
            "readOnlyPort": 0,
            "healthzBindAddress": places.KUBELET_HEALTH.host,
            "healthzPort": places.KUBELET_HEALTH.port,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(files.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificates.certificate_path(files, certificates.KUBELET)),
            "tlsPrivateKeyFile": str(certificates.key_path(files, certificates.KUBELET)),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [str(places.SERVICES[10])],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolver),
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "podLogsDir": str(files.data / "pod-logs"),
            "volumePluginDir": str(files.data / "volume-plugins"),
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            # Measured through cAdvisor, which does not find every file system. Without it the kubelet evicts nobody,
            # and logs so every ten seconds (https://github.com/kubernetes/kubernetes/issues/131651).
            "localStorageCapacityIsolation": False,
            # Services are kube-proxy's in nftables; the kubelet's own iptables chains would serve nobody.
            "makeIPTablesUtilChains": False,
            "nodeStatusUpdateFrequency": "10s",
            "registryPullQPS": 0,
            "serializeImagePulls": False,
            "syncFrequency": "30s",
        },
        indent=1,
    )


def kube_proxy(files: NodeFiles) -> str:
    """kube-proxy's configuration: everything it does is in nftables' own tables `kube-proxy`, and no sysctl changes."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "bindAddress": str(places.BRIDGE_ADDRESS),
            "healthzBindAddress": str(places.KUBE_PROXY_HEALTH),
            "metricsBindAddress": str(places.KUBE_PROXY_METRICS),
            "hostnameOverride": places.NODE_NAME,
            "clusterCIDR": str(places.PODS),
            "nodePortAddresses": [f"{places.KUBELET.host}/32"],
            "clientConnection": {"kubeconfig": str(files.configuration / f"{certificates.KUBE_PROXY.file}.kubeconfig")},
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nftables": {"minSyncPeriod": "100ms"},
        },
        indent=1,
    )


def buildkitd(files: NodeFiles) -> str:
    """buildkitd's configuration: builds in our control group, the registry by plain HTTP, a bounded cache."""
    return f"""\
root = "{files.data}/buildkit"

[grpc]
address = ["unix://{files.buildkit_socket}"]

[worker.containerd]
enabled = false

[worker.oci]
enabled = true
gc = true
maxUsedSpace = "{BUILD_CACHE_LIMIT}"
networkMode = "host"
defaultCgroupParent = "/{CGROUP}/buildkit"

[registry."{places.REGISTRY}"]
http = true
"""


def builder(files: NodeFiles) -> str:
    """The BuildKit builder `rehearsal`, as Docker's buildx keeps it below `buildx/instances/`."""
    return json.dumps(
        {
            "Name": "rehearsal",
            "Driver": "remote",
            "Nodes": [
                {
                    "Name": "rehearsal0",
                    "Endpoint": f"unix://{files.buildkit_socket}",
                    "Platforms": None,
                    "DriverOpts": None,
                    "Flags": None,
                    "Files": None,
                }
            ],
            "Dynamic": False,
        }
    )


def credentials() -> str:
    """`config.json`: who is asked for the registry's password, and only when something is pulled or pushed."""
    return json.dumps({"credHelpers": {str(places.REGISTRY): CREDENTIAL_HELPER}})


def current_builder() -> str:
    """`buildx/current`: which builder is used where none is named, whatever the Docker context."""
    return json.dumps({"Key": "unix:///var/run/docker.sock", "Name": "rehearsal", "Global": True})


def write_configuration(files: NodeFiles, tools: RehearsalTools, snapshotter: str) -> None:
    """Write every configuration file; the same input gives the same files."""
    password = files.registry_password.read_text(encoding="utf-8")
    resolver = Path("/run/systemd/resolve/resolv.conf")  # systemd's own has a loopback address
    contents: dict[Path, str] = {
        files.configuration / "containerd.toml": containerd(files, tools, snapshotter),
        files.configuration / "registries" / str(places.REGISTRY) / "hosts.toml": registry_hosts(password),
        files.configuration / "cni" / "10-smallcase.conflist": network(),
        files.configuration / "kubelet.json": kubelet(
            files, resolver if resolver.exists() else Path("/etc/resolv.conf")
        ),
        files.configuration / "kube-proxy.json": kube_proxy(files),
        files.configuration / "buildkitd.toml": buildkitd(files),
        files.docker / "buildx" / "instances" / "rehearsal": builder(files),
        files.docker / "buildx" / "current": current_builder(),
        files.docker / "config.json": credentials(),
    }
    for path, content in contents.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificates.write_private(path, content.encode())
