"""What Fargate takes: which namespaces its profile selects, and which sizes a pod can have.

Sizes: https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Final, Self, final

ENVIRONMENT_PREFIX: Final = "smallcase-"
"""What every environment's namespace starts with."""

NAMESPACE_SELECTORS: Final = ("kube-system", f"{ENVIRONMENT_PREFIX}*")
"""The selectors of the one Fargate profile. A profile is immutable and takes at most five, hence the wildcard."""

MEMORY_OF_FARGATE: Final = 256
"""MiB that Fargate adds to every pod for the Kubernetes components it runs beside it."""

_GIGABYTES: Final[dict[Decimal, tuple[Decimal, ...]]] = {
    Decimal("0.25"): (Decimal("0.5"), Decimal(1), Decimal(2)),
    Decimal("0.5"): tuple(map(Decimal, range(1, 5))),
    Decimal(1): tuple(map(Decimal, range(2, 9))),
    Decimal(2): tuple(map(Decimal, range(4, 17))),
    Decimal(4): tuple(map(Decimal, range(8, 31))),
    Decimal(8): tuple(map(Decimal, range(16, 61, 4))),
    Decimal(16): tuple(map(Decimal, range(32, 121, 8))),
}


def environment_namespace(stack: str) -> str:
    """The namespace of a stack's environment, unless its settings name another."""
    return f"{ENVIRONMENT_PREFIX}{stack}"


@final
@dataclass(frozen=True, kw_only=True)
class PodSize:
    """One of Fargate's combinations of vCPU and memory."""

    cpu: Decimal
    """vCPU."""
    memory: Decimal
    """GB, of which the pod itself gets 256 MiB less."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size such as `0.25vCPU-0.5GB`.

        Raises:
            ValueError: the text is no size, or Fargate has no such size; the message names what it has.
        """
        cpu_text, cpu_unit, rest = text.partition("vCPU-")
        memory_text, memory_unit, tail = rest.partition("GB")
        try:
            cpu, memory = Decimal(cpu_text), Decimal(memory_text)
        except InvalidOperation:
            cpu, memory = Decimal(0), Decimal(0)
        if not (cpu_unit and memory_unit) or tail or cpu not in _GIGABYTES:
            raise ValueError(f"sizes are written as 0.25vCPU-0.5GB, with {', '.join(map(str, _GIGABYTES))} vCPU")
        if memory not in _GIGABYTES[cpu]:
            raise ValueError(f"with {cpu} vCPU Fargate has {', '.join(map(str, _GIGABYTES[cpu]))} GB")
        return cls(cpu=cpu, memory=memory)

    @property
    def requests(self) -> dict[str, str]:
        """Kubernetes quantities that Fargate rounds up to exactly this size."""
        return {"cpu": f"{int(self.cpu * 1000)}m", "memory": f"{int(self.memory * 1024) - MEMORY_OF_FARGATE}Mi"}


def selects(namespace: str) -> bool:
    """Whether pods of this namespace are run; a pod that no selector matches stays Pending for ever."""
    return any(fnmatchcase(namespace, selector) for selector in NAMESPACE_SELECTORS)
