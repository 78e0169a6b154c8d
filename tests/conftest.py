from pathlib import Path

import pytest

from rehearsal.progress import Progress
from rehearsal.toolchain import ensure_cli


@pytest.fixture(scope="session")
def pulumi_cli() -> Path:
    """The real CLI in the pinned version: found, installed or built."""
    return ensure_cli(Progress()) / "pulumi"
