import io
import time

from pipeline.progress import under_way


def test_what_takes_long_says_that_it_goes_on_and_stops_saying_so() -> None:
    out = io.StringIO()
    with under_way("previewing develop", out, every=0.05):
        time.sleep(0.3)
    said = out.getvalue()
    assert said.startswith("previewing develop …\n… still previewing develop (0 s)\n")
    time.sleep(0.15)
    assert out.getvalue() == said
