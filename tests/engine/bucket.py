"""The bucket that holds the state, on this machine: S3 as far as Pulumi uses it, with the rights of whoever asks.

Who asks is said by the access key, which is the name of a role; what that role may do by the policies that it has in
the account. A key of another name is an administrator's.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, cast, final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from rehearsal.cloud.account import Cloud
from tests.iam import permits
from tests.policies import Statement, statements

NAME: Final = "smallcase-state-123456789012-us-east-1"
ARN: Final = f"arn:aws:s3:::{NAME}"


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the bucket, and whether it was let."""

    who: str
    action: str
    resource: str
    let: bool


@final
@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The objects below a directory."""

    directory: Path
    cloud: Cloud
    asked: list[Question] = field(default_factory=list[Question])

    def held(self, who: str) -> list[Statement]:
        """What a role holds in the account."""
        name = f"smallcase-platform-{who}"
        policies = [one for one in self.cloud.of("aws:iam/rolePolicy:RolePolicy") if one.inputs["role"] == name]
        return [statement for policy in policies for statement in statements(policy.text("policy"))]

    def lets(self, who: str, action: str, key: str = "") -> bool:
        held, resource = self.held(who), f"{ARN}/{key}" if key else ARN
        let = not held or permits(held, action, resource)
        self.asked.append(Question(who=who, action=action, resource=resource, let=let))
        return let

    def refused(self) -> list[Question]:
        return [question for question in self.asked if not question.let]

    def objects(self) -> dict[str, bytes]:
        """Everything that it holds, by key."""
        files = [path for path in self.directory.rglob("*") if path.is_file() and path.suffix != ".attrs"]
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in sorted(files)}

    def listing(self, prefix: str, delimiter: str) -> str:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
        keys = [key for key in self.objects() if key.startswith(prefix)]
        rests = {key: key.removeprefix(prefix) for key in keys}
        folders = {rest.partition(delimiter)[0] for rest in rests.values() if delimiter and delimiter in rest}
        files = [key for key, rest in rests.items() if not delimiter or delimiter not in rest]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in files
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + folder + delimiter)}</Prefix></CommonPrefixes>"
            for folder in folders
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_GET(self) -> None:
        if self._key:
            self._read()
        elif self._lets("s3:ListBucket"):
            query = parse_qs(urlsplit(self.path).query)
            prefix, delimiter = ("".join(query.get(name, [])) for name in ("prefix", "delimiter"))
            self._answer(200, self.bucket.listing(prefix, delimiter).encode())

    def do_HEAD(self) -> None:
        self._read()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        source = unquote(self.headers.get("x-amz-copy-source") or "").removeprefix(f"{NAME}/")
        if source and not self._lets("s3:GetObject", source):
            return
        if self._lets("s3:PutObject", self._key):
            path = self.bucket.directory / self._key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((self.bucket.directory / source).read_bytes() if source else body)
            self._answer(200, b"<CopyObjectResult><ETag>0</ETag></CopyObjectResult>" if source else b"")

    def do_DELETE(self) -> None:
        if self._lets("s3:DeleteObject", self._key):
            (self.bucket.directory / self._key).unlink(missing_ok=True)
            self._answer(204)

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}").removeprefix("/")

    def _lets(self, action: str, key: str = "") -> bool:
        who = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        let = self.bucket.lets(who, action, key)
        if not let:
            self._answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
        return let

    def _read(self) -> None:
        if self._lets("s3:GetObject", self._key):
            path = self.bucket.directory / self._key
            if path.is_file():
                self._answer(200, path.read_bytes())
            # Without that right, it is 403: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
            elif self._lets("s3:ListBucket"):
                self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(bucket: Bucket) -> Generator[str]:
    """The bucket as Pulumi's backend, for the length of a `with` block."""
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port = cast("tuple[str, int]", server.server_address)[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"s3://{NAME}?region=us-east-1&awssdk=v2&endpoint=http://127.0.0.1:{port}&s3ForcePathStyle=true"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
