"""Where the node keeps its files, all below the state directory of the rehearsal."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from rehearsal.places import state_directory
from rehearsal.removal import MARKER


@final
@dataclass(frozen=True, kw_only=True)
class NodeFiles:
    """Paths of one rehearsal's node."""

    state: Path

    @property
    def marker(self) -> Path:
        return self.state / MARKER

    @property
    def run(self) -> Path:
        """Sockets, and who runs."""
        return self.state / "run"

    @property
    def starting(self) -> Path:
        """Exists while a start is under way; one that is found means that a start was cut short."""
        return self.run / "starting"

    @property
    def namespace(self) -> Path:
        """Process id and start time of the process that holds the private namespaces."""
        return self.run / "namespace"

    @property
    def changes(self) -> Path:
        """What was changed on this machine outside the state directory, as JSON, written before the change."""
        return self.state / "changes.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def configuration(self) -> Path:
        return self.state / "configuration"

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    @property
    def authority(self) -> Path:
        """The certificate that everyone checks everyone else against, alone in its directory (see SSL_CERT_DIR)."""
        return self.certificates / "authority" / "authority.crt"

    @property
    def webhook_certificate(self) -> Path:
        """For the load balancer controller's webhook."""
        return self.certificates / "webhook.crt"

    @property
    def webhook_key(self) -> Path:
        return self.certificates / "webhook.key"

    @property
    def load_balancer_kubeconfig(self) -> Path:
        """The load balancer controller's."""
        return self.configuration / "load-balancer-controller.kubeconfig"

    @property
    def credentials(self) -> Path:
        """`<role>.json` for `aws eks get-token`, and the registry's password."""
        return self.state / "credentials"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.state / "kubeconfig"

    @property
    def registry_password(self) -> Path:
        return self.credentials / "registry-password"

    @property
    def docker(self) -> Path:
        """What DOCKER_CONFIG names: the BuildKit builder, and who is asked for the registry's password."""
        return self.state / "docker"

    @property
    def buildkit_socket(self) -> Path:
        return self.run / "buildkit" / "buildkitd.sock"

    @property
    def images(self) -> Path:
        """Digest references of the images that the node itself pushed, as JSON."""
        return self.state / "images.json"

    @property
    def data(self) -> Path:
        """What the processes keep, a directory each."""
        return self.state / "data"


def node_files() -> NodeFiles:
    """The files of this user's rehearsal."""
    return NodeFiles(state=state_directory())
