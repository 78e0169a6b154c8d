"""Machines that boot a host's user data: a Debian of their own, in namespaces of their own, on real programs.

Amazon Linux and Jenkins come from where only real hosts get, so `programs/` stands in for `dnf` and what it installs;
cloud-init, systemd's checks, the file system, SSH, curl, pip and the AWS CLI are the real ones.
"""

import base64
import os
import shutil
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from infra.platform.boot import Agent, Controller
from rehearsal.progress import Progress
from rehearsal.toolchain.base_image import CERTIFICATES, debian_archive
from rehearsal.toolchain.cache import cached_directory
from rehearsal.toolchain.debian import debian_programs
from tests.boot.internet import Internet

PACKAGES: Final = (
    "awscli",
    "ca-certificates",
    "cloud-init",
    "curl",
    "git",
    "gpg",
    "iproute2",
    "openssh-client",
    "openssh-server",
    "procps",
    "python3",
    "python3-pip",
    "sudo",
    "systemd",
    "xfsprogs",
)
PROGRAMS: Final = Path(__file__).with_name("programs")
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""As systemd gives it to services."""
INDEX: Final = "pypi.org,pythonhosted.org"
"""What pip reaches without the proxy."""

CLOUD_INIT: Final = """\
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write_files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user]
"""
"""The part of cloud-init that reads our user data; the others would change the machine that the tests run on."""

FIRST_BOOT: Final = " && ".join(
    f"cloud-init {stage}"
    for stage in ("init --local", "init", "modules --mode=config", "modules --mode=final", "schema --system")
)

POWER_ON: Final = """\
set -e
mount -t overlay overlay -o "lowerdir=$BELOW,upperdir=$MACHINE/upper,workdir=$MACHINE/work" "$MACHINE/root"
cd "$MACHINE/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir -p dev/shm dev/disk/by-id dev/pts run/sshd
mount -t devpts devpts dev/pts
for device in null zero random urandom tty; do
    mknod -m 666 "dev/$device" c $(stat -c '0x%t 0x%T' "/dev/$device")
done
ln -s /proc/self/fd dev/fd
if [ -n "$VOLUME" ]; then
    mknod "dev/${VOLUME##*/}" b $(stat -c '0x%t 0x%T' "$VOLUME")
    ln -s "../../${VOLUME##*/}" "dev/disk/by-id/$LINK"
fi
exec chroot . env -i "$@"
"""


def debian(directory: Path) -> tuple[Path, Path]:
    """What machines start with: in `directory` what makes a host of Amazon's of it, over a file system of the cache."""
    progress = Progress()
    archive = debian_archive("host-root", PACKAGES, debian_programs(progress) / "bin" / "mmdebstrap", progress)

    def unpack(root: Path) -> None:
        subprocess.run(["tar", "--extract", "--file", archive, "--directory", root, "--exclude=./dev/*"], check=True)
        # Amazon Linux lets pip install, and hosts make their own keys.
        for surplus in (*root.glob("usr/lib/python3.*/EXTERNALLY-MANAGED"), *root.glob("etc/ssh/ssh_host_*")):
            surplus.unlink()

    root = cached_directory(f"host-root-unpacked/{archive.parent.name}", unpack)
    for made in ("etc/cloud", "etc/yum.repos.d", "root", "usr/local/bin", "usr/local/lib", "usr/share/java"):
        (directory / made).mkdir(parents=True)
    (directory / "root").chmod(0o700)
    (directory / "etc/cloud/cloud.cfg").write_text(CLOUD_INIT, encoding="utf-8")
    # Hosts have more patience, and find these sites signed by others.
    (directory / "root/.curlrc").write_text("retry-delay = 1\ncacert = /etc/sites.pem\n", encoding="utf-8")
    for name in ("dnf", "systemctl", "sleep"):
        shutil.copy2(PROGRAMS / name, directory / "usr/local/bin")
    for name in ("java", "docker"):
        shutil.copy2(PROGRAMS / name, directory / "usr/local/lib")
    return directory, root


@final
@dataclass(frozen=True, kw_only=True)
class Disk:
    """A volume, of the size that XFS wants at least."""

    device: str
    """A loop device."""
    volume: str
    """The id that AWS gave it."""

    @property
    def link(self) -> str:
        return f"nvme-Amazon_Elastic_Block_Store_{self.volume.replace('-', '')}"


@contextmanager
def disk(image: Path, volume: str) -> Generator[Disk]:
    """What the image holds, or an empty one where there is none, attached for the length of a `with` block."""
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(400 << 20)
    attached = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, encoding="utf-8", check=True, timeout=30
    )
    device = attached.stdout.strip()
    with Path(device).open("rb"):
        # It stays as long as it is open, and is gone however the tests end.
        subprocess.run(["losetup", "--detach", device], check=True, timeout=30)
        yield Disk(device=device, volume=volume)


@final
@dataclass(frozen=True, kw_only=True)
class Machine:
    """A host that is switched on for each command and off after it; only its disks stay."""

    directory: Path
    below: tuple[Path, ...]
    """What its own disk started with, one over the other; never changed."""
    internet: Internet
    volume: Disk | None

    @classmethod
    def create(cls, directory: Path, below: Sequence[Path], internet: Internet, volume: Disk | None) -> "Machine":
        for part in ("upper", "work", "root"):
            (directory / part).mkdir(parents=True)
        return cls(directory=directory, below=tuple(below), internet=internet, volume=volume)

    @property
    def layers(self) -> tuple[Path, ...]:
        """What a machine starts with that is as this one is now."""
        return (self.directory / "upper", *self.below)

    def read_user_data(self, host: Controller | Agent) -> None:
        """What happens once in its life."""
        self.write("/etc/resolv.conf", Path("/etc/resolv.conf").read_text(encoding="utf-8"))
        self.write("/etc/hosts", f"127.0.0.1 localhost {socket.gethostname()}\n")
        self.write("/etc/sites.pem", self.internet.authority.read_text(encoding="utf-8"))
        seed = self.directory / "upper/var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        (seed / "user-data").write_bytes(base64.b64decode(host.user_data()))
        (seed / "meta-data").write_text("instance-id: i-0123456789abcdef0\n", encoding="utf-8")
        ran = self.run(f"ssh-keygen -q -A && {FIRST_BOOT}")
        assert ran.returncode == 0, ran.stdout

    def attached(self, volume: Disk) -> "Machine":
        """The same machine with a volume."""
        return replace(self, volume=volume)

    def run(self, script: str, *, beside: "subprocess.Popen[str] | None" = None) -> subprocess.CompletedProcess[str]:
        """Switch it on, run a shell script, switch it off; `beside` is a process whose network it shares."""
        network = ["nsenter", "--net", "--target", str(beside.pid)] if beside else []
        return subprocess.run(
            [*network, *_NAMESPACES, *self._command(script)],
            env=self._hardware(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=200,
            check=False,
        )

    @contextmanager
    def running(self, script: str, until: str) -> Generator["subprocess.Popen[str]"]:
        """Leave it switched on, in a network of its own, from when it says `until` to the end of a `with` block."""
        with subprocess.Popen(
            ["unshare", "--net", *_NAMESPACES, *self._command(script)],
            env=self._hardware(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ) as process:
            try:
                said = process.stdout
                assert said is not None
                assert any(until in line for line in said), f"{script} has ended"
                yield process
            finally:
                process.kill()

    def boot(self) -> subprocess.CompletedProcess[str]:
        """What systemd runs at each boot."""
        return self.run("/opt/smallcase/boot.sh")

    def read(self, path: str) -> str:
        """What a file of its own disk holds."""
        name = path.lstrip("/")
        return next(layer / name for layer in self.layers if (layer / name).exists()).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        file = self.directory / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def calls(self) -> list[str]:
        """What the programs that stand in were asked since the last time."""
        calls = self.read("/var/log/calls").splitlines()
        self.write("/var/log/calls", "")
        return calls

    def _command(self, script: str) -> Sequence[str]:
        variables = {
            "PATH": SYSTEM_PATH,
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "HTTPS_PROXY": self.internet.proxy,
            "NO_PROXY": INDEX,
            "AWS_CA_BUNDLE": "/etc/sites.pem",
            # A real host gets them from its role.
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_MAX_ATTEMPTS": "1",
            **({"PIP_CERT": str(CERTIFICATES)} if CERTIFICATES.exists() else {}),
        }
        return [POWER_ON, "power-on", *(f"{name}={value}" for name, value in variables.items()), "bash", "-c", script]

    def _hardware(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "BELOW": ":".join(map(str, self.below)),
            "MACHINE": str(self.directory),
            "VOLUME": self.volume.device if self.volume else "",
            "LINK": self.volume.link if self.volume else "",
        }


_NAMESPACES: Final = (
    "unshare",
    *("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation=private"),
    *("sh", "-c"),
)
