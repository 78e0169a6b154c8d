"""Every version that the program names, one line each, so that an update bot can raise them; its SDKs are pinned in
`pyproject.toml`.

`docs/upgrades.md` says which belong together and in which order they go up.
"""

from typing import Final

PULUMI: Final = "3.259.0"
PULUMI_SHA256: Final = "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5"
"""Of the CLI for linux-x64, as Pulumi's own formula has it
(https://github.com/pulumi/homebrew-tap/blob/master/Formula/pulumi.rb)."""
PULUMI_AWS: Final = "7.51.1"
PULUMI_KUBERNETES: Final = "4.25.0"
PULUMI_DOCKER_BUILD: Final = "0.0.22"

# Of the plugins' archives for linux-amd64. `make plugins` compares them with the sites that have the archives, and says
# what to put here. An agent refuses a plugin that has none.
PULUMI_AWS_SHA256: Final = ""
PULUMI_DOCKER_BUILD_SHA256: Final = ""
PULUMI_KUBERNETES_SHA256: Final = "6ea3d53c16a00c4d1017c4d109928d8f4801fd7cd978965cd43917561f3774b0"
"""As nixpkgs has it (https://github.com/NixOS/nixpkgs/blob/0501eb325e7384fc5a54bf8df23814ecf4d50096/pkgs/by-name/pu/pulumi-bin/data.nix)."""

KUBERNETES: Final = "1.35"
"""Minor version of the EKS control plane. 1.34 leaves standard support on 2 December 2026; extended support costs six
times as much (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html)."""

# Add-ons that go with it. `make add-ons` asks AWS whether it offers them, and which to take if not.
COREDNS: Final = "v1.14.3-eksbuild.3"
KUBE_PROXY: Final = "v1.35.3-eksbuild.18"
VPC_CNI: Final = "v1.23.0-eksbuild.1"

INGRESS_CONTROLLER_CHART: Final = "3.5.0"
"""The chart `aws-load-balancer-controller`. Helm never upgrades CRDs: raise them by hand with the chart."""
INGRESS_CONTROLLER_CHART_SHA256: Final = "45051f634b33e10baccb3354d0681b7de787c60445e599fa276e0c9aedd4ccd5"
"""Of its archive (https://github.com/aws/eks-charts/blob/gh-pages/aws-load-balancer-controller-3.5.0.tgz)."""
INGRESS_CONTROLLER: Final = "v3.5.0"
"""The controller itself, by the tag of its image that the chart has."""
INGRESS_CONTROLLER_DIGEST: Final = "sha256:298acdff5a571731276aaea3d5cc450a264e4ad710a5bddf3e518f68a3f9f6cb"
"""Of `public.ecr.aws/eks/aws-load-balancer-controller` for all architectures."""

# What the Jenkins hosts install.
JENKINS: Final = "2.580.2"
JENKINS_SIGNED: Final = "2026"
JENKINS_SIGNER: Final = "5E386EADB55F01504CAE8BCF7198F4B714ABFC68"
"""Fingerprint of the key of that year, which signs the packages
(https://github.com/jenkinsci/docker/blob/master/jenkins.io-2026.key)."""
JENKINS_PLUGINS_SHA256: Final = ""
"""Of the checksums of all of `jenkins/plugins.txt`. `make plugins` says what to put here, as for Pulumi's."""
JENKINS_PLUGIN_MANAGER: Final = "2.15.0"
JENKINS_PLUGIN_MANAGER_SHA256: Final = "a86853ec2e2933f37a4b471ba65099b61e03c87a80c2ef8fe2315eb135672d43"
JAVA: Final = "21"
"""Of Jenkins, which wants 21 or 25 since 2.555.1."""
PYTHON: Final = "3.11"
UV: Final = "0.13.9"
UV_SHA256: Final = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19"
"""Of its wheel for linux x86-64, as `uv.lock` has it."""
BUILDKIT: Final = "0.31.1"
BUILDKIT_DIGEST: Final = "sha256:6b59b7df63a8cb9902736f9ddf7fcff8261613d3e7449b8ea8b7537fc399c03a"
"""Of `moby/buildkit` for all architectures."""
BUILDKIT_OLDEST: Final = "0.16.0"
"""For whoever builds with another than the agents'; `app/Dockerfile` refuses those before it. The exporter's
`rewrite-timestamp`, without which every build is another image, came with 0.13 and goes with a push since 0.14.1. Since
0.15, images are put together in one way (https://github.com/moby/buildkit/blob/v0.31.1/docs/build-repro.md). 0.16 is
the first that puts a variable into `COPY --chmod`, by which a Dockerfile can tell."""
KUBECTL: Final = "1.35.8"
"""Of the cluster's minor version; one up or down works too (https://kubernetes.io/releases/version-skew-policy/#kubectl)."""
KUBECTL_SHA256: Final = "874d5e72dbb819f43cff16bcd1e4f8bac5b7f2361fe1e55049b0a6c676fb0cbf"
"""Of the program for linux/amd64."""
