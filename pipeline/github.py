"""Releases on GitHub: https://docs.github.com/en/rest/releases/releases."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Final, cast, final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pipeline.outcomes import Failed, WrongUse
from pipeline.proxy import through

TIMEOUT: Final = 30.0
"""Seconds that GitHub has for an answer."""

_PAGE: Final = 100

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_ADDRESS: Final = re.compile(r"https?://[^\s/]+(/\S*)?")


@final
@dataclass(frozen=True, kw_only=True)
class GitHub:
    """A repository on GitHub."""

    repository: str
    """As `owner/name`."""
    token: str
    api: str
    server: str

    @classmethod
    def configured(cls, environment: Mapping[str, str]) -> "GitHub | None":
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
        # An error would quote a token with a line end, which no header takes.
        token = environment.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise WrongUse(
                f"Releases go to {repository} on GitHub, and GITHUB_TOKEN is not set.",
                "Set it to a token that may write the repository's contents; unset GITHUB_REPOSITORY for tags alone.",
            )
        server = _address(environment, "GITHUB_SERVER_URL", "https://github.com")
        return cls(repository=repository, token=token, api=api(environment), server=server)

    def git_options(self) -> Sequence[str]:
        """Options by which Git signs in to this server, and to no other. The token stays in the environment, where
        Git's shell reads it: no list of processes shows it."""
        helper = '!f() { test "$1" = get && echo username=x-access-token && echo "password=$GITHUB_TOKEN"; }; f'
        key = f"credential.{self.server}.helper"
        # The empty one forgets the helpers of the machine.
        return ("-c", f"{key}=", "-c", f"{key}={helper}")

    def releases(self) -> set[str]:
        """The tags that have a release.

        Raises:
            Failed: GitHub refuses or does not answer.
        """
        tags: set[str] = set()
        number = 1
        while True:
            answer = self._call(f"releases?per_page={_PAGE}&page={number}")
            page = cast("list[dict[str, object]]", answer)
            tags.update(str(release["tag_name"]) for release in page)
            if len(page) < _PAGE:
                return tags
            number += 1

    def release(self, tag: str, *, notes: str, beta: bool) -> None:
        """Publish a release of a tag that is there.

        Raises:
            Failed: GitHub refuses or does not answer.
        """
        self._call("releases", {"tag_name": tag, "name": tag, "body": notes, "prerelease": beta})

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
        way_out = "The tags are pushed; run it again, it publishes what is missing."
        try:
            with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                return cast("object", json.load(response))
        except HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            if error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                way_out = f"Does GITHUB_TOKEN have the right to write the contents of {self.repository}? {way_out}"
            raise Failed(f"GitHub refused ({error.code}) {address}{through(address)}: {said}", way_out) from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise Failed(f"GitHub did not answer at {self.api}{through(self.api)}: {error}", way_out) from None


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
