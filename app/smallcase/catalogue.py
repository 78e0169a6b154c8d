"""The smallcases that may be shown, read from the one file that lists them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, cast, final

_FILE: Final = Path(__file__).with_name("smallcases.json")


class _Listing(TypedDict):
    image: str
    link: str
    ids: list[str]


@final
@dataclass(frozen=True, kw_only=True)
class Smallcase:
    """A basket of shares, with its picture and its page."""

    id: str
    image: str
    link: str


def catalogue() -> tuple[Smallcase, ...]:
    """Every smallcase, in the file's order."""
    listing = cast("_Listing", json.loads(_FILE.read_text(encoding="utf-8")))
    return tuple(
        Smallcase(id=id_, image=listing["image"].format(id=id_), link=listing["link"].format(id=id_))
        for id_ in listing["ids"]
    )
