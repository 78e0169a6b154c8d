from pathlib import Path

import pytest

from pipeline import record
from pipeline.checkout import Checkout
from pipeline.outcomes import Refused
from rehearsal.cloud.faults import Fault
from tests.pipeline.live import DEPLOYMENT, Live
from tests.pipeline.test_verify import RIGHT, pages


def may_be_released(live: Live) -> bool:
    try:
        record.require_seen(Checkout.find(live.checkout), "develop")
    except Refused:
        return False
    return True


def seen(live: Live) -> bool:
    """Whether `verify` sees what is deployed, and what it saw may be released."""
    outputs = live.harness.outputs("develop")
    right = {**RIGHT, "image": str(outputs["image"]), "version": str(outputs["commit"]), "pod": "a"}
    with pages(right) as proxy:
        assert live.verb("verify", "--deadline", "20s", http_proxy=proxy).code == 0
    return may_be_released(live)


def test_what_was_deployed_and_seen_live_may_be_released_and_a_deployment_that_fails_takes_that_back(
    live: Live,
) -> None:
    assert not seen(live), "this clone deployed nothing"
    live.plan()
    assert live.deploy().code == 0
    assert not may_be_released(live), "nobody looked"
    assert seen(live)
    live.commit("infra/environment/workload.py", '"revision_history_limit": 3', '"revision_history_limit": 4')
    assert not may_be_released(live), "another commit"
    live.plan()
    live.cloud.faults.order(Fault(type=DEPLOYMENT, operation="update", message="no"))
    assert live.deploy().code == 1
    assert not seen(live), "its deployment failed"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"commit": 1}'])
def test_a_record_that_cannot_be_read_releases_nothing(checkout: Path, text: str) -> None:
    found = Checkout.find(checkout)
    (found.reports / record.LIVE).write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="only what was deployed and seen live is released"):
        record.require_seen(found, "develop")
