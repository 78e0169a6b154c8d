"""What the pages and probes answer."""

import logging
import re
from html.parser import HTMLParser
from typing import final

import pytest
from flask import Flask
from flask.testing import FlaskClient

from smallcase import drain, logs
from smallcase.catalogue import catalogue
from smallcase.settings import Settings
from smallcase.web import create_app
from tests.app.conftest import DIGEST, VARIABLES, first

EVERY_PATH = ["/", "/style.css", "/icon.svg", "/healthz", "/readyz", "/version", "/nothing-here"]


@pytest.fixture
def app(settings: Settings) -> Flask:
    return create_app(settings, choose=first)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@final
class Markup(HTMLParser):
    """The tags of a page, and whether they nest."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_names_environment_branch_version_and_image(client: FlaskClient) -> None:
    """A person sees what is live; the image is short to the eye and complete for a pointer and a screen reader."""
    page = client.get("/").text
    assert ">production<" in page
    assert "<dd>master</dd>" in page
    assert "<dd>blue-1a2b3c4</dd>" in page
    assert f">{DIGEST[:19]}…<" in page
    assert page.count(DIGEST) == 2


@pytest.mark.parametrize("path", EVERY_PATH)
def test_nobody_learns_whose_account_and_registry_the_image_is_in(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert "registry.example" not in answer.text + str(answer.headers)


def test_every_smallcase_is_shown_at_some_time(settings: Settings) -> None:
    """Each of the five can be chosen, with its own link and its own picture."""
    assert [smallcase.id for smallcase in catalogue()] == [
        "SCSB_0003",
        "SCSB_0004",
        "SCET_0005",
        "SCNM_0007",
        "SCAW_0001",
    ]
    for smallcase in catalogue():
        client = create_app(settings, choose=lambda _, one=smallcase: one).test_client()
        assert f'href="https://smallcase.zerodha.com/smallcase/{smallcase.id}"' in client.get("/").text
        assert f'class="picture {smallcase.id}"' in client.get("/").text


def test_the_choice_is_left_to_chance(settings: Settings) -> None:
    """Many pages show more than one smallcase (the same one 200 times in a row has a chance of 5 to the -199th)."""
    client = create_app(settings).test_client()
    assert len({re.sub(r"(?s).*<h2>(.*)</h2>.*", r"\1", client.get("/").text) for _ in range(200)}) > 1


def test_a_picture_that_cannot_be_loaded_leaves_the_icon(client: FlaskClient) -> None:
    """The picture is layered over an icon that the application serves itself."""
    for smallcase in catalogue():
        picture = f"https://assets.smallcase.com/images/smallcases/200/{smallcase.id}.png"
        rule = f'.{smallcase.id} {{ background-image: url("{picture}"), url("/icon.svg"); }}'
        assert rule in client.get("/style.css").text
    assert client.get("/icon.svg").mimetype == "image/svg+xml"


def test_the_pictures_place_has_the_pages_colour_until_the_icon_is_there(client: FlaskClient) -> None:
    """Neither picture nor icon is there at the first paint."""
    assert ".picture {" in client.get("/style.css").text
    rule = client.get("/style.css").text.partition(".picture {")[2].partition("}")[0]
    assert "background: var(--background) center / cover no-repeat;" in rule


@pytest.mark.parametrize("path", ["/", "/nothing-here"])
def test_a_phone_lays_the_page_out_in_its_own_width(client: FlaskClient, path: str) -> None:
    """Without it a phone pretends to be a wide screen and shows small print."""
    viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert ("meta", viewport) in Markup(client.get(path).text).tags


def test_a_wide_screen_has_the_smallcase_beside_the_words(client: FlaskClient) -> None:
    """Two columns from 56rem on, one below."""
    narrow, _, wide = client.get("/style.css").text.partition("@media (min-width: 56rem) {")
    assert 'grid-template-areas: "header article" "section article";' in wide
    assert [part for part in ("header", "article", "section") if f"grid-area: {part};" not in wide] == []
    assert "grid-template-areas" not in narrow


@pytest.mark.parametrize(("colour", "text"), [("#0a3069", "#ffffff"), ("#f2cc60", "#000000")])
def test_the_stylesheet_has_the_colour_and_text_that_reads_on_it(colour: str, text: str) -> None:
    """Background and text are variables of the stylesheet, and the body uses them."""
    settings = Settings.from_environment(VARIABLES | {"SMALLCASE_COLOUR": colour})
    style = create_app(settings).test_client().get("/style.css").text
    assert f"--background: {colour};" in style
    assert f"--text: {text};" in style
    assert re.search(r"body \{[^}]*background: var\(--background\);\s*color: var\(--text\);", style)


@pytest.mark.parametrize("path", ["/", "/nothing-here"])
def test_the_markup_is_sound(client: FlaskClient, path: str) -> None:
    """Tags nest, the language is given, there is one heading and one main part, and nothing is inline."""
    markup = Markup(client.get(path).text)
    names = [name for name, _ in markup.tags]
    assert markup.open == []
    assert ("html", {"lang": "en"}) in markup.tags
    assert names.count("h1") == names.count("main") == names.count("title") == 1
    assert not {"script", "style"} & set(names)
    assert not any("style" in attributes for _, attributes in markup.tags)


def test_a_value_cannot_become_markup(settings: Settings) -> None:
    """Values are escaped in the page, should their check ever be loosened."""
    object.__setattr__(settings, "branch", "<script>")
    page = create_app(settings).test_client().get("/").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_version_tells_a_program_what_the_page_tells_a_person(client: FlaskClient) -> None:
    """The same facts as JSON, and the pod."""
    assert client.get("/version").json == {
        "environment": "production",
        "branch": "master",
        "version": "blue-1a2b3c4",
        "image": DIGEST,
        "colour": "#1f6feb",
        "pod": "smallcase-0",
    }


def test_it_is_alive_and_ready_until_it_drains(client: FlaskClient) -> None:
    """Draining takes readiness away and nothing else."""
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    drain.drain(0)
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", EVERY_PATH)
def test_every_answer_has_the_security_headers_and_is_not_kept(client: FlaskClient, path: str) -> None:
    """Errors too. Nothing may be inline, framed or cached; pictures come from here and the one other origin."""
    headers = dict(client.get(path).headers)
    assert [headers.pop(name) for name in ("Content-Type", "Content-Length", "X-Request-Id") if name in headers]
    assert headers == {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self' https://assets.smallcase.com; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@pytest.mark.parametrize(
    ("came_by", "expected"), [("https", "max-age=31536000"), ("http", None), ("", None), ("https, http", None)]
)
@pytest.mark.parametrize("path", ["/", "/nothing-here"])
def test_only_who_came_by_https_is_told_to_keep_to_it(
    client: FlaskClient, path: str, came_by: str, expected: str | None
) -> None:
    """Told over plain HTTP, where a platform has no domain, it would mean nothing or lock a visitor out."""
    headers = client.get(path, headers={"X-Forwarded-Proto": came_by}).headers
    assert headers.get("Strict-Transport-Security") == expected


@pytest.mark.parametrize("path", EVERY_PATH[:-1])
def test_head_answers_like_get_without_a_body(client: FlaskClient, path: str) -> None:
    """A monitor may ask for the head only."""
    answer = client.head(path)
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_refused_with_a_page(client: FlaskClient, method: str) -> None:
    """405 names what is allowed."""
    answer = client.open("/", method=method)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert "can only be read" in answer.text


@pytest.mark.parametrize("path", ["/nothing-here", "/healthz/", "/../etc/passwd"])
def test_an_unknown_address_is_a_styled_404(client: FlaskClient, path: str) -> None:
    """Without a redirection, and with the way back."""
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.text
    assert '<a href="/">' in answer.text


def test_a_failure_is_a_styled_500_that_tells_nothing(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """The cause is in the log, not on the page."""

    def fail() -> str:
        raise RuntimeError("the secret cause")

    app.add_url_rule("/fail", view_func=fail)
    answer = app.test_client().get("/fail")
    assert answer.status_code == 500
    assert "Something went wrong here." in answer.text
    assert "secret cause" not in answer.text
    assert "secret cause" in caplog.text


def access_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [vars(record)["fields"] for record in caplog.records if record.name == logs.ACCESS]


def test_a_request_is_logged_with_its_facts(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """One record a request, with what is needed to find and to count it; the address is what the balancer added."""
    caplog.set_level(logging.INFO, logs.ACCESS)
    headers = {
        "X-Forwarded-For": "1.2.3.4, 203.0.113.9",
        "X-Amzn-Trace-Id": "Root=1-67891233-abcdef",
        "User-Agent": "t",
    }
    answer = client.get("/version?token=hidden", headers=headers)
    (line,) = access_lines(caplog)
    milliseconds = line.pop("milliseconds")
    assert isinstance(milliseconds, float)
    assert 0 < milliseconds < 5000
    assert line == {
        "method": "GET",
        "path": "/version",
        "status": 200,
        "bytes": len(answer.data),
        "remote_address": "203.0.113.9",
        "user_agent": "t",
        "environment": "production",
        "version": "blue-1a2b3c4",
        "request_id": "Root=1-67891233-abcdef",
    }


def test_probes_are_logged_only_when_they_fail(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """A probe at 200 is silence; the first at 503 is news."""
    caplog.set_level(logging.INFO, logs.ACCESS)
    client.get("/healthz")
    client.get("/readyz")
    assert access_lines(caplog) == []
    drain.drain(0)
    client.get("/readyz")
    assert [(line["path"], line["status"]) for line in access_lines(caplog)] == [("/readyz", 503)]


@pytest.mark.parametrize("given", ["", "a b", 'x"y', "é", "x" * 201])
def test_a_request_id_that_could_do_harm_is_replaced(client: FlaskClient, given: str) -> None:
    """What is repeated in headers and logs has a harmless alphabet and length; otherwise a new id is made."""
    answered = client.get("/", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", answered)


def test_nonsense_in_the_forwarding_header_is_not_an_address(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer's address is logged instead."""
    caplog.set_level(logging.INFO, logs.ACCESS)
    client.get("/", headers={"X-Forwarded-For": "203.0.113.9, unknown"})
    assert [line["remote_address"] for line in access_lines(caplog)] == ["127.0.0.1"]
