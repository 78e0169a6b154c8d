"""Labels by which Kubernetes, people and the load balancer find the application."""

from typing import Final

APPLICATION: Final = "smallcase"
"""Name of the Deployment, the Service and the Ingress, each alone of its kind in the namespace."""

SELECTOR: Final = {"app.kubernetes.io/name": APPLICATION}
"""What selects the pods. Immutable in a Deployment, so nothing that changes belongs here."""

MANAGED: Final = {"app.kubernetes.io/managed-by": "pulumi"}
"""On everything that this program makes in a cluster."""

COMMON: Final = {**SELECTOR, **MANAGED}
