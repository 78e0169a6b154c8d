"""One writer of the machine's hosts file: whole or not at all, and other people's lines stay to the byte."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from rehearsal.hosts_file import LOAD_BALANCERS, NODE, forget_names, with_names, write_names
from rehearsal.places import cache_directory
from rehearsal.removal import MARKER, remove

CHECKOUT: Final = Path(__file__).parents[2]
OWN: Final = b"127.0.0.1 localhost\n::1 localhost\n"
NAMES: Final = {"b.elb.test": "127.77.1.2", "a.elb.test": "127.77.1.1"}
MARKED: Final = (
    b"127.77.1.1 a.elb.test # smallcase rehearsal: a load balancer\n"
    b"127.77.1.2 b.elb.test # smallcase rehearsal: a load balancer\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is nobody else's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "hosts"
    made.write_bytes(OWN)
    return made


def alone(path: Path) -> bool:
    """Whether nothing was left beside the file."""
    return list(path.parent.iterdir()) == [path]


def test_the_lines_stand_with_their_mark_after_what_was_there() -> None:
    assert with_names(OWN, LOAD_BALANCERS, NAMES) == OWN + MARKED


@pytest.mark.parametrize(
    "others",
    [
        OWN,
        b"",
        b"127.0.0.1 localhost # caf\xe9\n",
        b"127.0.0.1 localhost\r\n::1 localhost\r\n",
        b"127.77.1.9 somebody.test\n# BEGIN other program\n\n\t10.0.0.1 mine # smallcase rehearsal\n",
        "127.0.0.1 \u2028 \x0b \x85\n".encode(),
    ],
)
def test_the_lines_of_others_stay_to_the_byte(path: Path, others: bytes) -> None:
    path.write_bytes(others)
    write_names(path, NODE, {"node": "127.77.0.4"})
    write_names(path, LOAD_BALANCERS, NAMES)
    assert path.read_bytes().startswith(others)
    assert forget_names(path)
    assert path.read_bytes() == others


def test_a_last_line_without_an_end_gets_one() -> None:
    assert with_names(b"127.0.0.1 localhost", LOAD_BALANCERS, NAMES) == b"127.0.0.1 localhost\n" + MARKED


def test_each_writer_changes_its_own_lines_alone(path: Path) -> None:
    write_names(path, NODE, {"node": "127.77.0.4"})
    write_names(path, LOAD_BALANCERS, NAMES)
    path.write_bytes(path.read_bytes() + b"10.0.0.1 mine\n")
    write_names(path, LOAD_BALANCERS, {})
    assert path.read_bytes() == OWN + b"127.77.0.4 node # smallcase rehearsal: the node\n10.0.0.1 mine\n"


def test_writing_the_same_again_touches_nothing(path: Path) -> None:
    assert write_names(path, LOAD_BALANCERS, NAMES)
    before = path.stat()
    assert not write_names(path, LOAD_BALANCERS, NAMES)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert forget_names(path)
    assert not forget_names(path)


def test_a_file_without_lines_of_ours_is_not_touched(path: Path) -> None:
    before = path.stat()
    assert not forget_names(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_file_keeps_its_mode_owner_and_attributes(path: Path) -> None:
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 4711, 4712)
    try:
        os.setxattr(path, "user.label", b"hosts")
    except OSError:
        pytest.skip("no attributes on this file system")
    before = path.stat()
    write_names(path, LOAD_BALANCERS, NAMES)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(path, "user.label") == b"hosts"


def test_the_file_is_replaced_whole_so_that_nobody_reads_half_of_it(path: Path) -> None:
    with path.open("rb") as reader:
        write_names(path, NODE, NAMES)
        assert reader.read() == OWN, "whoever has opened the old file reads the old file"
    assert path.read_bytes() == with_names(OWN, NODE, NAMES)
    assert alone(path)


def test_a_link_stays_a_link(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("etc") / "hosts"
    link.symlink_to(path)
    write_names(link, NODE, NAMES)
    assert link.readlink() == path
    assert path.read_bytes() == with_names(OWN, NODE, NAMES)


ENDLESSLY: Final = """
import sys
from pathlib import Path
from rehearsal.hosts_file import LOAD_BALANCERS, NODE, write_names
while True:
    for count in (0, 3000):
        for whose in (NODE, LOAD_BALANCERS):
            write_names(Path(sys.argv[1]), whose, {f"{n}.test": "127.77.1.1" for n in range(count)})
"""


def test_whoever_is_killed_leaves_a_whole_file_and_nothing_for_long(path: Path) -> None:
    names = {f"{number}.test": "127.77.1.1" for number in range(3000)}
    of_node, of_load_balancers = (with_names(b"", whose, names) for whose in (NODE, LOAD_BALANCERS))
    whole = [OWN, OWN + of_node, OWN + of_node + of_load_balancers, OWN + of_load_balancers]
    for attempt in range(20):
        with subprocess.Popen([sys.executable, "-c", ENDLESSLY, path], cwd=CHECKOUT) as writing:
            deadline = time.monotonic() + 20
            while path.read_bytes() == OWN and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(attempt / 2000)
            writing.send_signal(signal.SIGKILL)
        assert path.read_bytes() in whole
        forget_names(path)
        assert path.read_bytes() == OWN
        assert alone(path)


def test_two_writers_at_once_lose_no_line_of_each_other(path: Path) -> None:
    def write(whose: str) -> None:
        for count in range(50):
            write_names(path, whose, {f"{count}.test": "127.77.1.1"})
            assert f"{count}.test # smallcase rehearsal: {whose}".encode() in path.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (NODE, LOAD_BALANCERS)))
    assert path.read_bytes().count(b"49.test") == 2


def test_what_another_program_writes_meanwhile_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = os.fsync

    def late(descriptor: int) -> None:
        """Another program comes in between the reading and the replacing, once."""
        synced(descriptor)
        if b"mine" not in path.read_bytes():
            path.write_bytes(path.read_bytes() + b"10.0.0.1 mine\n")

    monkeypatch.setattr(os, "fsync", late)
    write_names(path, LOAD_BALANCERS, NAMES)
    assert path.read_bytes() == OWN + b"10.0.0.1 mine\n" + MARKED


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(("what", "number"), [("replace", errno.EBUSY), ("unlink", errno.EROFS)])
def test_a_file_that_cannot_be_replaced_is_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: int
) -> None:
    """As in a container, where it is a mount of its own."""
    with monkeypatch.context() as busy:
        busy.setattr(Path, what, refusing(number))
        assert write_names(path, LOAD_BALANCERS, NAMES)
        assert path.read_bytes() == OWN + MARKED
        assert forget_names(path)
    assert path.read_bytes() == OWN
    assert alone(path)


def test_whoever_is_cut_off_while_overwriting_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(OWN + MARKED)
    monkeypatch.setattr(Path, "replace", refusing(errno.EBUSY))

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "ftruncate", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_names(path, LOAD_BALANCERS, {})
    assert path.read_bytes() == OWN + b"\n" * len(MARKED)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_mount_of_its_own_is_written_to(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    mounted = tmp_path_factory.mktemp("container") / "hosts"
    mounted.touch()
    script = f'mount --bind {path} {mounted} && exec {sys.executable} -c "$0" {mounted}'
    writes = (
        "import sys; from pathlib import Path; from rehearsal.hosts_file import NODE, write_names;"
        "write_names(Path(sys.argv[1]), NODE, {'node': '127.77.0.4'})"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, writes],
        cwd=CHECKOUT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == OWN + b"127.77.0.4 node # smallcase rehearsal: the node\n"
    assert mounted.read_bytes() == b""
    assert alone(path)
    assert alone(mounted)


@pytest.mark.parametrize("what", ["replace", "chmod"])
def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(Path, what, refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write_names(path, LOAD_BALANCERS, NAMES)
    assert path.read_bytes() == OWN
    assert alone(path)


def test_a_cache_that_begins_with_the_lock_is_the_projects_own(path: Path) -> None:
    """Or it could not be removed later."""
    write_names(path, NODE, NAMES)
    assert (cache_directory() / MARKER).exists()
    remove(cache_directory())
