import pytest

from tests.surroundings import __main__ as command
from tests.surroundings.page import PAGE, page


def test_the_page_has_a_row_for_each_of_the_surroundings_that_are_tried() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make surroundings`"


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["all"], 2)])
def test_what_is_no_order_to_run_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    def run(*_: object, **__: object) -> None:
        pytest.fail("it ran")

    monkeypatch.setattr(pytest, "main", run)
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == code
    assert "usage: python -m tests.surroundings" in "".join(capsys.readouterr())
