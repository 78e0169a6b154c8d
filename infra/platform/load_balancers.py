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
        return {"routing.http.drop_invalid_header_fields.enabled": "true"}
