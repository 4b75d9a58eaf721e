"""The share of a leader that the followers of one address have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import zevm
from tests.node.replication.links import stream_pair
from tests.node.replication.test_following import STRANGER
from zevm.node.replication.frames import Frames, RefusedError
from zevm.node.replication.identity import identity_of
from zevm.node.replication.leader import Leader
from zevm.node.replication.messages import Hello, Kind, Position, Want
from zevm.node.replication.shares import Allowance, Shares
from zevm.node.replication.source import Source
from zevm.rpc.limits import Limits
from zevm.rpc.memory.sources import source_of
from zevm.storage.primitives import Hash32

HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.mark.parametrize(
    ("host", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_one_machine_is_one_address(host: str, share: str) -> None:
    assert source_of(host) == share


def test_an_address_has_so_many_followers() -> None:
    """The limits replica_followers_per_address and replica_followers."""
    counted = Shares(Limits(replica_followers=3, replica_followers_per_address=2))
    with counted.session(HERE), counted.session(HERE):
        with pytest.raises(RefusedError, match=r"2 followers of 192\.0\.2\.1 .*--rpc-replica-followers-per-address"):
            counted.session(HERE).__enter__()
        with (
            counted.session(THERE),
            pytest.raises(RefusedError, match=r"3 followers are connected.*--rpc-replica-followers at"),
        ):
            counted.session(THERE).__enter__()
    with counted.session(HERE), counted.session(HERE), counted.session(THERE):
        pass


def test_an_address_has_so_many_calls() -> None:
    """The limits replica_calls_per_address and replica_calls."""
    counted = Shares(Limits(replica_calls=2, replica_calls_per_address=1))
    with counted.call(HERE):
        with pytest.raises(RefusedError, match=r"1 calls of followers of 192.*--rpc-replica-calls-per-address"):
            counted.call(HERE).__enter__()
        with counted.call(THERE), pytest.raises(RefusedError, match="2 calls of followers are running"):
            counted.call("192.0.2.3").__enter__()


@pytest.fixture(scope="module")
def changed() -> Iterator[zevm.Node]:
    """A chain with three states after its last block, each of which differs from the others."""
    with zevm.Node() as node:
        node.request("anvil_mine", "0x1")
        for balance in ("0x1", "0x2", "0x3"):
            node.request("anvil_setBalance", STRANGER, balance)
            node.request("anvil_setNonce", "0x" + "6b" * 20, balance)
        yield node


def want_of(node: zevm.Node) -> Want:
    header = node.chain.head.header
    return Want(Position(header.number, Hash32(header.hash), header.state_root), 0, 10)


def test_states_are_compared_once_for_all(changed: zevm.Node) -> None:
    """The limits replica_compared_entries and replica_difference_bytes."""
    source, first = Source(changed.chain, Limits()), Allowance(HERE, 1)
    batch = source.after(want_of(changed), first)
    assert len(batch.entries) == 1
    with pytest.raises(RefusedError, match=r"compared 2 entries of states for 192\.0\.2\.1, and 1 a minute"):
        first.check()
    assert source.after(want_of(changed), first) == batch
    forgetful = Source(changed.chain, Limits(replica_difference_bytes=1))
    other = Allowance(THERE, 1)
    assert forgetful.after(want_of(changed), other) == batch
    with pytest.raises(RefusedError, match="--rpc-replica-compared-entries"):
        forgetful.after(want_of(changed), other)


def test_an_allowance_is_new_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("zevm.node.replication.shares.time.monotonic", lambda: now)
    allowance = Allowance(HERE, 5)
    allowance.check()
    allowance.count(7)
    now += 45
    with pytest.raises(RefusedError, match="it goes on in 15 s"):
        allowance.check()
    now += 15
    allowance.check()


def test_a_new_session_does_not_renew_an_allowance() -> None:
    counted = Shares(Limits(replica_compared_entries=1))
    with counted.session(HERE) as allowance:
        allowance.check()
        allowance.count(1)
    with counted.session(HERE) as again, pytest.raises(RefusedError, match="compared 1 entries"):
        again.check()
    with counted.session(THERE) as other:
        other.check()


def test_a_leader_compares_no_more_than_an_address_may_have(changed: zevm.Node) -> None:
    """From the leader's side: the follower is told, and another address is served."""
    limits = Limits(replica_compared_entries=1, replica_difference_bytes=0)

    async def asked(leader: Leader, host: str) -> None:
        near, far = stream_pair()
        serving = asyncio.create_task(leader.serve(far, object(), host))
        frames = Frames(near, Limits())
        await frames.send(Kind.HELLO, Hello(None, "").encode())
        await frames.receive(Kind.WELCOME)
        await frames.send(Kind.WANT, want_of(changed).encode())
        try:
            await frames.receive(Kind.BATCH)
        finally:
            frames.close()
            await asyncio.wait([serving])

    async def answer(_: bytes) -> bytes:
        return b"{}"

    async def check() -> None:
        leader = Leader(changed.chain, limits, identity_of(changed.chain, ""), answer)
        await asked(leader, HERE)
        with pytest.raises(RefusedError, match="compared 2 entries of states for 192"):
            await asked(leader, HERE)
        await asked(leader, THERE)
        leader.close()

    asyncio.run(check())
