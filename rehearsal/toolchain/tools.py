"""Everything that the node and the load balancer run, as paths."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from rehearsal.progress import Progress
from rehearsal.toolchain import go_programs
from rehearsal.toolchain.base_image import base_image_archive
from rehearsal.toolchain.debian import debian_programs


@final
@dataclass(frozen=True, kw_only=True)
class RehearsalTools:
    """Absolute paths; a directory where a program looks for others."""

    kubernetes: Path
    """Directory of kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy and kubectl."""
    buildkitd: Path
    buildctl: Path
    registry: Path
    pause: Path
    debian: Path
    """Directory of etcd, containerd, runc, haproxy, nft, wrk and others."""
    cni: Path
    """Directory of the CNI plugins."""
    base_image: Path
    """Archive of the base image's file system."""

    @property
    def kubectl(self) -> Path:
        return self.kubernetes / "kubectl"

    @property
    def haproxy(self) -> Path:
        return self.debian / "haproxy"

    @property
    def wrk(self) -> Path:
        return self.debian / "wrk"


def ensure_rehearsal_tools(progress: Progress) -> RehearsalTools:
    """Whatever the cluster on this machine needs. Raises RehearsalError with what to install where that fails."""
    debian = debian_programs(progress)
    buildkit = go_programs.build(go_programs.BUILDKIT, progress)
    return RehearsalTools(
        kubernetes=go_programs.build(go_programs.KUBERNETES_PROGRAMS, progress),
        buildkitd=buildkit / "buildkitd",
        buildctl=buildkit / "buildctl",
        registry=go_programs.build(go_programs.REGISTRY, progress) / "registry",
        pause=go_programs.build(go_programs.PAUSE, progress) / "pause",
        debian=debian / "bin",
        cni=debian / "cni",
        base_image=base_image_archive(debian / "bin" / "mmdebstrap", progress),
    )
