"""Headers as they are stored: what most blocks have is kept as its place in a table."""

from pathlib import Path

import pytest

from tests.storage.storage_toy import append_block, toy_block
from zevm.chain.types import Header
from zevm.storage import rlp, schema
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.database import Database
from zevm.storage.directory import write_format
from zevm.storage.keccak import keccak256
from zevm.storage.short_headers import link_in, short, whole
from zevm.storage.store import Batch

EMPTY_BLOCK = rlp.encode(
    [
        keccak256(b"parent"), keccak256(b"\xc0"), bytes(20), keccak256(b"state"), EMPTY_ROOT, EMPTY_ROOT, bytes(256),
        b"", b"\x07", b"\x01\xc9\xc3\x80", b"", b"\x65\x00\x00\x00", b"zevm", bytes(32), bytes(8), b"\x07", EMPTY_ROOT,
        b"", b"", bytes(32), bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ]
)  # fmt: skip


def test_an_empty_blocks_header_takes_a_quarter() -> None:
    stored = short(EMPTY_BLOCK)
    assert whole(stored) == EMPTY_BLOCK
    assert 4 * len(stored) < len(EMPTY_BLOCK)
    assert Header.decode(EMPTY_BLOCK).encode() == EMPTY_BLOCK


def test_the_places_of_the_table_stay() -> None:
    """Databases hold them."""
    items = rlp.split_list(short(EMPTY_BLOCK))
    places = {number: item[1] for number, item in enumerate(items) if item[:1] == b"\xc1"}
    assert places == {1: 0, 2: 5, 4: 1, 5: 1, 6: 2, 13: 3, 14: 6, 16: 1, 19: 3, 20: 4}


@pytest.mark.parametrize(
    "header", [toy_block(3, bytes(32)).header, b"\xc0", rlp.encode([bytes(31), bytes(33), b"\x03"])]
)
def test_other_headers_are_stored_as_they_are(header: bytes) -> None:
    items = rlp.split_list(header)
    assert whole(short(header)) == header
    assert [item for item in rlp.split_list(short(header)) if item[:1] != b"\xc1"] == [
        item for item in items if item != rlp.encode_bytes(bytes(32))
    ]


@pytest.mark.parametrize("damaged", [b"", b"\x80", EMPTY_BLOCK[:-1], EMPTY_BLOCK + b"\x00", b"\xc1"])
def test_what_is_no_list_stays(damaged: bytes) -> None:
    assert short(damaged) == damaged
    assert whole(damaged) == damaged


def test_headers_of_schema_3_are_read_and_checked(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        first = toy_block(0, bytes(32))
        append_block(database, first)
        key = schema.header_key(first.hash)
        assert database.store.get(key) != first.header
        batch = Batch()
        batch.put(key, first.header)
        database.write(batch)
    write_format(tmp_path, 3)
    with Database.open(tmp_path) as database:
        append_block(database, toy_block(1, first.hash))
        assert database.ledger.header(first.hash) == first.header
        assert database.recent_check() == []
        assert not [problem for problem in database.scrub() if "header" in problem]


def test_a_damaged_place_is_another_hash(tmp_path: Path) -> None:
    with Database.open(tmp_path) as database:
        first = toy_block(0, bytes(32))
        append_block(database, first)
        key = schema.header_key(first.hash)
        stored = database.store.get(key)
        assert stored is not None
        batch = Batch()
        batch.put(key, stored.replace(b"\xc1\x03", b"\xc1\x05"))
        database.write(batch)
        assert any("has another hash" in problem for problem in database.scrub())
        assert any("has hash" in problem for problem in database.recent_check())


@pytest.mark.parametrize("root", [EMPTY_ROOT, keccak256(b"transactions")], ids=["empty", "filled"])
@pytest.mark.parametrize("size", [300, 5_000])
@pytest.mark.parametrize("coinbase", [bytes(20), b"\x11" * 20])
@pytest.mark.parametrize("uncles", [keccak256(b"\xc0"), keccak256(b"uncles")])
def test_the_link_of_a_header_is_read_in_both_forms(root: bytes, size: int, coinbase: bytes, uncles: bytes) -> None:
    header = rlp.encode([keccak256(b"parent"), uncles, coinbase, keccak256(b"state"), root, b"\x01" * size])
    for stored in (header, short(header)):
        assert link_in(stored) == (keccak256(b"parent"), root == EMPTY_ROOT)


@pytest.mark.parametrize("size", [0, 1, 2, 30, 60, 90, 100])
def test_a_header_that_ends_early_has_no_link(size: int) -> None:
    with pytest.raises(rlp.RlpError):
        link_in(EMPTY_BLOCK[:size])
