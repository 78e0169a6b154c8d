"""A real Kubernetes node on this machine, with the registry and the image builder beside it."""

from rehearsal.node.lifecycle import Node, check, start, stop
from rehearsal.node.machine import check_user

__all__ = ["Node", "check", "check_user", "start", "stop"]
