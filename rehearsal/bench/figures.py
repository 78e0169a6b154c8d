"""Figures, what they are held against, and the tables they are shown in. Pure functions."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, final

from rich.markup import escape
from rich.table import Table

COLUMNS: Final = ("what", "runs", "min", "median", "max", "ratio", "goal", "floor", "met")

CAVEAT: Final = (
    "These figures are about this program on one machine, with stand-ins for what only AWS has. They are not about "
    "Fargate, where a pod takes 30 to 60 seconds more and a load balancer minutes."
)


class Verdict(StrEnum):
    """How a figure compares with what is asked of it."""

    GOAL = "goal"
    FLOOR = "floor"
    MISSED = "no"
    NONE = ""


@final
@dataclass(frozen=True, kw_only=True)
class Series:
    """The same thing measured several times, in one unit.

    Raises:
        ValueError: there is no value.
    """

    values: tuple[float, ...]
    unit: str

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a series has at least one value")

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@final
@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a figure may be at most: `goal` is wanted, `floor` is the least that is accepted."""

    goal: float
    floor: float | None = None
    every_run: bool = False
    """Whether it holds for the worst run and not for the median."""

    def verdict(self, figure: float) -> Verdict:
        """How a figure compares."""
        if figure <= self.goal:
            return Verdict.GOAL
        return Verdict.FLOOR if self.floor is not None and figure <= self.floor else Verdict.MISSED


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that was measured, alone or against another."""

    what: str
    series: Series
    against: Series | None = None
    aim: Aim | None = None

    @property
    def ratio(self) -> float | None:
        """Of the medians; None for what stands alone."""
        return self.series.median / self.against.median if self.against else None

    @property
    def verdict(self) -> Verdict:
        """Whether the aim is met: by the ratio where there is one, else by the figure itself."""
        if self.aim is None:
            return Verdict.NONE
        alone = max(self.series.values) if self.aim.every_run else self.series.median
        return self.aim.verdict(self.ratio if self.ratio is not None else alone)

    def cells(self) -> tuple[str, ...]:
        """What stands in each of COLUMNS."""
        series, aim = self.series, self.aim
        of_ratio = "x" if self.against else ""
        return (
            f"{self.what} [{series.unit}]",
            str(len(series.values)),
            *(_shown(value) for value in (min(series.values), series.median, max(series.values))),
            f"{self.ratio:.2f}x" if self.ratio is not None else "",
            f"{aim.goal:g}{of_ratio}" if aim else "",
            f"{aim.floor:g}{of_ratio}" if aim and aim.floor is not None else "",
            str(self.verdict),
        )


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """Figures that belong in one table."""

    title: str
    text: str
    """How they were measured."""
    rows: Sequence[Row]


@final
@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it was measured."""

    processors: int
    memory: float
    """GiB."""
    kernel: str
    load: float
    """Processes that ran or waited in the minute before, on average: what else the machine was busy with."""


def table(section: Section) -> Table:
    """A section for the terminal."""
    drawn = Table(title=section.title, title_justify="left", caption=CAVEAT, caption_justify="left", padding=(0, 0))
    for column in COLUMNS:
        drawn.add_column(column, no_wrap=column != COLUMNS[0])
    colours = {Verdict.GOAL: "green", Verdict.FLOOR: "yellow", Verdict.MISSED: "red", Verdict.NONE: "default"}
    for row in section.rows:
        what, *cells, verdict = row.cells()
        drawn.add_row(escape(what), *cells, f"[{colours[row.verdict]}]{verdict}[/]")
    return drawn


def page(sections: Sequence[Section], *, day: date, commit: str, machine: Machine) -> str:
    """All sections as a page of Markdown."""
    written = (
        f"Written by `make bench` on {day.isoformat()}, at commit {commit}, on a machine with {machine.processors} "
        f"processors, {machine.memory:.0f} GiB of memory and Linux {machine.kernel}, on which "
        f"{machine.load:.1f} processes ran or waited in the minute before."
    )
    lines = [
        "# Figures",
        "",
        written,
        "",
        "The two sides of a ratio were measured in turn, in the same run; a ratio is one of medians.",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.text, ""]
        lines += [_markdown(COLUMNS), _markdown(["---", *["---:"] * (len(COLUMNS) - 2), "---"])]
        lines += [_markdown(row.cells()) for row in section.rows]
        lines += ["", CAVEAT]
    return "\n".join(lines) + "\n"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
