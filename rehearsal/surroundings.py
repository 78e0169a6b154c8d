"""The environment variables under which plain `pulumi` and `kubectl` speak to the rehearsal and to nothing else."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.proxy import around
from rehearsal import places
from rehearsal.node.configuration import CREDENTIAL_HELPERS
from rehearsal.node.files import node_files

AWS_SHIM: Final = Path(__file__).parent / "cloud" / "bin"

FORGOTTEN: Final = ("AWS_", "PULUMI_", "KUBE", "DOCKER_", "BUILDX_", "HELM_", "GIT_")
"""Variables of the caller that could lead a tool to a real account, cluster or builder, or to another repository."""

OWN: Final = ("NO_PROXY", "PATH", "SMALLCASE_REHEARSAL", "SSL_CERT_DIR", "no_proxy")
"""Variables that the rehearsal sets besides."""


_AUTHORITIES: Final = "/etc/ssl/certs:/etc/pki/tls/certs"
"""Where programs in Go look for certificates unless told otherwise: https://pkg.go.dev/crypto/x509#SystemCertPool"""


def variables(caller: Mapping[str, str], *, programs: Sequence[Path], pulumi_home: Path) -> dict[str, str]:
    """The whole environment of a command in the rehearsal.

    Parameters:
        caller: the environment to start from; what could lead elsewhere is left out.
        programs: directories that come first on PATH.
        pulumi_home: where the engine finds its plugins.
    """
    state = places.state_directory()
    kept = {name: value for name, value in caller.items() if not name.startswith(FORGOTTEN)}
    path = [AWS_SHIM, CREDENTIAL_HELPERS, Path(sys.executable).parent, *programs, kept.get("PATH", os.defpath)]
    return {
        **around(kept, *places.REACHED_DIRECTLY),
        "PATH": os.pathsep.join(map(str, path)),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PROFILE": "administrator",
        "DOCKER_CONFIG": str(state / "docker"),
        "HELM_CACHE_HOME": str(state / "helm"),
        "HELM_CONFIG_HOME": str(state / "helm"),
        "HELM_DATA_HOME": str(state / "helm"),
        "KUBECACHEDIR": str(state / "kubectl"),
        "KUBECONFIG": str(state / "kubeconfig"),
        "PULUMI_BACKEND_URL": f"file://{state / 'pulumi'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state / "passphrase"),
        "PULUMI_DEBUG_PROVIDERS": f"aws:{places.AWS_PROVIDER.port},eks:{places.EKS_PROVIDER.port}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SMALLCASE_REHEARSAL": str(state),
        "SSL_CERT_DIR": os.pathsep.join([str(node_files().authority.parent), kept.get("SSL_CERT_DIR") or _AUTHORITIES]),
    }
