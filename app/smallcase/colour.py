"""Which text can be read on a colour, by the rules of WCAG 2.2."""

import re
from dataclasses import dataclass
from typing import Final, Self, final

_HEXADECIMAL: Final = re.compile(r"#[0-9a-fA-F]{6}")


@final
@dataclass(frozen=True)
class Colour:
    """A colour in sRGB, each channel 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `#rrggbb`; raise ValueError for anything else."""
        if not _HEXADECIMAL.fullmatch(text):
            raise ValueError(f"{text!r} is not of the form #rrggbb")
        return cls(int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Relative luminance, 0 (black) to 1 (white): https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
        return 0.2126 * _linear(self.red) + 0.7152 * _linear(self.green) + 0.0722 * _linear(self.blue)


BLACK: Final = Colour(0, 0, 0)
WHITE: Final = Colour(255, 255, 255)


def _linear(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio, 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted((one.luminance, other.luminance))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(background: Colour) -> Colour:
    """Black or white, whichever reads better; the better one has at least 4.58:1 (the root of 21) on every colour."""
    return max(WHITE, BLACK, key=lambda text: contrast(text, background))
