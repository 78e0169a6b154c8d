"""Starting the node, keeping it as it is when it runs, and taking it away without a trace."""

import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from rehearsal.node import certificates, components, machine
from rehearsal.node.capacity import make_room
from rehearsal.node.components import Component
from rehearsal.node.configuration import HIDDEN, write_configuration
from rehearsal.node.files import NodeFiles, node_files
from rehearsal.node.images import BASE, push_images
from rehearsal.node.namespace import Namespace, read_process
from rehearsal.node.probes import Probe
from rehearsal.progress import Progress, RehearsalError
from rehearsal.removal import remove
from rehearsal.toolchain.cache import exclusively, own_cache
from rehearsal.toolchain.tools import RehearsalTools

READY_WITHIN: Final = 60.0
"""Seconds after which a process that does not serve is taken to have failed."""

LOCK_NAME: Final = "rehearsal.lock"


@final
@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that runs."""

    files: NodeFiles
    tools: RehearsalTools
    namespace: Namespace
    base_image: str
    """Digest reference of the base image in the local registry."""

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        ready: Probe,
        progress: Progress,
    ) -> None:
        """Run one more process beside the node's own, unless it runs and is ready: it ends when the node is stopped.

        Its output goes to `logs/NAME.log`. Raises RehearsalError if it ends or is not ready within READY_WITHIN.
        """
        with _one_at_a_time():
            component = Component(name=name, argv=tuple(argv), environment=dict(environment), ready=ready)
            _start(self.files, self.namespace, [component], progress)


def check() -> None:
    """Refuse a machine that cannot run the node, or whose ports are taken. Raises RehearsalError."""
    files = node_files()
    machine.check_machine(files)
    if Namespace.find(files.namespace) is None:
        machine.check_ports()


def start(tools: RehearsalTools, progress: Progress) -> Node:
    """Bring the node up; one that runs is left as it is, and what is missing of it is started again.

    What the cluster and the registry hold is kept over a crash or a restart of the machine. Raises RehearsalError.
    """
    files = node_files()
    machine.check_machine(files)
    with _one_at_a_time():
        return _start_node(files, tools, progress)


def _start_node(files: NodeFiles, tools: RehearsalTools, progress: Progress) -> Node:
    namespace = Namespace.find(files.namespace)
    if namespace and files.starting.exists():
        progress.note("an earlier start was cut short: starting afresh")
        namespace.destroy()
        namespace = None
    if namespace is None:
        _forget_processes(files)
        machine.check_free(machine.routes(), tools.debian / "nft")
    _make_state(files)
    files.starting.touch()
    certificates.ensure_certificates(files)
    machine.prepare(files, tools.debian / "nft")
    if namespace is None:
        waiter = files.run / "smallcase-rehearsal"
        shutil.copy2(tools.pause, waiter)
        namespace = Namespace.create(files.namespace, waiter, HIDDEN)
    write_configuration(files, tools, _snapshotter(files.data))
    early = [
        factory(files, tools)
        for factory in (
            components.etcd,
            components.api_server,
            components.containerd,
            components.registry,
            components.buildkitd,
        )
    ]
    _start(files, namespace, early, progress, wait_for=("registry", "buildkitd"))
    images = push_images(files, tools, progress)
    _start(files, namespace, early, progress)
    make_room(files, tools)
    # These end, or go on without what they need to know, where the API server does not answer them yet.
    late = [
        factory(files, tools)
        for factory in (
            components.kubelet,
            components.controller_manager,
            components.scheduler,
            components.kube_proxy,
        )
    ]
    _start(files, namespace, late, progress)
    files.starting.unlink()
    return Node(files=files, tools=tools, namespace=namespace, base_image=images[BASE])


def stop(progress: Progress) -> None:
    """Take the node away with every trace of it on this machine. Does nothing where there is none.

    Raises RehearsalError where the state directory is not ours, or processes cannot be ended.
    """
    files = node_files()
    machine.check_user()
    machine.check_state_directory(files)
    if not files.marker.exists():
        progress.note("no rehearsal runs on this machine")
        return
    with _one_at_a_time(), progress.step(f"taking the node down, and deleting {files.state}"):
        namespace = Namespace.find(files.namespace)
        if namespace:
            namespace.destroy()
        machine.undo(files)
        remove(files.state)


def _one_at_a_time() -> AbstractContextManager[None]:
    return exclusively(own_cache() / LOCK_NAME)


def _make_state(files: NodeFiles) -> None:
    files.state.mkdir(parents=True, exist_ok=True)
    # An empty one may have been there with another mode, and not every file in it has a mode of its own.
    files.state.chmod(0o700)
    files.marker.touch()
    for directory in (files.run, files.logs, files.data, files.credentials, files.buildkit_socket.parent):
        directory.mkdir(mode=0o700, exist_ok=True)
    (files.data / "etcd").mkdir(mode=0o700, exist_ok=True)
    if not files.registry_password.exists():
        certificates.write_private(files.registry_password, secrets.token_urlsafe(32).encode())


def _forget_processes(files: NodeFiles) -> None:
    """Clear away what a node that is gone left: everything but what the cluster and the registry hold."""
    if not files.marker.exists():
        return
    machine.undo(files)
    shutil.rmtree(files.run, ignore_errors=True)
    for data in ("containerd", "kubelet", "pod-logs"):
        shutil.rmtree(files.data / data, ignore_errors=True)


def _snapshotter(directory: Path) -> str:
    """`overlayfs`, or `native` where the directory is itself on an overlay, which cannot be stacked."""
    mounts = [
        line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    ]
    at = max(
        (fields for fields in mounts if directory.is_relative_to(fields[1])),
        key=lambda fields: len(fields[1]),
        default=None,
    )
    return "native" if at and at[2] == "overlay" else "overlayfs"


def _start(
    files: NodeFiles,
    namespace: Namespace,
    wanted: Sequence[Component],
    progress: Progress,
    wait_for: Sequence[str] | None = None,
) -> None:
    """Start those that do not run, all at once, then wait until those named in `wait_for` (all, if None) are ready."""
    for component in wanted:
        record = files.run / f"{component.name}.process"
        start = files.run / f"{component.name}.start"
        running = read_process(record)
        if running and start.exists() and start.read_text(encoding="utf-8") != component.fingerprint:
            running.end()
            running = None
        if running is None:
            start.write_text(component.fingerprint, encoding="utf-8")
            environment = {**os.environ, **component.environment}
            namespace.start(record, component.argv, environment, files.logs / f"{component.name}.log")
    awaited = [component for component in wanted if wait_for is None or component.name in wait_for]
    waiting = [component for component in awaited if not component.ready()]
    if waiting:
        with progress.step(f"starting {', '.join(component.name for component in waiting)}"):
            for component in waiting:
                _wait(files, component)


def _wait(files: NodeFiles, component: Component) -> None:
    deadline = time.monotonic() + READY_WITHIN
    log = files.logs / f"{component.name}.log"
    while not component.ready():
        alive = read_process(files.run / f"{component.name}.process")
        if alive is None or time.monotonic() > deadline:
            said = (
                "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-15:]) if log.exists() else ""
            )
            raise RehearsalError(
                f"{component.name} {'ended' if alive is None else f'is not ready after {READY_WITHIN:.0f} s'}:\n{said}",
                f"The whole log is {log}. `make rehearse-down` clears everything away.",
            )
        time.sleep(0.05)
