"""What the load balancers of all environments have in common. It stands in the parameters of their class, which win
over what an Ingress says of itself.

https://kubernetes-sigs.github.io/aws-load-balancer-controller/v3.5/guide/ingress/ingress_class/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import pulumi

INGRESS_CLASS: Final = "alb"

TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
"""TLS 1.2 and 1.3, and a key exchange that a quantum computer does not undo for clients that know one: what AWS
recommends (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html)."""

LISTENERS: Final = '[{"HTTP": 80}, {"HTTPS": 443}]'


@final
@dataclass(frozen=True, kw_only=True)
class LoadBalancers:
    """The settings of an internet-facing load balancer. With a certificate, HTTP only leads to HTTPS."""

    certificate_arn: pulumi.Input[str] | None
    logs: pulumi.Input[str] | None
    """Bucket of their access logs."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """The `spec` of the class's parameters."""
        shared: dict[str, object] = {
            "scheme": "internet-facing",
            "targetType": "ip",
            "loadBalancerAttributes": [{"key": key, "value": value} for key, value in self._attributes().items()],
        }
        if self.certificate_arn is None:
            return shared
        return {
            **shared,
            "certificateArn": [self.certificate_arn],
            "sslPolicy": TLS_POLICY,
            "sslRedirectPort": "443",
        }

    @property
    def annotations(self) -> Mapping[str, str]:
        """What only an Ingress itself can say."""
        return {} if self.certificate_arn is None else {"alb.ingress.kubernetes.io/listen-ports": LISTENERS}

    def _attributes(self) -> Mapping[str, pulumi.Input[str]]:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html"""
        shared: dict[str, pulumi.Input[str]] = {
            # What another server than the application's may read otherwise: underscores, say.
            "routing.http.drop_invalid_header_fields.enabled": "true",
            # Said either way: an attribute that is left out stays as it is.
            "access_logs.s3.enabled": "true" if self.logs is not None else "false",
        }
        return shared if self.logs is None else {**shared, "access_logs.s3.bucket": self.logs}
