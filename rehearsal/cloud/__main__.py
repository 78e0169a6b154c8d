"""The stand-in cloud as a process: the `aws` and `eks` providers on the rehearsal's fixed ports, until it is ended."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from pipeline.streams import print_anything
from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.faults import Faults
from rehearsal.cloud.server import PortTakenError, start
from rehearsal.places import API_SERVER, AWS_PROVIDER, EKS_PROVIDER, REGISTRY


def main() -> int:
    """Serves until SIGTERM or SIGINT; the exit status is 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.cloud", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="JSON file that keeps the account")
    parser.add_argument("--server", default=f"https://{API_SERVER}", help="address of the Kubernetes API server")
    parser.add_argument(
        "--certificate-authority", type=Path, required=True, help="PEM file that the API server is signed by"
    )
    parser.add_argument("--registry", default=str(REGISTRY), help="what a repository's address starts with")
    parser.add_argument("--faults", type=Path, help="JSON file of calls that are to fail; read again when it changes")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        settings = Settings(
            server=options.server,
            certificate_authority=options.certificate_authority.read_text(encoding="utf-8"),
            registry=options.registry,
        )
        cloud = Cloud(settings, state=options.state, faults=Faults(options.faults))
        servers, _ = start(cloud, {"aws": str(AWS_PROVIDER), "eks": str(EKS_PROVIDER)})
    except OSError as error:
        print(f"the stand-in cloud cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except PortTakenError as error:
        print(error, file=sys.stderr)
        return 1
    logging.getLogger("rehearsal.cloud").info("aws on %s, eks on %s", AWS_PROVIDER, EKS_PROVIDER)
    ended.wait()
    for server in servers:
        server.stop(grace=1).wait()
    return 0


if __name__ == "__main__":
    print_anything()
    sys.exit(main())
