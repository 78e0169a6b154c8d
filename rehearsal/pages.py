"""Looking at the live pages as a visitor would."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Final, cast, final
from urllib.error import URLError
from urllib.request import urlopen

from rehearsal.progress import RehearsalError

PATIENCE: Final = 30.0
"""Seconds until a page has to be there."""


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page says of itself."""

    environment: str
    branch: str
    version: str
    image: str
    colour: str


def look(url: str, *, patience: float = PATIENCE) -> Page:
    """Fetch the page and what it says of itself, trying again until it answers.

    Raises:
        RehearsalError: it did not answer within `patience` seconds, or the page does not show what it is.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            html = _get(f"{url}/").decode()
            said = cast("dict[str, str]", json.loads(_get(f"{url}/version")))
            break
        except (URLError, http.client.HTTPException, OSError, ValueError) as error:
            if time.monotonic() > deadline:
                raise RehearsalError(
                    f"{url} does not show the page: {error}",
                    "`make shell`, then `kubectl get pods -A`, shows the pods; the state directory has the logs.",
                ) from None
            time.sleep(0.2)
    page = Page(**{name: said[name] for name in Page.__dataclass_fields__})
    for shown in (page.environment, page.branch, page.version):
        if shown not in html:
            raise RehearsalError(f"{url} does not show {shown!r}.", "The page has to say what is live: see app/.")
    return page


def _get(url: str) -> bytes:
    with urlopen(url, timeout=5) as response:  # noqa: S310 - the program exported this address
        return cast("bytes", response.read())
