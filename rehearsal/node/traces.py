"""What a rehearsal could leave on a machine: a snapshot of all of it, to compare before and after."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from rehearsal.node.configuration import CGROUP, HIDDEN
from rehearsal.node.machine import CGROUP_ROOT
from rehearsal.places import HOSTS_FILE, cache_directory, state_directory

_SYSCTL_TREES: Final = ("kernel/keys", "net/bridge", "net/ipv4/conf/all", "net/ipv4/conf/default", "net/ipv4/conf/lo")
_SYSCTLS: Final = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
_WRITTEN: Final = (
    *HIDDEN,
    *(Path(path) for path in ("/etc/cni", "/etc/containerd", "/etc/kubernetes", "/opt/cni", "/opt/containerd")),
    *(Path(path) for path in ("/run/xtables.lock", "/usr/libexec/kubernetes", "/var/lib/containerd")),
    *(Path(path) for path in ("/var/lib/buildkit", "/var/lib/etcd", "/var/lib/kube-proxy", "/var/log/pods")),
)


def snapshot(nft: Path | None = None) -> dict[str, list[str]]:
    """Everything that is the same before and after a rehearsal, by kind; `nft` reads the packet filter's rules.

    Processes are those of the rehearsal: that run a program of its cache or state, or are in its control group.
    """
    return {
        "processes": _processes(),
        "mounts": sorted(
            _second_words(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape"))
        ),
        "network devices": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "addresses": _lines("ip", "-oneline", "-4", "address"),
        "routes": _lines("ip", "-4", "route", "show", "table", "all"),
        "nftables": _lines(str(nft or "nft"), "list", "tables"),
        "iptables": [*_lines("iptables-save"), *_lines("iptables-legacy-save")],
        "control groups": sorted(str(path) for path in CGROUP_ROOT.glob(f"**/{CGROUP}")),
        "sysctls": _sysctls(),
        "files": [str(path) for path in (*_WRITTEN, state_directory()) if path.exists()],
        "hosts file": HOSTS_FILE.read_text(encoding="utf-8", errors="surrogateescape").splitlines(),
        "network namespaces": sorted(path.name for path in Path("/run/netns").glob("*")),
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """One line for each thing that came or went: `processes: + …`."""
    found: list[str] = []
    for kind, items in before.items():
        found += [f"{kind}: - {item}" for item in items if item not in after[kind]]
        found += [f"{kind}: + {item}" for item in after[kind] if item not in items]
    return found


def _processes() -> list[str]:
    ours = (str(cache_directory()), str(state_directory()))
    found: list[str] = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            program = str((directory / "exe").readlink())
            grouped = f"/{CGROUP}" in (directory / "cgroup").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        # The CLI belongs to whoever calls it, tests of something else among them; the node runs none.
        if grouped or (program.startswith(ours) and Path(program).name != "pulumi"):
            found.append(f"{directory.name} {program}")
    return sorted(found)


def _second_words(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines()]


def _lines(*command: str) -> list[str]:
    if not shutil.which(command[0]):
        return []
    return sorted(
        # iptables counts packets in brackets.
        re.sub(r"\[\d+:\d+\]", "", line)
        for line in subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        ).stdout.splitlines()
        # Comments of iptables-save hold the time.
        if not line.startswith("#")
    )


def _sysctls() -> list[str]:
    names = [*_SYSCTLS, *(str(path) for path in _SYSCTL_TREES)]
    found: list[str] = []
    for name in names:
        root = Path("/proc/sys") / name
        for path in sorted(root.iterdir()) if root.is_dir() else [root]:
            try:
                found.append(f"{path.relative_to('/proc/sys')} = {path.read_text(encoding='utf-8').strip()}")
            except OSError:
                continue
    return found
