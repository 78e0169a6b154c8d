"""What this build made of its commit: `deploy` and `verify` write it down, `release` goes by it."""

import json
from pathlib import Path
from typing import Final, cast

from pipeline.checkout import Checkout
from pipeline.outcomes import Refused

LIVE: Final = "live.json"
"""The file among the reports."""
SEEN_LIVE: Final = "only what was deployed and seen live is released"


def forget(checkout: Checkout) -> None:
    """Nothing is deployed by this build yet."""
    _file(checkout).unlink(missing_ok=True)


def deployed(checkout: Checkout, stack: str) -> None:
    """The commit that is checked out is deployed."""
    _file(checkout).write_text(json.dumps(_said(checkout, stack, "deployed")), encoding="utf-8")


def seen(checkout: Checkout, stack: str) -> None:
    """What this build deployed was seen live. Where it deployed nothing, nobody knows which commit was seen."""
    if _read(checkout) == _said(checkout, stack, "deployed"):
        _file(checkout).write_text(json.dumps(_said(checkout, stack, "seen live")), encoding="utf-8")


def require_seen(checkout: Checkout, stack: str) -> None:
    """Let only a commit through that this build deployed and saw live.

    Raises:
        Refused: it did not.
    """
    if _read(checkout) != _said(checkout, stack, "seen live"):
        raise Refused(
            f"{checkout.head()[:12]} was not deployed to {stack} and seen live from this clone. The rule: {SEEN_LIVE}.",
            "Run `deploy` and `verify` here first: in Jenkins, run the build again.",
        )


def _said(checkout: Checkout, stack: str, state: str) -> dict[str, str]:
    return {"commit": checkout.head(), "stack": stack, "state": state}


def _read(checkout: Checkout) -> object:
    try:
        return cast("object", json.loads(_file(checkout).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def _file(checkout: Checkout) -> Path:
    return checkout.reports / LIVE
