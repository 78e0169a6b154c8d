"""The processes of the node: what each is called with, and how it shows that it serves."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from rehearsal import places
from rehearsal.node import certificates
from rehearsal.node.files import NodeFiles
from rehearsal.node.probes import Probe, answers, client_tls, listens, socket_listens, unverified_tls
from rehearsal.toolchain.tools import RehearsalTools

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@final
@dataclass(frozen=True, kw_only=True)
class Component:
    """One process. `environment` is added to the caller's."""

    name: str
    argv: tuple[str, ...]
    ready: Probe
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def fingerprint(self) -> str:
        """Changes with the command: a process that was started otherwise is not the one that is wanted."""
        return hashlib.sha256(repr((self.argv, sorted(self.environment.items()))).encode()).hexdigest()


def api_server_ready(files: NodeFiles) -> Probe:
    """Whether the API server says that it is ready, asked as the administrator."""

    def ask() -> bool:
        if not certificates.certificate_path(files, certificates.ADMINISTRATOR).exists():
            return False
        tls = client_tls(
            files.authority,
            certificates.certificate_path(files, certificates.ADMINISTRATOR),
            certificates.key_path(files, certificates.ADMINISTRATOR),
        )
        return answers(places.API_SERVER, "/readyz", tls)()

    return ask


def registry(files: NodeFiles, tools: RehearsalTools) -> Component:
    password = files.registry_password.read_text(encoding="utf-8")
    return Component(
        name="registry",
        argv=(
            str(tools.registry),
            f"-address={places.REGISTRY}",
            f"-directory={files.data / 'registry'}",
            f"-password-file={files.registry_password}",
            f"-certificate={certificates.certificate_path(files, certificates.REGISTRY)}",
            f"-key={certificates.key_path(files, certificates.REGISTRY)}",
            # That of the node's own images, which come from no repository of the project's.
            "-movable=rehearsal",
        ),
        ready=answers(places.REGISTRY, "/v2/", password=password),
    )


def buildkitd(files: NodeFiles, tools: RehearsalTools) -> Component:
    return Component(
        name="buildkitd",
        argv=(
            str(tools.buildkitd),
            f"--config={files.configuration / 'buildkitd.toml'}",
            f"--oci-worker-binary={tools.debian / 'runc'}",
        ),
        ready=socket_listens(files.buildkit_socket),
    )


def etcd(files: NodeFiles, tools: RehearsalTools) -> Component:
    authority = str(files.authority)
    certificate = str(certificates.certificate_path(files, certificates.ETCD))
    key = str(certificates.key_path(files, certificates.ETCD))
    return Component(
        name="etcd",
        argv=(
            str(tools.debian / "etcd"),
            "--name=smallcase",
            f"--data-dir={files.data / 'etcd'}",
            f"--listen-client-urls=https://{places.ETCD}",
            f"--advertise-client-urls=https://{places.ETCD}",
            f"--listen-peer-urls=https://{places.ETCD_PEER}",
            f"--initial-advertise-peer-urls=https://{places.ETCD_PEER}",
            f"--initial-cluster=smallcase=https://{places.ETCD_PEER}",
            "--client-cert-auth",
            f"--trusted-ca-file={authority}",
            f"--cert-file={certificate}",
            f"--key-file={key}",
            "--peer-client-cert-auth",
            f"--peer-trusted-ca-file={authority}",
            f"--peer-cert-file={certificate}",
            f"--peer-key-file={key}",
            "--logger=zap",
            "--log-level=warn",
        ),
        ready=listens(places.ETCD),
    )


def api_server(files: NodeFiles, tools: RehearsalTools) -> Component:
    def certificate(identity: certificates.Identity) -> Path:
        return certificates.certificate_path(files, identity)

    def key(identity: certificates.Identity) -> Path:
        return certificates.key_path(files, identity)

    authority = files.authority
    return Component(
        name="kube-apiserver",
        argv=(
            str(tools.kubernetes / "kube-apiserver"),
            f"--bind-address={places.API_SERVER.host}",
            f"--secure-port={places.API_SERVER.port}",
            f"--advertise-address={places.BRIDGE_ADDRESS}",
            # No pod of the project calls the API, and a loopback address is refused as an endpoint.
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={places.SERVICES}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={authority}",
            f"--tls-cert-file={certificate(certificates.API_SERVER)}",
            f"--tls-private-key-file={key(certificates.API_SERVER)}",
            f"--etcd-servers=https://{places.ETCD}",
            f"--etcd-cafile={authority}",
            f"--etcd-certfile={certificate(certificates.ETCD)}",
            f"--etcd-keyfile={key(certificates.ETCD)}",
            f"--kubelet-certificate-authority={authority}",
            f"--kubelet-client-certificate={certificate(certificates.KUBELET_CLIENT)}",
            f"--kubelet-client-key={key(certificates.KUBELET_CLIENT)}",
            "--kubelet-preferred-address-types=Hostname",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files.certificates / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={files.certificates / 'service-accounts.key'}",
            "--profiling=false",
        ),
        ready=api_server_ready(files),
    )


def controller_manager(files: NodeFiles, tools: RehearsalTools) -> Component:
    kubeconfig = files.configuration / f"{certificates.CONTROLLER_MANAGER.file}.kubeconfig"
    return Component(
        name="kube-controller-manager",
        argv=(
            str(tools.kubernetes / "kube-controller-manager"),
            f"--bind-address={places.CONTROLLER_MANAGER.host}",
            f"--secure-port={places.CONTROLLER_MANAGER.port}",
            f"--cert-dir={files.data / 'controller-manager'}",
            f"--kubeconfig={kubeconfig}",
            # Its thirty controllers start one after the other, each with calls of its own; the default takes 5 s.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            f"--flex-volume-plugin-dir={files.data / 'volume-plugins'}",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--root-ca-file={files.authority}",
            f"--service-account-private-key-file={files.certificates / 'service-accounts.key'}",
            "--profiling=false",
        ),
        ready=answers(places.CONTROLLER_MANAGER, "/healthz", unverified_tls()),
    )


def scheduler(files: NodeFiles, tools: RehearsalTools) -> Component:
    kubeconfig = files.configuration / f"{certificates.SCHEDULER.file}.kubeconfig"
    return Component(
        name="kube-scheduler",
        argv=(
            str(tools.kubernetes / "kube-scheduler"),
            f"--bind-address={places.SCHEDULER.host}",
            f"--secure-port={places.SCHEDULER.port}",
            f"--cert-dir={files.data / 'scheduler'}",
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--profiling=false",
        ),
        ready=answers(places.SCHEDULER, "/healthz", unverified_tls()),
    )


def containerd(files: NodeFiles, tools: RehearsalTools) -> Component:
    return Component(
        name="containerd",
        argv=(
            str(tools.debian / "containerd"),
            f"--config={files.configuration / 'containerd.toml'}",
            "--log-level=warn",
        ),
        environment={"PATH": f"{tools.debian}:{_SYSTEM_PATH}"},
        # Its socket is inside the namespace; the streaming server starts with the rest of it.
        ready=listens(places.CONTAINERD_STREAM),
    )


def kubelet(files: NodeFiles, tools: RehearsalTools) -> Component:
    return Component(
        name="kubelet",
        argv=(
            str(tools.kubernetes / "kubelet"),
            f"--config={files.configuration / 'kubelet.json'}",
            f"--kubeconfig={files.configuration / f'{certificates.KUBELET.file}.kubeconfig'}",
            f"--root-dir={files.data / 'kubelet'}",
            f"--cert-dir={files.data / 'kubelet-certificates'}",
            f"--hostname-override={places.NODE_NAME}",
            f"--node-ip={places.BRIDGE_ADDRESS}",
            "--runtime-cgroups=/",
        ),
        environment={"PATH": _SYSTEM_PATH},
        ready=answers(places.KUBELET_HEALTH, "/healthz"),
    )


def kube_proxy(files: NodeFiles, tools: RehearsalTools) -> Component:
    return Component(
        name="kube-proxy",
        argv=(str(tools.kubernetes / "kube-proxy"), f"--config={files.configuration / 'kube-proxy.json'}"),
        # It finds `nft` and nothing else: with iptables at hand it would clear away what another kube-proxy left there.
        environment={"PATH": str(tools.debian)},
        ready=answers(places.KUBE_PROXY_HEALTH, "/healthz"),
    )
