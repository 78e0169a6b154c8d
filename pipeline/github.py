"""Releases on GitHub: https://docs.github.com/en/rest/releases/releases."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Final, cast, final
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from pipeline.deadline import Deadline
from pipeline.outcomes import Failed, WrongUse
from pipeline.proxy import through

TIMEOUT: Final = 30.0
"""Seconds that GitHub has for an answer."""

UNSAID: Final = 60
"""Seconds to wait where GitHub limits requests and does not say for how long
(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)."""

_PAGE: Final = 100
_AGAIN: Final = "The tags are pushed; run it again, it publishes what is missing."

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_ADDRESS: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_TOKEN: Final = re.compile(r"[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")


@final
@dataclass(frozen=True, kw_only=True)
class _Answer:
    code: int
    headers: HTTPMessage
    body: str

    @property
    def wait(self) -> float | None:
        """Seconds until GitHub takes requests again; None where it does not limit them."""
        if self.code not in {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}:
            return None
        after, reset = (self.headers.get(name, "") for name in ("Retry-After", "X-RateLimit-Reset"))
        if _NUMBER.fullmatch(after):
            return float(after)
        if self.headers.get("X-RateLimit-Remaining") == "0" and _NUMBER.fullmatch(reset):
            return max(0.0, float(reset) - time.time()) + 1
        limited = self.code == HTTPStatus.TOO_MANY_REQUESTS or "rate limit" in self.body
        return UNSAID if limited else None


@final
@dataclass(frozen=True, kw_only=True)
class GitHub:
    """A repository on GitHub."""

    repository: str
    """As `owner/name`."""
    token: str
    api: str
    server: str
    deadline: Deadline

    @classmethod
    def configured(cls, environment: Mapping[str, str], deadline: Deadline) -> "GitHub | None":
        """The repository that GITHUB_REPOSITORY names, None if nothing does; GITHUB_API_URL and GITHUB_SERVER_URL say
        where another GitHub than github.com is.

        Raises:
            WrongUse: the name or an address is none, or there is no token.
        """
        repository = environment.get("GITHUB_REPOSITORY", "")
        if not repository:
            return None
        if not _REPOSITORY.fullmatch(repository):
            raise WrongUse(f"GITHUB_REPOSITORY is {repository!r}.", "It has to be OWNER/NAME.")
        token = environment.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise WrongUse(
                f"Releases go to {repository} on GitHub, and GITHUB_TOKEN is not set.",
                "Set it to a token that may write the repository's contents; unset GITHUB_REPOSITORY for tags alone.",
            )
        if not _TOKEN.fullmatch(token):
            raise WrongUse(
                "GITHUB_TOKEN has a space, a line end or another character that no token has.",
                "Set it to the token alone.",
            )
        server = _address(environment, "GITHUB_SERVER_URL", "https://github.com")
        return cls(repository=repository, token=token, api=api(environment), server=server, deadline=deadline)

    def git_options(self) -> Sequence[str]:
        """Options by which Git signs in to this server, and to no other. The token stays in the environment, where
        Git's shell reads it: no list of processes shows it."""
        helper = '!f() { test "$1" = get && echo username=x-access-token && echo "password=$GITHUB_TOKEN"; }; f'
        key = f"credential.{self.server}.helper"
        # The empty one forgets the helpers of the machine.
        return ("-c", f"{key}=", "-c", f"{key}={helper}")

    def releases(self) -> set[str]:
        """The tags that have a release; a draft, which only its makers see, is none.

        Raises:
            Failed: GitHub refuses, answers something else or does not answer.
        """
        tags: set[str] = set()
        number = 1
        while True:
            page = self._call(f"releases?per_page={_PAGE}&page={number}")
            if not isinstance(page, list):
                raise self._unexpected("a list of releases", page)
            for release in cast("list[object]", page):
                tag, draft = _published(release)
                if not tag:
                    raise self._unexpected("a list of releases", release)
                tags |= set() if draft else {tag}
            if len(cast("list[object]", page)) < _PAGE:
                return tags
            number += 1

    def release(self, tag: str, *, notes: str, beta: bool) -> None:
        """Publish a release of a tag that is there.

        Raises:
            Failed: GitHub refuses, answers something else or does not answer.
        """
        answer = self._call("releases", {"tag_name": tag, "name": tag, "body": notes, "prerelease": beta})
        if _published(answer) != (tag, False):
            raise self._unexpected(f"the release {tag}", answer)

    def _call(self, path: str, body: Mapping[str, object] | None = None) -> object:
        address = f"{self.api}/repos/{self.repository}/{path}"
        request = Request(  # noqa: S310 - an address that whoever runs this chose
            address,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            answer = self.deadline.bound(lambda: _ask(request))
            while (wait := answer.wait) is not None:
                if wait > self.deadline.remaining:
                    raise Failed(
                        f"GitHub takes requests for {self.repository} again in {wait:.0f} seconds, and this has to end "
                        f"within {self.deadline}: {answer.body[:2000]}",
                        _AGAIN,
                    )
                time.sleep(wait)
                answer = self.deadline.bound(lambda: _ask(request))
            if answer.code < HTTPStatus.MULTIPLE_CHOICES:
                return cast("object", json.loads(answer.body))
        except (HTTPException, OSError, ValueError) as error:
            raise Failed(f"GitHub did not answer at {self.api}{through(self.api)}: {error}", _AGAIN) from None
        way_out = _AGAIN
        if answer.code < HTTPStatus.BAD_REQUEST:
            elsewhere = answer.headers.get("Location", "elsewhere")
            way_out = f"It leads to {elsewhere}. Let GITHUB_REPOSITORY and GITHUB_API_URL say where it is now. {_AGAIN}"
        elif answer.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            way_out = f"Does GITHUB_TOKEN have the right to write the contents of {self.repository}? {_AGAIN}"
        raise Failed(f"GitHub refused ({answer.code}) {address}{through(address)}: {answer.body[:2000]}", way_out)

    def _unexpected(self, what: str, answer: object) -> Failed:
        return Failed(f"GitHub did not answer with {what} at {self.api}: {json.dumps(answer)[:2000]}", _AGAIN)


def _ask(request: Request) -> _Answer:
    """What GitHub answers, whatever it is. A redirection is not followed: urllib would make a GET of a POST, and hand
    the token to whoever is named."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    with cast("HTTPResponse", opener.open(request, timeout=TIMEOUT)) as response:
        body = response.read().decode(errors="replace")
        return _Answer(code=response.status, headers=response.headers, body=body)


def _published(release: object) -> tuple[str, bool]:
    """The tag of a release, empty where it is none, and whether it is a draft."""
    if not isinstance(release, dict):
        return "", False
    found = cast("dict[str, object]", release)
    tag = found.get("tag_name")
    return (tag if isinstance(tag, str) else ""), bool(found.get("draft"))


def api(environment: Mapping[str, str]) -> str:
    """Address of GitHub's interface, which GITHUB_API_URL says otherwise.

    Raises:
        WrongUse: it is no address.
    """
    return _address(environment, "GITHUB_API_URL", "https://api.github.com")


def _address(environment: Mapping[str, str], variable: str, usual: str) -> str:
    address = (environment.get(variable) or usual).rstrip("/")
    if not _ADDRESS.fullmatch(address):
        raise WrongUse(f"{variable} is {address!r}.", f"It has to be an address such as {usual}.")
    return address
