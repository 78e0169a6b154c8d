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
        report = cls.of(name)
        report.path.unlink(missing_ok=True)
        return report

    @classmethod
    def of(cls, name: str) -> "Report":
        """The report of this name as an earlier verb of the build may have left it."""
        return cls(path=Checkout.find().root / REPORTS / name)

    def write(self, text: str, out: TextIO) -> None:
        """Print the text and keep it."""
        self._keep(f"{text}\n")
        print(text, file=out, flush=True)

    def add(self, text: str, out: TextIO) -> None:
        """Print the text and keep it behind what is there."""
        self._keep((f"{self.path.read_text(encoding='utf-8')}\n" if self.path.exists() else "") + f"{text}\n")
        print(text, file=out, flush=True)

    def _keep(self, text: str) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(text, encoding="utf-8")
