from ipaddress import IPv4Network
from pathlib import Path

import pytest

from rehearsal.load_balancer.addresses import AddressesExhaustedError, assign, read, write

NETWORK = IPv4Network("127.77.1.0/29")


def test_each_has_an_address_of_its_own_in_the_network() -> None:
    assigned = assign(NETWORK, ["a", "b", "c", "d", "e", "f"], {})
    assert sorted(assigned.values()) == [f"127.77.1.{last}" for last in range(1, 7)]


def test_an_address_stays_whatever_comes_and_goes_beside_it() -> None:
    before = assign(NETWORK, ["a", "b", "c"], {})
    after = assign(NETWORK, ["b", "d", "e", "f"], before)
    assert after["b"] == before["b"]
    assert "a" not in after


def test_too_many_are_refused_with_the_number_of_addresses() -> None:
    with pytest.raises(AddressesExhaustedError, match=r"127\.77\.1\.0/29 has only 6"):
        assign(NETWORK, list("abcdefg"), {})


def test_what_is_kept_is_read_again_and_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    assert read(path) == {}
    write(path, {"a": "127.77.1.1"})
    assert read(path) == {"a": "127.77.1.1"}
    path.write_text("{", encoding="utf-8")
    assert read(path) == {}
