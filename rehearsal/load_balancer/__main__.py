"""`python -m rehearsal.load_balancer`: the controller, its load balancers and its webhook until SIGTERM."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from pipeline.streams import print_anything
from rehearsal import places
from rehearsal.load_balancer import webhook
from rehearsal.load_balancer.api import Api, KubeconfigError
from rehearsal.load_balancer.controller import Controller, Settings
from rehearsal.load_balancer.haproxy import Haproxy
from rehearsal.load_balancer.objects import Json


def main() -> int:
    """Run until told to end; 1 with one line of explanation if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.load_balancer", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--haproxy", type=Path, required=True, metavar="BINARY")
    parser.add_argument("--directory", type=Path, required=True, help="what the controller keeps, and targets.json")
    parser.add_argument("--certificate", type=Path, required=True, help=f"of the webhook at {places.WEBHOOK}")
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--hosts-file", type=Path, default=places.HOSTS_FILE)
    parser.add_argument("--webhook-host", default=places.WEBHOOK.host)
    parser.add_argument("--webhook-port", type=int, default=places.WEBHOOK.port)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    directory: Path = arguments.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        controller = Controller(
            Settings(directory=directory, hosts_file=arguments.hosts_file),
            Api(arguments.kubeconfig),
            Haproxy(arguments.haproxy, directory),
        )

        def answer(request: Json) -> Json:
            world = controller.watches.world()
            return webhook.review(request, world.bindings if world else {}, world.services if world else {})

        server = webhook.serve(
            arguments.webhook_host, arguments.webhook_port, arguments.certificate, arguments.key, answer
        )
    except (KubeconfigError, OSError) as error:
        print(f"rehearsal.load_balancer cannot start: {error}", file=sys.stderr)
        return 1

    def stop(signum: int, frame: object) -> None:
        del signum, frame
        controller.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    controller.run()
    server.shutdown()
    return 0


if __name__ == "__main__":
    print_anything()
    sys.exit(main())
