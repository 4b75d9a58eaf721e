"""Questions by hashed keys cost what they answer, not what the state holds (S6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal
from zevm.storage.account import AccountChange, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.memory import MemoryStore

WIDE = b"\x77" * 20
FEW, MANY = 64, 4_096
NOWHERE = "0x" + "11" * 32


@dataclass
class Reads:
    """How many keys the store was asked for."""

    count: int = 0


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counted = Reads()
    get, iterate = MemoryStore.get, MemoryStore.iterate

    def counted_get(self: MemoryStore, key: bytes) -> bytes | None:
        counted.count += 1
        return get(self, key)

    def counted_iterate(self: MemoryStore, *args: Any, **named: Any) -> Iterator[tuple[bytes, bytes]]:
        for pair in iterate(self, *args, **named):
            counted.count += 1
            yield pair

    monkeypatch.setattr(MemoryStore, "get", counted_get)
    monkeypatch.setattr(MemoryStore, "iterate", counted_iterate)
    return counted


def widen(node: Node, first: int, count: int) -> None:
    """Give an account so many slots, and the state as many accounts."""
    change = AccountChange(1, 1, EMPTY_KECCAK)
    accounts = {keccak256(number.to_bytes(8, "big"))[:20]: change for number in range(first, first + count)}
    slots = {WIDE: {number + 1: 1 for number in range(first, first + count)}}
    diff = StateDiff(accounts={**accounts, WIDE: change}, storage=slots)
    node.chain.writer.run(node.chain.canonical.patch, diff)


async def reads_of(node: Node, reads: Reads, method: str, *params: Any) -> int:
    node.chain.database.state.forget_cached()
    before = reads.count
    result = await node.ask(method, *params)
    assert result.get("result") or result["error"]["message"] == "unknown preimage", result
    return reads.count - before


async def questions(node: Node, reads: Reads) -> dict[str, int]:
    number = int(await node.call("eth_blockNumber"), 16)
    start = "0x" + "80" + "00" * 31
    asked: dict[str, tuple[str, list[Any]]] = {
        "unknown preimage": ("debug_preimage", [NOWHERE]),
        "known preimage": ("debug_preimage", [hexadecimal(keccak256((FEW).to_bytes(32, "big")))]),
        "slots": ("debug_storageRangeAt", [hex(number), 1, hexadecimal(WIDE), start, 16]),
        "accounts": ("debug_accountRange", [hex(number), start, 16, True, True]),
    }
    return {name: await reads_of(node, reads, method, *params) for name, (method, params) in asked.items()}


@pytest.mark.lengthy
async def test_s6_lookups_by_hash_do_not_grow_with_the_state(node: Node, reads: Reads) -> None:
    widen(node, 0, FEW)
    await node.send(to=hexadecimal(BOB))
    small = await questions(node, reads)
    widen(node, FEW, MANY - FEW)
    await node.send(to=hexadecimal(BOB))
    large = await questions(node, reads)
    # a trie that is 64 times as wide is a step or two deeper
    assert all(large[name] < 3 * small[name] + 60 for name in small), (small, large)


async def test_s6_a_cursor_visits_every_slot_once_with_its_number(node: Node) -> None:
    widen(node, 0, FEW)
    await node.send(to=hexadecimal(BOB))
    found: list[str] = []
    following: str | None = "0x00"
    while following is not None:
        page = await node.call("debug_storageRangeAt", "latest", 1, hexadecimal(WIDE), following, 10)
        assert 0 < len(page["storage"]) <= 10
        found += [entry["key"] for entry in page["storage"].values()]
        following = page["nextKey"]
    assert len(found) == FEW
    assert {int(key, 16) for key in found} == set(range(1, FEW + 1))


@pytest.mark.lengthy
async def test_s6_modified_accounts_cost_the_difference_and_not_the_blocks_between(node: Node, reads: Reads) -> None:
    widen(node, 0, FEW)
    asked = "debug_getModifiedAccountsByNumber"
    await node.call("anvil_mine", 2)
    short = await reads_of(node, reads, asked, 0, 2)
    await node.call("anvil_mine", 500)
    await node.send(to=hexadecimal(BOB), value="0x1")
    long = await reads_of(node, reads, asked, 0, 503)
    assert long < 3 * short + 60, (short, long)
    found = await node.call(asked, 0, 503)
    assert {hexadecimal(ALICE), hexadecimal(BOB), hexadecimal(WIDE)} <= set(found)
    assert len(found) == len(set(found)) >= FEW + 3
