"""Headers and receipts in the core against chain/types' encodings in Python."""

import random
from contextlib import closing
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tests.chain.chain_fixtures import open_chain, transfer
from tests.core.support import agree, needs_core, outcome
from zevm.chain.canonical.log_search import log_keys
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.options import ChainOptions
from zevm.chain.types import Header, Log, Receipt
from zevm.chain.types.header import _ATTRIBUTES, _LIMITS, _TRANSACTIONS_ROOT, _values_of
from zevm.chain.types.receipt import encode_receipts, logs_bloom, root_and_bloom
from zevm.chain.vm.engines.engine import Engine
from zevm.core import CORE, references
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32
from zevm.storage.rlp import RlpError, decode_list, encode_bytes, wrap_list
from zevm.storage.trie import ordered_root

pytestmark = needs_core

BITS = (0, 1, 7, 8, 63, 64, 65, 255, 256, 257)


def random_integer(rng: random.Random) -> int:
    return rng.getrandbits(rng.choice(BITS) or 1)


def random_log(rng: random.Random) -> Log:
    topics = tuple(rng.randbytes(32) for _ in range(rng.randrange(5)))
    return Log(Address(rng.randbytes(20)), topics, rng.randbytes(rng.choice((0, 1, 31, 32, 55, 56, 300))))


def random_receipt(rng: random.Random) -> Receipt:
    logs = tuple(random_log(rng) for _ in range(rng.choice((0, 0, 1, 5))))
    has_status, is_creation, is_blob = (rng.random() < 0.5 for _ in range(3))
    return Receipt(
        type=rng.choice((0, 1, 2, 3, 4, 0x7F)),
        status=rng.randrange(2) if has_status else None,
        cumulative_gas_used=rng.getrandbits(rng.choice((0, 7, 8, 40)) or 1),
        logs=logs,
        bloom=logs_bloom(logs),
        sender=Address(rng.randbytes(20)),
        gas_used=rng.getrandbits(30),
        effective_gas_price=rng.getrandbits(rng.choice((1, 34, 90, 256))),
        contract_address=Address(rng.randbytes(20)) if is_creation else None,
        blob_gas_used=rng.getrandbits(20) if is_blob else None,
        blob_gas_price=rng.getrandbits(5) if is_blob else None,
        post_state=None if has_status else rng.randbytes(32),
    )


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 127, 128, 300])
def test_random_receipts_have_the_same_root_bloom_and_stored_form(count: int) -> None:
    rng = random.Random(count)
    receipts = [random_receipt(rng) for _ in range(count)]
    for listed in (receipts, tuple(receipts)):
        agree("receipts_summary", listed)
        stored = agree("stored_receipts", listed)
    assert [Receipt.decode_stored(item) for item in decode_list(stored)] == receipts


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_random_transactions_have_the_same_list(count: int) -> None:
    rng = random.Random(count)
    sizes = (1, 54, 55, 56, 255, 256, 70_000 if count < 3 else 300)
    encoded = [bytes((rng.choice((0, 1, 2, 4, 0x7F, 0x80, 0xBF, 0xC0, 0xF8, 0xFF)),)) for _ in range(count)]
    encoded = [kind + rng.randbytes(rng.choice(sizes) - 1) for kind in encoded]
    for listed in (encoded, tuple(encoded), [*encoded, b""]):
        agree("body_transactions", listed)
    assert agree("body_transactions", [transfer(0).encoded, b"\2typed"]) == (
        wrap_list(transfer(0).to_body_rlp() + encode_bytes(b"\2typed"))
    )
    for unusual in ([3], ["text"], 3, [bytearray(b"\2a")]):
        agree("body_transactions", unusual)


def test_unusual_receipts_are_the_references() -> None:
    rng = random.Random(5)
    usual = random_receipt(rng)
    fields = {name: getattr(usual, name) for name in Receipt.__slots__}
    for change in (
        {"type": 300, "status": 1},
        {"bloom": b"short"},
        {"status": None, "post_state": None},
        {"gas_used": -1},
        {"sender": None},
        {"logs": None},
        {"effective_gas_price": 1 << 300},
    ):
        receipt = Receipt(**fields | change)
        agree("receipts_summary", [receipt])
        agree("stored_receipts", [receipt])
    agree("receipts_summary", 3)


def random_header(rng: random.Random) -> Header:
    def hash32() -> Hash32:
        return Hash32(rng.randbytes(32 if rng.random() < 0.95 else rng.randrange(40)))

    later = [random_integer(rng), hash32(), random_integer(rng), random_integer(rng), hash32(), hash32()]
    count = rng.randrange(7)
    base_fee, withdrawals, blob_gas, excess, beacon_root, requests = [
        value if index < count and rng.random() < 0.95 else None for index, value in enumerate(later)
    ]
    return Header(
        parent_hash=hash32(),
        state_root=hash32(),
        logs_bloom=rng.randbytes(256),
        difficulty=random_integer(rng),
        number=rng.getrandbits(64),
        gas_limit=rng.getrandbits(rng.choice((1, 63, 64, 65, 90))),
        gas_used=rng.getrandbits(32),
        timestamp=rng.getrandbits(32),
        extra_data=rng.randbytes(rng.randrange(40)),
        nonce=rng.randbytes(8),
        base_fee_per_gas=base_fee,  # type: ignore[arg-type]
        withdrawals_root=withdrawals,  # type: ignore[arg-type]
        blob_gas_used=blob_gas,  # type: ignore[arg-type]
        excess_blob_gas=excess,  # type: ignore[arg-type]
        parent_beacon_block_root=beacon_root,  # type: ignore[arg-type]
        requests_hash=requests,  # type: ignore[arg-type]
    )


def test_random_headers_have_the_same_bytes_and_bounds() -> None:
    rng = random.Random(7)
    judged = set()
    for _ in range(2_000):
        header = random_header(rng)
        agree("fields_rlp", _values_of(header))
        fits = agree("fields_fit", _values_of(header), _LIMITS)
        refused = outcome(header.check_range)
        assert fits == (refused is None)
        judged.add(refused if refused is None else refused[0])
        if fits and None not in _values_of(header):
            assert Header.decode(header.encode()) == header
    assert judged == {None, RlpError}


def test_unusual_fields_are_the_references() -> None:
    for values in ((), (None, None), (None, 1, None), [b"a", -1], ("text",), (1 << 256, 1 << 300, True), 3):
        agree("fields_rlp", values)
    deep: object = ()
    for _ in range(6):
        deep = (deep, b"a")
        agree("fields_rlp", (deep, None))
    for nested in (((),), ((1, None),), ((1, -1),), ([b"a"],), ((b"\1" * 56, (b"a" * 60,) * 40), 7)):
        agree("fields_rlp", nested)
    pairs = (((), ()), ((1,), ()), ((-5,), (-3,)), ((-9,), (-3,)), ((b"ab",), (-8,)), ((1 << 300,), (0,)))
    for fields, sizes in (*pairs, ((5,), (-1 << 63,))):
        agree("fields_fit", fields, sizes)


def sealing(header: Header, transactions: Any, receipts: Any, root: bytes | None = None) -> tuple[Any, ...]:
    """The arguments of `sealed_header`."""
    values = [*_values_of(header)]
    values[_TRANSACTIONS_ROOT] = root
    return Header, _ATTRIBUTES, _LIMITS, values, transactions, receipts


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_random_blocks_are_sealed_with_the_same_header(count: int) -> None:
    rng = random.Random(count)
    receipts = [random_receipt(rng) for _ in range(count)]
    encoded = [rng.randbytes(rng.choice((1, 60, 200))) for _ in range(count)]
    judged = set()
    for root in (None, None, *[rng.randbytes(32) for _ in range(60 if count < 3 else 4)]):
        arguments = sealing(random_header(rng), encoded, receipts, root)
        found = agree("sealed_header", *arguments)
        judged.add(found[0] if isinstance(found[0], type) else Header)
        if found[0] is RlpError:
            continue
        header, data = found
        again, _ = references["sealed_header"](*arguments)
        assert type(header) is Header
        assert header._hash == again._hash == keccak256(data)
        assert (header.hash, header.encode(), hash(header)) == (again.hash, data, hash(again))
        assert header.transactions_root == (ordered_root(encoded) if root is None else root)
        with pytest.raises(FrozenInstanceError):
            header.number = 1  # type: ignore[misc]
    assert judged == {Header, RlpError} or count == 300


def test_unusual_sealings_are_the_references() -> None:
    rng = random.Random(6)
    usual = sealing(transfer_header(), [b"\2a"], [random_receipt(rng)])
    assert agree("sealed_header", *usual)[0].number == 1
    for place, unusual in ((3, ()), (3, usual[3][:14]), (3, 5), (4, ["text"]), (4, 7), (5, [None]), (5, 3)):
        arguments = [*usual]
        arguments[place] = unusual
        agree("sealed_header", *arguments)


def transfer_header() -> Header:
    """A header whose fields all have their sizes."""
    return Header(parent_hash=Hash32(bytes(32)), number=1)


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_random_blocks_have_the_same_operations(count: int) -> None:
    rng = random.Random(count)
    receipts = [random_receipt(rng) for _ in range(count)]
    hashes, encoded = [rng.randbytes(32) for _ in range(count)], [b"\2" + rng.randbytes(80) for _ in range(count)]
    for rest in (b"\xc0", b"\xc0\xc0", rng.randbytes(3_000)):
        for number in (0, 1, rng.getrandbits(63)):
            arguments = (number, rng.randbytes(32), hashes, rng.randbytes(600), encoded, rest, receipts)
            found = agree("block_operations", *arguments)
            keys = [key for key, _ in found]
            assert len(keys) == len(set(keys))
            assert len(keys) == 6 + count + len(log_keys(receipts))
            assert agree("block_operations", *arguments[:2], tuple(hashes), *arguments[3:6], tuple(receipts)) == found
    unusual = (
        (0, -1),
        (0, 1 << 64),
        (0, "1"),
        (1, "text"),
        (2, [3]),
        (3, None),
        (4, [None]),
        (5, []),
        (6, [5]),
        (6, 5),
    )
    for place, value in unusual:
        changed: list[Any] = [*arguments]
        changed[place] = value
        agree("block_operations", *changed)


def test_the_functions_in_use_are_the_cores() -> None:
    assert encode_receipts is not references["stored_receipts"]
    assert root_and_bloom is not references["receipts_summary"]


PLANTED = {
    "ended_block": lambda found: (*found[:7], found[7][:-1]),
    "head_operations": lambda found: found[:-1],
    "memory_changes": lambda found: (*found[:2], found[2][:-1], found[3]),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_check_mode_makes_no_block_where_a_function_differs_from_its_reference(name: str) -> None:
    assert CORE.library is not None
    reference = references[name]
    with closing(open_chain(options=ChainOptions(engine=Engine.CHECK))) as chain:
        chain.writer.run(chain.send_transaction, transfer(0))
        before, following = chain.head, transfer(1)
        # it has its bytes, so that the block's are the first that differ
        assert following.encoded
        CORE.library.bind(name, lambda *arguments: PLANTED[name](reference(*arguments)), None)
        try:
            with pytest.raises(EngineDifferenceError, match=f"the core and Python do not agree on {name}"):
                chain.writer.run(chain.send_transaction, following)
            assert chain.head == before
        finally:
            CORE.library.bind(name, reference, None)
        chain.writer.run(chain.mine)
        assert [len(record.transactions) for record in map(chain.block_by_number, (1, 2)) if record] == [1, 1]
    assert CORE.library.check(None) is None
