"""A leader that lies gets nowhere: each lie ends in a refusal with its reason, and the chain stays as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import zevm
from tests.node.replication.conftest import Open, Pair, caught_up, refusal_of, replication_of
from tests.node.replication.links import Door, TcpStream
from tests.node.replication.test_following import STRANGER, pay
from zevm.chain.types import Block
from zevm.node.replication.frames import Frames
from zevm.node.replication.messages import (
    UNKNOWN_BLOCK,
    UNKNOWN_STATE,
    Batch,
    Entry,
    Hello,
    Kind,
    Patch,
    Want,
    decode_locate,
    encode_hashes,
)
from zevm.node.replication.shares import Allowance
from zevm.node.replication.source import Source
from zevm.node.replication.stream import Stream
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.following import may_be_forwarded
from zevm.rpc.registry import REGISTRY
from zevm.storage.account import AccountChange, StateDiff
from zevm.storage.primitives import Address, Hash32, Wei

Lie = Callable[[Batch], Batch]


def first_block(batch: Batch, change: Callable[[Block], Block]) -> Batch:
    block = change(Block.decode(batch.entries[0].block))
    return replace(batch, entries=(Entry(block.encode()), *batch.entries[1:]))


def with_header(**changes: object) -> Lie:
    return lambda batch: first_block(batch, lambda block: replace(block, header=block.header.with_changes(**changes)))


def forged(block: Block) -> Block:
    """The block with a transaction that its sender has not signed, as far as the roots tell."""
    transaction = replace(block.transactions[0], value=10**18)
    return replace(block, transactions=(transaction,))


def unsigned(block: Block) -> Block:
    sender = Address(bytes.fromhex(STRANGER[2:]))
    return replace(block, transactions=(block.transactions[0].impersonating(sender),))


def patched(diff: StateDiff, root: bytes) -> Lie:
    return lambda batch: replace(batch, entries=(Entry(b"", Patch(root, diff).encode()),))


RICH = {Address(bytes.fromhex(STRANGER[2:])): AccountChange(0, Wei(10**30), Hash32(b"\xc5" * 32))}
LIES: dict[str, tuple[Lie, str]] = {
    "state root": (with_header(state_root=bytes(32)), "state root is"),
    "receipts root": (with_header(receipts_root=bytes(32)), "receipts root is"),
    "gas used": (with_header(gas_used=1), "gas used is"),
    "number": (with_header(number=7), "number is 7"),
    "parent": (with_header(parent_hash=b"\x01" * 32), "parent hash is"),
    "time": (with_header(timestamp=1), "before its parent"),
    "forged transaction": (lambda batch: first_block(batch, forged), "transactions root is"),
    "unsigned transaction": (lambda batch: first_block(batch, unsigned), "transactions root is"),
    "no block": (lambda batch: replace(batch, entries=(Entry(b"\xc3\x01\x02\x03"),)), "block without a header|rlp"),
    "no patch": (lambda batch: replace(batch, entries=(Entry(b"", b"\xc0"),)), "items, want"),
    "patch to another root": (patched(StateDiff(accounts={}), b"\x09" * 32), "leads to"),
    "patch without its code": (patched(StateDiff(accounts=dict(RICH)), b"\x09" * 32), "does not come with its change"),
    "too many entries": (lambda batch: replace(batch, entries=batch.entries * 300), "one too many"),
    "unknown for ever": (lambda batch: Batch(batch.head, unknown=UNKNOWN_BLOCK), "does not know the blocks"),
    "state unknown": (lambda batch: Batch(batch.head, unknown=UNKNOWN_STATE), "but not the state after it"),
}


class Liar:
    """Answers as the leader of a chain would, but for its lie."""

    def __init__(self, node: zevm.Node, lie: Lie) -> None:
        replication = replication_of(node)
        replication.lead(node._opened().server.dispatcher.answer)
        leader = replication.leader
        assert leader is not None
        self._welcome = leader._welcome
        self._source = Source(node.chain, Limits())
        self._lie = lie

    async def serve(self, stream: Stream) -> None:
        frames = Frames(stream, Limits())
        _, content = await frames.receive(Kind.HELLO)
        await frames.send(Kind.WELCOME, self._welcome(Hello.decode(content)).encode())
        while True:
            kind, content = await frames.receive(Kind.WANT, Kind.LOCATE)
            if kind is Kind.LOCATE:
                await frames.send(Kind.HASHES, encode_hashes(self._source.hashes(decode_locate(content))))
                continue
            batch = self._source.after(Want.decode(content), Allowance("", 1_000))
            await frames.send(Kind.BATCH, (self._lie(batch) if batch.entries else batch).encode())


@pytest.fixture(scope="module")
def honest() -> Iterator[zevm.Node]:
    """A chain with one block to lie about."""
    with zevm.Node() as node:
        pay(node)
        yield node


def serve(node: zevm.Node, handler: Callable[[Stream], object]) -> Door:
    async def begin() -> Door:
        door = Door(handler)  # type: ignore[arg-type]
        await door.open()
        return door

    return node._door().run(begin()).result()


def shut(node: zevm.Node, door: Door) -> None:
    node._door().run(door.shut()).result()


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(name: str, honest: zevm.Node, opened: Open) -> None:
    lie, words = LIES[name]

    async def liar() -> Liar:
        return Liar(honest, lie)

    door = serve(honest, honest._door().run(liar()).result().serve)
    follower = opened(follow=f"127.0.0.1:{door.port}")
    refusal_of(follower, words)
    assert follower.chain.head.number == 0
    assert follower.request("eth_getBalance", STRANGER, "latest") == "0x0"
    assert follower.request("eth_syncing") == {"startingBlock": "0x0", "currentBlock": "0x0", "highestBlock": "0x1"}
    shut(honest, door)


async def _endless(stream: TcpStream) -> None:
    await stream.write((15 * 1024 * 1024).to_bytes(4, "big") + bytes((Kind.WELCOME,)))
    while True:
        await stream.write(bytes(64 * 1024))


FRAMES: dict[str, tuple[bytes, str]] = {
    "oversize": ((1 << 31).to_bytes(4, "big") + bytes((Kind.WELCOME,)), "--rpc-replica-message-bytes"),
    "oversize control": ((1 << 20).to_bytes(4, "big") + bytes((Kind.HASHES,)), "at most 16384"),
    "empty": (bytes(4) + bytes((Kind.WELCOME,)), "has -1 bytes"),
    "unknown kind": (b"\0\0\0\2\x63\xc0", "no message has the kind 99"),
    "unasked": (b"\0\0\0\2" + bytes((Kind.BATCH,)) + b"\xc0", "came unasked"),
    "no list": (b"\0\0\0\2" + bytes((Kind.WELCOME,)) + b"\x80", "expected input list"),
    "nothing in it": (b"\0\0\0\2" + bytes((Kind.WELCOME,)) + b"\xc0", "0 items"),
    "refusal": (b"\0\0\0\4" + bytes((Kind.REFUSAL,)) + b"\xc2\x81\xff", "rlp|UTF-8"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_no_message_is_refused(name: str, honest: zevm.Node, opened: Open) -> None:
    data, words = FRAMES[name]

    async def answer(stream: TcpStream) -> None:
        await stream.read(1)
        await stream.write(data)
        await stream.read(1 << 16)
        await stream.read(1 << 16)

    door = serve(honest, answer)
    follower = opened(follow=f"127.0.0.1:{door.port}", genesis=honest.chain.genesis.to_json())
    refusal_of(follower, words)
    shut(honest, door)


@pytest.mark.parametrize("is_endless", [True, False], ids=["endless", "silent"])
def test_an_endless_and_a_silent_leader_hold_nobody_up(is_endless: bool, honest: zevm.Node, opened: Open) -> None:
    async def silent(stream: TcpStream) -> None:
        await stream.write(b"\0\0\0")
        await asyncio.Event().wait()

    door = serve(honest, _endless if is_endless else silent)
    follower = opened(
        follow=f"127.0.0.1:{door.port}",
        genesis=honest.chain.genesis.to_json(),
        rpc_replica_message_seconds=0.2,
        rpc_replica_message_bytes=1024 * 1024 if is_endless else 16 * 1024 * 1024,
    )
    if is_endless:
        refusal_of(follower, "at most 1048576 are taken")
    assert follower.request("eth_blockNumber") == "0x0"
    shut(honest, door)


def test_a_leader_that_tells_the_truth_again_is_followed(honest: zevm.Node, opened: Open) -> None:
    lies: list[Lie] = [with_header(state_root=bytes(32))]

    def lie(batch: Batch) -> Batch:
        return lies.pop()(batch) if lies else batch

    async def liar() -> Liar:
        return Liar(honest, lie)

    door = serve(honest, honest._door().run(liar()).result().serve)
    follower = opened(follow=f"127.0.0.1:{door.port}")
    caught_up(follower, honest)
    following = replication_of(follower).follower
    assert following is not None
    assert not lies, "the lie was never told"
    shut(honest, door)


async def refusal_of_call(address: str, method: str) -> str:
    """What a leader says to a call of a follower: its refusal, or the answer's JSON."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    frames = Frames(TcpStream(reader, writer), Limits())
    await frames.send(Kind.CALL, b'{"jsonrpc":"2.0","id":1,"method":"%b","params":[]}' % method.encode())
    _, content = await frames.receive(Kind.REFUSAL, Kind.RESULT)
    writer.close()
    return content.decode(errors="replace")


def test_transactions_of_other_methods_are_not_forwarded(leading: Pair) -> None:
    """A follower that is not ours may ask for any call: the leader takes only those that followers forward."""
    address = leading.lead()
    for method in ("anvil_setBalance", "engine_newPayloadV1", "eth_chainId", "nothing"):
        assert f"forward no calls of '{method}'" in asyncio.run(refusal_of_call(address, method))


def test_a_leader_that_needs_signatures_spends_for_no_follower(opened: Open) -> None:
    """Calls of followers are not signed: such a leader takes only what its own signature or nobody pays for."""
    leader = Pair(opened(quic_require_auth=True))
    address = leader.lead()
    forwarded = [name for name in REGISTRY.by_name if may_be_forwarded(name)]
    free = {name for name in forwarded if "RawTransaction" in name or name.startswith("txpool_")}
    free |= {"eth_getTransactionCount", "eth_pendingTransactions"}
    assert "eth_sendTransaction" in set(forwarded) - free
    for name in forwarded:
        told = asyncio.run(refusal_of_call(address, name))
        assert ("runs with --quic-require-auth" in told) == (name not in free), (name, told)
    leader.shut()
