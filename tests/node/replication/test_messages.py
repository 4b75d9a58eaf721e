"""Messages of zvm-sync/1: what is encoded is decoded, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from zevm.chain.concurrency.recursion import deep_recursion
from zevm.chain.errors import GenesisError
from zevm.node.replication.frames import RefusedError
from zevm.node.replication.identity import decode_genesis
from zevm.node.replication.leader import _check_call
from zevm.node.replication.messages import (
    Batch,
    Entry,
    Hello,
    MessageError,
    Patch,
    Position,
    Want,
    Welcome,
    decode_hashes,
    decode_locate,
    decode_result,
    decode_text,
    encode_hashes,
    encode_locate,
    encode_result,
    encode_text,
)
from zevm.storage import rlp
from zevm.storage.account import AccountChange, StateDiff
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, Wei

HASH = Hash32(bytes(range(32)))
CODE = b"\x60\x00"
ONE, TWO = Address(b"\x01" * 20), Address(b"\x02" * 20)
PATCH = Patch(
    HASH,
    StateDiff(
        accounts={ONE: AccountChange(7, Wei(2**255), Hash32(keccak256(CODE))), TWO: None},
        storage={ONE: {0: 5, 2**256 - 1: 0}},
        code={keccak256(CODE): CODE},
    ),
)
WELCOME = Welcome(HASH, b"{}", {"code size limit": "none"}, "zEVM", 12, (b"\x01" * 16, b"\x02" * 16))
MESSAGES: dict[str, tuple[bytes, Callable[[bytes], object], object]] = {
    "hello": (Hello(HASH, "zEVM").encode(), Hello.decode, Hello(HASH, "zEVM")),
    "first hello": (Hello(None, "").encode(), Hello.decode, Hello(None, "")),
    "welcome": (WELCOME.encode(), Welcome.decode, WELCOME),
    "want": (
        Want(Position(3, HASH, HASH), 2, 256).encode(),
        Want.decode,
        Want(Position(3, HASH, HASH), 2, 256),
    ),
    "batch": (
        Batch(9, (Entry(b"\xc3\x01\x02\x03", b"\x05"), Entry(b"", b"\x06"))).encode(),
        lambda data: Batch.decode(data, 2),
        Batch(9, (Entry(b"\xc3\x01\x02\x03", b"\x05"), Entry(b"", b"\x06"))),
    ),
    "patch": (PATCH.encode(), Patch.decode, PATCH),
    "locate": (encode_locate([0, 5, 2**64 - 1]), decode_locate, [0, 5, 2**64 - 1]),
    "hashes": (encode_hashes([HASH, None]), lambda data: decode_hashes(data, 2), [HASH, b""]),
    "result": (encode_result(b"{}", 4, HASH), decode_result, (b"{}", 4, HASH)),
    "refusal": (encode_text("no"), decode_text, "no"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_what_it_was(name: str) -> None:
    data, decode, message = MESSAGES[name]
    assert decode(data) == message


def test_bytes_of_a_message_stay_the_same() -> None:
    """A follower of one version understands a leader of another."""
    assert Hello(None, "z").encode().hex() == "c301807a"
    assert Want(Position(1, HASH, HASH), 0, 2).encode().hex() == "f84501a0" + HASH.hex() + "a0" + HASH.hex() + "8002"
    assert encode_result(b"{}", 4, HASH).hex() == "e5827b7d04a0" + HASH.hex()
    assert Batch(1, (Entry(b"\xc0"),)).encode().hex() == "c70180c4c381c080"
    # of a leader from before lineages
    earlier = rlp.encode([b"\x01", HASH, b"{}", [[b"code size limit", b"none"]], b"zEVM", b"\x0c"])
    assert Welcome.decode(earlier) == replace(WELCOME, path=())


@pytest.mark.parametrize("name", MESSAGES)
def test_damaged_bytes_are_refused_or_another_message(name: str) -> None:
    data, decode, message = MESSAGES[name]
    random, refused = Random(name), 0
    for _ in range(2_000):
        damaged = bytearray(data)
        for _ in range(random.randrange(1, 4)):
            match random.randrange(3):
                case 0:
                    damaged[random.randrange(len(damaged))] = random.randrange(256)
                case 1:
                    del damaged[random.randrange(len(damaged)) :]
                case _:
                    damaged.insert(random.randrange(len(damaged) + 1), random.randrange(256))
            if not damaged:
                break
        try:
            found = decode(bytes(damaged))
        except MessageError:
            refused += 1
        else:
            assert type(found) is type(message)
    assert refused > 1_000


def test_lists_of_tiny_items_are_refused_at_the_first() -> None:
    """They would take many times their bytes of memory."""
    tiny = b"\xc0" * 4_000_000
    payload = b"\xf9" if len(tiny) < 65_536 else b"\xfa"
    items = payload + len(tiny).to_bytes(3, "big") + tiny
    whole = b"\x80\x80" + items
    batch = b"\xfa" + len(whole).to_bytes(3, "big") + whole
    with pytest.raises(MessageError, match="item 0 has 1 bytes"):
        Batch.decode(batch, 1 << 30)


DEEP = b"[" * 200_000
"""Deeper than a thread's stack: Python's own parser would end the process with it, as its recursion limit is raised."""


def test_json_of_the_other_side_is_bounded_in_depth() -> None:
    with deep_recursion:
        with pytest.raises(GenesisError, match="not JSON"):
            decode_genesis(DEEP)
        with pytest.raises(RefusedError, match="not JSON"):
            _check_call(b'{"method":"txpool_status","params":' + DEEP, False)
