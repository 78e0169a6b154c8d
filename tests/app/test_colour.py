"""Text is readable on every colour."""

import itertools

import pytest

from smallcase.colour import BLACK, WHITE, Colour, contrast, text_on

AA = 4.5


def test_text_meets_wcag_aa_on_every_colour() -> None:
    """Over a grid of 4,096 colours in all corners of the cube, the text that is chosen has 4.5:1 or more."""
    steps = range(0, 256, 17)
    worst = min(contrast(c, text_on(c)) for c in itertools.starmap(Colour, itertools.product(steps, repeat=3)))
    assert worst >= AA


def test_contrast_is_that_of_the_standard() -> None:
    """Black on white has 21:1, a colour on itself 1:1, and #767676 is the lightest grey that may stand on white."""
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast(WHITE, WHITE) == 1
    assert contrast(Colour.parse("#767676"), WHITE) >= AA > contrast(Colour.parse("#777777"), WHITE)


def test_the_better_of_black_and_white_is_chosen() -> None:
    """White stands on dark blue, black on yellow."""
    assert text_on(Colour.parse("#0a3069")) == WHITE
    assert text_on(Colour.parse("#f2cc60")) == BLACK


@pytest.mark.parametrize("text", ["1f6feb", "#1f6fe", "#1f6febff", "blue", "#1f6feg", "#1f6feb;}", "#1f6feb\n"])
def test_only_six_hexadecimal_digits_are_a_colour(text: str) -> None:
    """Whatever else is refused, so that nothing but a colour can get into the stylesheet."""
    with pytest.raises(ValueError, match="#rrggbb"):
        Colour.parse(text)


def test_a_colour_reads_as_it_was_written() -> None:
    """Parsing and printing are each other's inverse."""
    assert str(Colour.parse("#00FF7f")) == "#00ff7f"
