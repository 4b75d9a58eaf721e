"""A follower over QUIC, as `zevm run --follow` has it: keys pinned at the first connection, or an authority."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zevm
from testing.udp_relay import Faults, relayed
from tests.node.replication.conftest import caught_up, refusal_of
from tests.node.replication.test_following import pay
from zevm.node.client import CallFailedError
from zevm.node.errors import NodeError
from zevm.node.replication.follower import greeted
from zevm.node.replication.frames import Frames, RefusedError
from zevm.node.replication.messages import Hello
from zevm.rpc.limits import Limits
from zevm.storage.directory import PINS_NAME

pytest.importorskip("aioquic")
quic = pytest.importorskip("zevm.node.replication.quic")
Pins = quic.Pins


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zevm.Node]:
    with zevm.Node(tmp_path_factory.mktemp("leader"), quic_port=0) as node:
        yield node


def address_of(node: zevm.Node) -> str:
    host, port = node._opened().server.quic_addresses[0]
    return f"{host}:{port}"


def test_a_follower_pins_the_leaders_key(leader: zevm.Node, tmp_path: Path) -> None:
    address = address_of(leader)
    with zevm.Node(tmp_path / "follower", follow=address) as follower:
        pay(follower)
        caught_up(follower, leader)
        assert follower.request("eth_blockNumber") == leader.request("eth_blockNumber")
    pins = tmp_path / "follower" / PINS_NAME
    assert re.fullmatch(rf'\{{\s*"{address}": "[0-9a-f]{{64}}"\s*\}}\s*', pins.read_text())
    pins.write_text(re.sub(r"[0-9a-f]{64}", "ab" * 32, pins.read_text()))
    with zevm.Node(tmp_path / "follower", follow=address) as follower:
        refusal_of(follower, "has the key 0x[0-9a-f]{64}, and before it had 0x(ab){32}; if it was renewed, delete .*")


def test_a_file_of_keys_that_is_none_is_refused(tmp_path: Path) -> None:
    for content in ("[]", "{", '"0x"'):
        (tmp_path / PINS_NAME).write_text(content)
        with pytest.raises(RefusedError, match=r"cannot be read: .*; delete it to trust the leader again"):
            Pins(tmp_path).check("one:1", b"\x01" * 32)


def test_a_leader_is_known_by_its_authority(leader: zevm.Node, tmp_path: Path) -> None:
    authority = leader._settings.datadir / "quic-ca.pem"
    with zevm.Node(follow=address_of(leader), follow_ca=authority) as follower:
        caught_up(follower, leader)
    with zevm.Node(tmp_path / "other", quic_port=0), pytest.raises(NodeError, match="no leader answers"):
        zevm.Node(follow=address_of(leader), follow_ca=tmp_path / "other" / "quic-ca.pem").open()


def test_an_authority_that_is_none_is_told_by_its_setting(leader: zevm.Node, tmp_path: Path) -> None:
    """It is no fault of the leader's, whose port there is no reason to look at."""
    file = tmp_path / "ca.pem"
    with pytest.raises(NodeError, match=rf"cannot be followed: follow_ca {file}: cannot be read: No such file"):
        zevm.Node(follow=address_of(leader), follow_ca=file).open()
    file.write_text("no certificate")
    with pytest.raises(NodeError, match=rf"cannot be followed: follow_ca {file}: no certificate in PEM"):
        zevm.Node(follow=address_of(leader), follow_ca=file).open()


def test_followers_are_counted_for_their_address(tmp_path: Path) -> None:
    limit: dict[str, Any] = {"rpc_replica_followers_per_address": 1}
    with zevm.Node(tmp_path, quic_port=0, **limit) as leading, zevm.Node(follow=address_of(leading)) as follower:
        leading.request("evm_mine")
        caught_up(follower, leading)  # by a block, so that its own link is there
        with pytest.raises(NodeError, match=r"1 followers of 127\.0\.0\.1 are connected"):
            zevm.Node(follow=address_of(leading)).open()


async def test_a_follower_that_vanished_makes_room_for_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process tells nobody: the leader counts it until its link is idle (by default after 30 s)."""
    monkeypatch.setattr(quic, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(quic, "PING_SECONDS", 60.0)
    limit: dict[str, Any] = {"rpc_replica_followers_per_address": 1}
    with zevm.Node(tmp_path / "leader", quic_port=0, **limit) as leading:
        with zevm.Node(tmp_path / "follower", follow=address_of(leading)):
            pass
        async with quic.quic_dial(address_of(leading), None, None, allow_classical=False)() as link:
            await greeted(Frames(await link.open(), Limits()), Hello(None, "killed"))
            with zevm.Node(tmp_path / "follower", follow=address_of(leading)) as follower:
                refusal_of(follower, r"1 followers of 127\.0\.0\.1 are connected")
                pay(leading)
                await asyncio.to_thread(caught_up, follower, leading)


async def test_a_follower_comes_back_while_calls_wait_at_the_lost_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a connection fails the session and every call on it at the same moment."""
    monkeypatch.setattr(quic, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(quic, "PING_SECONDS", 0.2)
    faults = Faults()
    with zevm.Node(tmp_path / "leader", quic_port=0) as leading:
        host, _, port = address_of(leading).rpartition(":")
        async with relayed(host, int(port), faults, records=False) as relay:
            address = f"127.0.0.1:{relay.port}"
            follower = await asyncio.to_thread(zevm.Node(tmp_path / "follower", follow=address).open)
            try:
                pay(leading)
                await asyncio.to_thread(caught_up, follower, leading)
                faults.loss = 1.0
                calls = [asyncio.to_thread(pay, follower) for _ in range(2)]
                for failure in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(failure, CallFailedError)
                    assert "was cut before it answered" in str(failure)
                faults.loss = 0.0
                pay(leading)
                await asyncio.to_thread(caught_up, follower, leading)
            finally:
                await asyncio.to_thread(follower.close)
