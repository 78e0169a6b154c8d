"""The stand-in cloud answers nobody but the user that runs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from rehearsal.cloud.account import Cloud
from rehearsal.cloud.own_user import Address, owner, owner_in
from rehearsal.cloud.server import serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists whose a connection is")

CHECKOUT: Final = Path(__file__).parents[2]
NOBODY: Final = 65534

CALLS: Final = """
import os, sys, time
import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, plugin_pb2
from google.protobuf import empty_pb2, struct_pb2

port, user, what = sys.argv[1:]
if int(user) != os.geteuid():
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
provider = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
properties = struct_pb2.Struct()
properties.update({"name": "of-somebody-else"})
topic = provider_pb2.CreateRequest(urn="urn:pulumi:s::p::aws:sns/topic:Topic::t", properties=properties)
caller = provider_pb2.InvokeRequest(tok="aws:index/getCallerIdentity:getCallerIdentity")
if what == "leave":
    provider.Create.future(topic)
    time.sleep(float(os.environ["PAUSE"]))
    os._exit(0)
for call, request in (
    (provider.Attach, plugin_pb2.PluginAttach(address="127.0.0.1:1")),
    (provider.Handshake, provider_pb2.ProviderHandshakeRequest()),
    (provider.GetPluginInfo, empty_pb2.Empty()),
    (provider.GetSchema, provider_pb2.GetSchemaRequest()),
    (provider.Configure, provider_pb2.ConfigureRequest()),
    (provider.Create, topic),
    (provider.Invoke, caller),
    (provider.Cancel, empty_pb2.Empty()),
):
    try:
        print(call(request))
    except grpc.RpcError as error:
        print(error.code().name, error.details())
"""


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def port(cloud: Cloud) -> Iterator[int]:
    with serve(cloud, ["aws"]) as ports:
        yield ports["aws"]


def call(port: int, user: int, what: str = "all", pause: float = 0) -> str:
    """What somebody is told who calls the provider."""
    done = subprocess.run(
        [sys.executable, "-c", CALLS, str(port), str(user), what],
        env={**os.environ, "PAUSE": str(pause)},
        cwd=CHECKOUT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_user_that_runs_it_is_answered(cloud: Cloud, port: int) -> None:
    said = call(port, os.geteuid())
    assert "user/rehearsal" in said
    assert "PERMISSION_DENIED" not in said
    assert [resource.type for resource in cloud] == ["aws:sns/topic:Topic"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_refused_whatever_he_calls(cloud: Cloud, port: int) -> None:
    said = call(port, NOBODY).splitlines()
    assert said == ["PERMISSION_DENIED The stand-in cloud answers user 0 alone, who runs it."] * 8
    assert list(cloud) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_who_is_gone_before_he_is_looked_at_is_refused_too(cloud: Cloud, port: int) -> None:
    for attempt in range(8):
        call(port, NOBODY, "leave", pause=attempt / 100)
    time.sleep(0.5)
    assert list(cloud) == []


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_kernel_says_whose_a_connection_is_until_it_is_closed(family: socket.AddressFamily) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        own: Address = server.getsockname()
        client.connect(own if family == socket.AF_INET else (f"::ffff:{own[0]}", own[1]))
        accepted, peer = server.accept()
        with accepted:
            assert owner(peer, own) == os.geteuid()
            assert owner(own, peer) == os.geteuid()
            assert owner((peer[0], peer[1] + 1), own) is None
            assert owner(peer, (own[0], own[1] + 1)) is None
            client.close()
            assert owner(peer, own) is None


def row(local: str, remote: str, state: str, user: int, inode: int) -> str:
    return f"   7: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {user}        0 {inode} 1 0 20 4 -1"


@pytest.mark.parametrize(
    ("rows", "user"),
    [
        ([row("0100007F:9C40", "0100007F:4525", "01", 1000, 5)], 1000),
        # Closed by somebody, which the kernel lists as of user 0.
        ([row("0100007F:9C40", "0100007F:4525", "05", 0, 0)], None),
        ([row("0100007F:9C40", "0100007F:4525", "06", 0, 0)], None),
        ([row("0100007F:9C40", "0100007F:4525", "01", 0, 0)], None),
        # The same port, used by somebody else for another place.
        (
            [
                row("0100007F:9C40", "0200007F:4525", "01", 0, 4),
                row("0100007F:9C40", "0100007F:4526", "01", 0, 5),
                row("0100007F:9C40", "0100007F:4525", "01", 1000, 6),
            ],
            1000,
        ),
        # The server's own end.
        ([row("0100007F:4525", "0100007F:9C40", "01", 0, 5)], None),
        (
            [row("0000000000000000FFFF00000100007F:9C40", "0000000000000000FFFF00000100007F:4525", "01", 1000, 5)],
            1000,
        ),
        ([], None),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the rows are as a little-endian machine writes them")
def test_one_row_of_the_table_counts(rows: list[str], user: int | None) -> None:
    header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    assert owner_in([header, *rows], ("127.0.0.1", 40000), ("127.0.0.1", 17701)) == user
