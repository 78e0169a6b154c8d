"""The bucket and the key that hold the state: moto's S3 and KMS, with the rights of whoever asks.

Who asks is said by the access key, which is the name of a role; what that role may do by the policies that it has in
the account. A key of another name is an administrator's. moto evaluates no conditions, so requests are held against
the policies before it sees them.
"""

import json
import os
import threading
import urllib.request
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Final, final
from unittest.mock import patch
from urllib.parse import unquote

import boto3
from moto.moto_server.werkzeug_app import (  # pyright: ignore[reportMissingTypeStubs]
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from infra import state as names
from operations import state
from rehearsal.cloud.account import Cloud
from tests.iam import ACCOUNT, permits
from tests.policies import Statement, many, statements

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from mypy_boto3_s3 import S3Client

REGION: Final = "us-east-1"
NAME: Final = names.bucket_name(ACCOUNT, REGION)
ARN: Final = f"arn:aws:s3:::{NAME}"
KEY: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state"
LISTING: Final = ("s3:ListBucket", ARN)
POLICY: Final = "aws:iam/rolePolicy:RolePolicy"


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the bucket or the key, and whether it was let."""

    who: str
    action: str
    resource: str
    let: bool = False

    def granted_by(self, held: Sequence[Statement]) -> bool:
        """Whether these statements let it."""
        context = {"kms:ResourceAliases": [names.KEY_ALIAS]} if self.resource == KEY else {}
        return permits(held, self.action, self.resource, context)


@final
@dataclass(kw_only=True)
class Store:
    """Where the state is.

    Parameters:
        endpoint: address of moto's server.
        cloud: the account whose policies say what the roles may do.
    """

    endpoint: str = ""
    cloud: Cloud = field(default_factory=Cloud)
    asked: list[Question] = field(default_factory=list[Question])

    def held(self, who: str) -> list[Statement]:
        """What a role holds in the account."""
        name = f"smallcase-platform-{who}"
        policies = [one for one in self.cloud.of(POLICY) if one.inputs["role"] == name]
        return [statement for policy in policies for statement in statements(policy.text("policy"))]

    def take(self, who: str, action: str, part: str) -> int:
        """Take an action on resources whose name has this part away from a role; how many it had."""
        taken = 0
        for policy in [one for one in self.cloud.of(POLICY) if one.inputs["role"] == f"smallcase-platform-{who}"]:
            left: list[Statement] = []
            for statement in statements(policy.text("policy")):
                for one in many(statement["Action"]):
                    kept = [name for name in many(statement["Resource"]) if one != action or part not in name]
                    taken += len(many(statement["Resource"])) - len(kept)
                    left += [{**statement, "Action": one, "Resource": kept}] if kept else []
            changed = json.dumps({"Version": "2012-10-17", "Statement": left})
            self.cloud.update(POLICY, policy.id, {**policy.inputs, "policy": changed})
        return taken

    def lets(self, who: str, action: str, resource: str) -> bool:
        """Whether somebody may do something, which is written down."""
        asked = Question(who=who, action=action, resource=resource)
        held = self.held(who)
        let = not held or asked.granted_by(held)
        self.asked.append(replace(asked, let=let))
        return let

    def refused(self) -> list[Question]:
        return [question for question in self.asked if not question.let]

    def variables(self, who: str) -> dict[str, str]:
        """What makes the AWS SDKs ask here, as somebody."""
        return {
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            # What the verb `state` prints, but that names of buckets are no names of hosts here.
            "PULUMI_BACKEND_URL": f"{names.backend_url(ACCOUNT, REGION)}&s3ForcePathStyle=true",
        }

    def objects(self) -> dict[str, bytes]:
        """Everything that the bucket holds, by key."""
        keys = [one.get("Key", "") for one in self._s3.list_objects_v2(Bucket=NAME).get("Contents", [])]
        return {key: self._s3.get_object(Bucket=NAME, Key=key)["Body"].read() for key in keys}

    def hold(self, objects: Mapping[str, bytes]) -> None:
        """Hold these objects and no others."""
        for key in self.objects().keys() - objects.keys():
            self._s3.delete_object(Bucket=NAME, Key=key)
        for key, content in objects.items():
            self._s3.put_object(Bucket=NAME, Key=key, Body=content)

    def make(self) -> None:
        """The bucket and the key, made by the verb that makes them on AWS."""
        with patch.dict(os.environ, self.variables("administrator")):
            state.ensure(REGION)
        # moto takes a Deny for one whatever its conditions.
        self._s3.delete_bucket_policy(Bucket=NAME)

    @cached_property
    def _s3(self) -> "S3Client":
        session = boto3.Session(aws_access_key_id="administrator", aws_secret_access_key="secret", region_name=REGION)  # noqa: S106
        return session.client("s3", endpoint_url=self.endpoint)  # pyright: ignore[reportUnknownMemberType]


@final
@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is asked of S3, of KMS, or of ECR by the verb that reads what a scan found."""

    who: str
    method: str
    key: str
    """Of the object; empty for the bucket itself."""
    source: str
    """The object that is to be copied there."""
    service: str
    operation: str
    """Of a service whose requests name it, as those of KMS; empty for S3."""
    repository: str
    """Of ECR, where the request is about one."""

    @classmethod
    def of(cls, environ: "WSGIEnvironment") -> "_Request":
        texts = {name: str(value) for name, value in environ.items() if name.startswith(("HTTP_", "PATH_", "REQUEST_"))}
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
        scope = [
            *texts.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/"),
            *[""] * 4,
        ]
        operation = texts.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        body: Mapping[str, str] = {}
        if operation:
            content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(content)
            body = json.loads(content or b"{}")
        return cls(
            who=scope[0],
            method=texts["REQUEST_METHOD"],
            key=texts["PATH_INFO"].removeprefix(f"/{NAME}").removeprefix("/"),
            source=unquote(texts.get("HTTP_X_AMZ_COPY_SOURCE", "")).removeprefix("/").removeprefix(f"{NAME}/"),
            service=scope[3],
            operation=operation,
            repository=body.get("repositoryName", ""),
        )

    @property
    def needs(self) -> list[tuple[str, str]]:
        """Actions and resources that the caller has to be allowed.

        What is in the bucket is encrypted with the key, on behalf of who reads and writes it:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        """
        if self.operation:
            of_ecr = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{self.repository}"
            return [(f"{self.service}:{self.operation}", KEY if self.service == "kms" else of_ecr)]
        reading = [("s3:GetObject", f"{ARN}/{self.source or self.key}"), ("kms:Decrypt", KEY)]
        match self.method, self.key:
            case "GET", "":
                return [LISTING]
            case "GET" | "HEAD", _:
                return reading
            case "PUT", key if key:
                writing = [("s3:PutObject", f"{ARN}/{key}"), ("kms:GenerateDataKey", KEY)]
                return [*reading, *writing] if self.source else writing
            case "DELETE", key if key:
                return [("s3:DeleteObject", f"{ARN}/{key}")]
            case _:
                return [(f"{self.method}, which no right is known for", f"{ARN}/{self.key}")]

    def refusal(self, start: "StartResponse") -> list[bytes]:
        start("400 Bad Request" if self.operation else "403 Forbidden", [])
        if self.operation:
            return [b'{"__type": "AccessDeniedException", "message": "Access Denied"}']
        return [] if self.method == "HEAD" else [b"<Error><Code>AccessDenied</Code></Error>"]


@final
class _Guard:
    """Holds requests against the policies, and hands those on that are let."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        request = _Request.of(environ)
        # Others are administrators, and ask for more than is known here.
        known = bool(self._store.held(request.who))
        if known and not all(self._store.lets(request.who, *needed) for needed in request.needs):
            return request.refusal(start)
        answered: list[tuple[str, list[tuple[str, str]]]] = []

        def take(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            answered.append((status, headers))

        body = list(self._moto(environ, take))
        [(status, headers)] = answered
        # Without that right, it is 403: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        if known and status.startswith("404") and not self._store.lets(request.who, *LISTING):
            return request.refusal(start)
        start(status, headers)
        return body


@contextmanager
def serve() -> Generator[Store]:
    """An empty store, for the length of a `with` block."""
    store = Store()
    server = make_server("127.0.0.1", 0, _Guard(store), threaded=True, request_handler=_Quiet)
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        request = urllib.request.Request(f"{store.endpoint}/moto-api/reset", method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
        store.make()
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
