"""What a verb found out, for people and for Jenkins to archive."""

from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, final

from pipeline.checkout import REPORTS, Checkout


@final
@dataclass(frozen=True, kw_only=True)
class Report:
    """A file of the checkout's `reports/`."""

    path: Path

    @classmethod
    def begin(cls, name: str) -> "Report":
        """The report of this name, with one of an earlier run taken away: a verb that fails must not leave it."""
        path = Checkout.find().root / REPORTS / name
        path.unlink(missing_ok=True)
        return cls(path=path)

    def write(self, text: str, out: TextIO) -> None:
        """Print the text and keep it."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(f"{text}\n", encoding="utf-8")
        print(text, file=out, flush=True)
