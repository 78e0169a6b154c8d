from tests.surroundings.page import PAGE, page


def test_the_page_has_a_row_for_each_of_the_surroundings_that_are_tried() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make surroundings`"
