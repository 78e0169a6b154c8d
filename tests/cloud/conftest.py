from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest

from rehearsal.cloud.account import Cloud, Settings
from rehearsal.cloud.server import serve
from tests.engine.harness import Harness, Outcome


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """A stack `dev` of a project of its own, and the account that it is deployed to."""

    cloud: Cloud
    harness: Harness

    def up(self, *arguments: str) -> Outcome:
        return self.harness.pulumi("up", "--yes", "--skip-preview", *arguments, events=True)

    def destroy(self) -> Outcome:
        return self.harness.pulumi("destroy", "--yes", "--skip-preview", events=True)


@pytest.fixture
def trial(tmp_path: Path, pulumi_cli: Path) -> Iterator[Trial]:
    settings = Settings(directory=tmp_path / "harness" / "project")
    cloud = Cloud(settings, state=tmp_path / "cloud.json")
    with serve(cloud) as ports:
        harness = Harness.create(tmp_path / "harness", pulumi_cli, ports)
        harness.write("import pulumi\n")
        created = harness.pulumi("stack", "init", "dev")
        assert created.code == 0, created.output
        yield Trial(cloud=cloud, harness=harness)
