"""Annotations that Pulumi and the load balancers' controller read.

The platform admits those of an Ingress that are here, and no others (`infra.platform.fence`); what all load balancers
share is in the parameters of their class.
"""

from typing import Final

DECLARED: Final = {"pulumi.com/patchForce": "true"}
"""What is declared wins over what a person changed with kubectl. Without it, one `kubectl scale` at night
makes the API server refuse every deployment after it, for a conflict of field managers
(https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/)."""

UNAWAITED: Final = {"pulumi.com/skipAwait": "true"}
"""Pulumi does not wait until the object works. On a Deployment it would hide a broken app."""

DEREGISTRATION_DELAY: Final = 30
"""Seconds that the load balancer lets a leaving pod finish its requests."""

TARGETS: Final = {
    # The default, `instance`, leaves Fargate pods out.
    "alb.ingress.kubernetes.io/target-type": "ip",
    "alb.ingress.kubernetes.io/healthcheck-path": "/readyz",
    "alb.ingress.kubernetes.io/healthcheck-interval-seconds": "5",
    "alb.ingress.kubernetes.io/healthcheck-timeout-seconds": "2",
    "alb.ingress.kubernetes.io/healthy-threshold-count": "2",
    "alb.ingress.kubernetes.io/unhealthy-threshold-count": "2",
    "alb.ingress.kubernetes.io/success-codes": "200",
    "alb.ingress.kubernetes.io/target-group-attributes": f"deregistration_delay.timeout_seconds={DEREGISTRATION_DELAY}",
}
"""Of an Ingress: how the load balancer treats this application's pods.
https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/"""

_ATTRIBUTES: Final = "alb.ingress.kubernetes.io/load-balancer-attributes"
PROTECTED: Final = {_ATTRIBUTES: "deletion_protection.enabled=true"}
"""Of an Ingress: the controller refuses to delete its load balancer, and AWS does. In the parameters of the class it
would be for AWS alone, and the controller lifts that by itself before it deletes
(https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/pkg/deploy/elbv2/load_balancer_synthesizer.go)."""
RELEASED: Final = {_ATTRIBUTES: "deletion_protection.enabled=false"}
"""The same, lifted: without the annotation the load balancer stays as it is."""
