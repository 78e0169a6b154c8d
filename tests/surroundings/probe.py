"""`python -m tests.surroundings.probe`: what a deployment from this clone consists of, as JSON. Two clones of a commit
that say the same deploy the same."""

import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import revision
from infra.environment.context import lay_out
from infra.platform.boot import Agent, Controller


def main() -> None:
    found = revision.read(Path.cwd())
    with TemporaryDirectory() as folder:
        context = lay_out(found.app, Path(folder))
        files = [
            (str(path.relative_to(context)), path.lstat().st_mode, path.is_file() and path.read_bytes())
            for path in sorted(context.rglob("*"))
        ]
    controller = Controller(
        region="us-east-1",
        parameters="/jenkins",
        account="123456789012",
        home_volume="vol-0",
        url="https://jenkins.example.org",
        repository="example/smallcase",
        github_app="1",
        agents={"deploy": "10.42.0.11"},
        labels={"deploy": "deploy"},
    )
    agent = Agent(label="deploy", region="us-east-1", parameters="/jenkins", controller_address="10.42.0.10")
    json.dump(
        {
            "commit": found.commit,
            "commit of the application": found.app_commit,
            "files of the image": hashlib.sha256(repr(files).encode()).hexdigest(),
            "user data of the hosts": [controller.user_data(), agent.user_data()],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
