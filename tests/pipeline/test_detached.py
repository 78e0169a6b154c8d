import os
from pathlib import Path

import pytest

from pipeline import detached
from pipeline.detached import started
from pipeline.outcomes import Failed


@pytest.mark.parametrize("cookie", ["BUILD_ID", "HUDSON_COOKIE", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE"])
def test_a_command_has_nothing_by_which_jenkins_would_find_it(tmp_path: Path, cookie: str) -> None:
    environment = {"PATH": os.defpath, "KEPT": "yes", cookie: "durable-1"}
    with started(["env"], tmp_path, environment) as command:
        assert command.wait(10, lambda: None) == 0
        assert "KEPT=yes" in command.stdout
        assert cookie not in command.stdout


def test_a_command_of_which_nobody_learns_which_process_it_is_was_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "STARTS_WITHIN", 0.1)
    monkeypatch.setattr(detached, "_KEEPER", "true")
    with pytest.raises(Failed, match="env could not be started"), started(["env"], tmp_path, {}):
        pass
