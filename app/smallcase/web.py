"""The pages and probes, as a Flask application for one deployment."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from smallcase import access_log, drain, logs
from smallcase.catalogue import Smallcase, catalogue
from smallcase.colour import text_on
from smallcase.settings import Settings

_TEMPLATES: Final = Path(__file__).with_name("templates")

UNREADABLE: Final = "unreadable"
"""In the ASGI state of a request that stands in for one that could not be read: the status to answer."""

_EXPLANATIONS: Final = {
    HTTPStatus.NOT_FOUND: "There is no page at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address can only be read, with GET or HEAD.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here. It has been logged; please try again in a moment.",
}


def create_app(settings: Settings, *, choose: Callable[[Sequence[Smallcase]], Smallcase] = random.choice) -> Flask:  # noqa: S311 - a page for everyone
    """The application of this deployment; `choose` picks the smallcase of a page."""
    app = Flask("smallcase", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    smallcases = catalogue()
    colours = {"background": str(settings.colour), "text": str(text_on(settings.colour))}
    icon = _filled("icon.svg", colours)
    style = _filled("style.css", {**colours, "pictures": _pictures(smallcases)})
    # Compiled before the first request, and before the server forks.
    app.jinja_env.get_template("page.html")

    @app.context_processor
    def deployment() -> dict[str, object]:  # pyright: ignore[reportUnusedFunction]  # Flask keeps it
        return {"settings": settings}

    @app.get("/")
    def page() -> str:  # pyright: ignore[reportUnusedFunction]
        return render_template("page.html", smallcase=choose(smallcases))

    @app.get("/style.css")
    def stylesheet() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(style, mimetype="text/css")

    @app.get("/icon.svg")
    def picture() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(icon, mimetype="image/svg+xml")

    @app.get("/healthz")
    def alive() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response("alive\n", mimetype="text/plain")

    @app.get("/readyz")
    def ready() -> Response:  # pyright: ignore[reportUnusedFunction]
        if drain.is_draining():
            return Response("draining\n", status=HTTPStatus.SERVICE_UNAVAILABLE, mimetype="text/plain")
        return Response("ready\n", mimetype="text/plain")

    @app.get("/version")
    def version() -> Response:  # pyright: ignore[reportUnusedFunction]
        return jsonify(
            environment=settings.environment.value,
            branch=settings.branch,
            version=settings.version,
            image=settings.digest,
            colour=str(settings.colour),
            pod=settings.pod,
        )

    @app.errorhandler(HTTPException)
    def error(exception: HTTPException) -> Response:  # pyright: ignore[reportUnusedFunction]
        response = exception.get_response()
        status = HTTPStatus(response.status_code)
        explanation = _EXPLANATIONS.get(status, "This request could not be answered.")
        return Response(
            render_template("error.html", status=status, explanation=explanation),
            status=status,
            headers=[(name, value) for name, value in response.headers if name == "Allow"],
        )

    _add_headers(app, smallcases)
    _add_access_log(app, settings)
    _add_refusals(app)
    return app


def _filled(name: str, values: dict[str, str]) -> str:
    return Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def _pictures(smallcases: Sequence[Smallcase]) -> str:
    """CSS that layers each smallcase's picture over the icon, which shows as long as the picture cannot be loaded."""
    return "\n".join(
        f'.{smallcase.id} {{ background-image: url("{smallcase.image}"), url("/icon.svg"); }}'
        for smallcase in smallcases
    )


def _add_headers(app: Flask, smallcases: Sequence[Smallcase]) -> None:
    origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(smallcase.image)) for smallcase in smallcases})
    headers = {
        # A page stands for what is live at this moment, so nothing is kept: no answer is larger than a few kilobytes.
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "style-src 'self'",
                f"img-src 'self' {' '.join(origins)}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

    @app.after_request
    def add(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        response.headers.update(headers)
        # Whoever drains is not to be asked again. And it is not certain where the next request would begin after one
        # that is malformed, or whose client waits for "100 Continue" before it sends its body, or perhaps does not.
        if drain.is_draining() or response.status_code == HTTPStatus.BAD_REQUEST or "Expect" in request.headers:
            response.headers["Connection"] = "close"
        # A load balancer says how the browser came. The domain's other names are not ours to speak for.
        if request.headers.get("X-Forwarded-Proto") == "https":
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response


def _add_access_log(app: Flask, settings: Settings) -> None:
    logger = logging.getLogger(logs.ACCESS)

    @app.before_request
    def begin() -> None:  # pyright: ignore[reportUnusedFunction]
        g.began = time.perf_counter()
        g.request_id = access_log.request_id(request.headers)

    @app.after_request
    def log(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        response.headers["X-Request-Id"] = g.request_id
        answered = access_log.Request(
            method=access_log.shortened(request.method),
            path=access_log.shortened(request.path),
            status=response.status_code,
            milliseconds=(time.perf_counter() - g.began) * 1000,
            bytes=0 if request.method == "HEAD" else response.calculate_content_length() or 0,
            remote_address=access_log.remote_address(request.headers, request.remote_addr or ""),
            user_agent=access_log.shortened(request.user_agent.string),
            request_id=g.request_id,
        )
        if access_log.is_logged(answered):
            logger.info(
                "%s %s %d",
                answered.method,
                answered.path,
                answered.status,
                extra={"fields": access_log.fields(answered, settings)},
            )
        return response


def _add_refusals(app: Flask) -> None:
    @app.before_request
    def refuse() -> None:  # pyright: ignore[reportUnusedFunction]
        unreadable = request.environ.get("asgi.scope", {}).get("state", {}).get(UNREADABLE)
        if unreadable:
            abort(unreadable)
        # Where it ends is one thing to this server and another to a load balancer: request smuggling (RFC 9112, 6.1).
        if "Content-Length" in request.headers and "Transfer-Encoding" in request.headers:
            abort(HTTPStatus.BAD_REQUEST)
