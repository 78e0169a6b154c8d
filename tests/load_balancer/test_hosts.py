import errno
from pathlib import Path

import pytest

from rehearsal.load_balancer.hosts import BEGIN, END, forget_hosts, with_hosts, write_hosts

OWN = "127.0.0.1 localhost\n::1 localhost\n"
HOSTS = {"b.elb.test": "127.77.1.2", "a.elb.test": "127.77.1.1"}


def test_the_lines_stand_between_markers_after_what_was_there() -> None:
    assert with_hosts(OWN, HOSTS) == f"{OWN}{BEGIN}\n127.77.1.1 a.elb.test\n127.77.1.2 b.elb.test\n{END}\n"


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(OWN, encoding="utf-8")
    assert write_hosts(path, HOSTS)
    assert not write_hosts(path, HOSTS)


def test_forgetting_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(OWN, encoding="utf-8")
    path.chmod(0o640)
    write_hosts(path, HOSTS)
    assert forget_hosts(path)
    assert path.read_text(encoding="utf-8") == OWN
    assert path.stat().st_mode & 0o777 == 0o640
    assert not forget_hosts(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_without_the_block_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost", encoding="utf-8")
    assert not forget_hosts(path)
    assert path.read_text(encoding="utf-8") == "127.0.0.1 localhost"


def test_a_block_that_lost_its_end_takes_no_line_of_others() -> None:
    broken = f"{OWN}{BEGIN}\n127.77.1.9 old.elb.test\n10.0.0.1 mine\n"
    assert with_hosts(broken, {}) == f"{OWN}10.0.0.1 mine\n"


def test_the_file_is_replaced_whole_so_that_nobody_reads_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(OWN, encoding="utf-8")
    with path.open(encoding="utf-8") as reader:
        write_hosts(path, HOSTS)
        assert reader.read() == OWN, "whoever has opened the old file reads the old file"
    assert path.read_text(encoding="utf-8") == with_hosts(OWN, HOSTS)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_a_mount_of_its_own_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    path = tmp_path / "hosts"
    path.write_text(OWN, encoding="utf-8")

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    assert write_hosts(path, HOSTS)
    assert path.read_text(encoding="utf-8") == with_hosts(OWN, HOSTS)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hosts"
    path.write_text(OWN, encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_hosts(path, HOSTS)
    assert path.read_text(encoding="utf-8") == OWN
    assert list(tmp_path.iterdir()) == [path]
