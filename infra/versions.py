"""Every version that the program pins, one line each, so that an update bot can raise them."""

from typing import Final

PULUMI: Final = "3.259.0"
PULUMI_AWS: Final = "7.51.1"
PULUMI_EKS: Final = "4.4.0"
PULUMI_GITHUB: Final = "6.15.0"
PULUMI_KUBERNETES: Final = "4.25.0"
PULUMI_DOCKER_BUILD: Final = "0.0.22"

KUBERNETES: Final = "1.35"
"""Minor version of the EKS control plane. 1.34 leaves standard support on 2 December 2026; extended support costs six
times as much (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html)."""

INGRESS_CONTROLLER_CHART: Final = "3.5.0"
"""The chart `aws-load-balancer-controller`. Helm never upgrades CRDs: raise them by hand with the chart."""
