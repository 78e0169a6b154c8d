"""A real Kubernetes node on this machine, with the registry and the image builder beside it."""

from rehearsal.node.lifecycle import Node, start, stop

__all__ = ["Node", "start", "stop"]
