"""Faults of leader, follower and link: the follower ends in the right state, or refuses in clear words."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging.handlers import QueueHandler
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

import zevm
from tests.node.replication.conftest import WAIT_SECONDS, Open, Pair, caught_up, refusal_of, replication_of, same
from tests.node.replication.test_following import BOB, STRANGER, pay
from zevm.chain.rules.genesis import load_default_genesis
from zevm.node.client import CallFailedError
from zevm.node.errors import NodeError
from zevm.node.replication.bootstrap import with_leaders_genesis
from zevm.node.replication.replica import LeaderRefusedError, Replica
from zevm.node.replication.stream import Link, Stream
from zevm.node.settings import Settings
from zevm.rpc.errors import ServerError
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Hash32

GENESIS = load_default_genesis().with_changes(timestamp=1).to_json()


def private_genesis() -> dict[str, Any]:
    """The default genesis as a private chain would have it: not for development."""
    content: dict[str, Any] = {**GENESIS, "config": {**GENESIS["config"]}}  # type: ignore[dict-item]
    zevm_part = dict(content["config"].get("zevm", {}))
    content["config"] = {name: value for name, value in content["config"].items() if name != "development"} | (
        {"zevm": zevm_part} if zevm_part else {}
    )
    return content


def test_a_leader_that_restarts_is_followed_again(tmp_path: Path, opened: Open) -> None:
    first = Pair(zevm.Node(tmp_path).open())
    address = first.lead()
    pay(first.node)
    follower = opened(follow=address)
    caught_up(follower, first.node)
    first.shut()
    first.node.close()
    assert follower.request("eth_getBalance", BOB, "latest") != "0x0"
    with pytest.raises(CallFailedError, match=f"the leader {address} is not connected"):
        pay(follower)
    second = Pair(opened(datadir=tmp_path))
    second.lead(int(address.rpartition(":")[2]))
    sent = pay(second.node)
    caught_up(follower, second.node)
    assert follower.request("eth_getTransactionReceipt", sent)["blockNumber"] == "0x2"
    second.shut()


def test_a_follower_goes_on_where_its_disk_is(tmp_path: Path, leading: Pair, opened: Open) -> None:
    address = leading.lead()
    leading.node.request("anvil_mine", "0x28")
    with zevm.Node(tmp_path, follow=address) as follower:
        caught_up(follower, leading.node)
    leading.node.request("anvil_mine", "0x5")
    again = opened(datadir=tmp_path, follow=address)
    assert again.chain.head.number >= 40
    caught_up(again, leading.node)
    assert again.request("eth_blockNumber") == hex(45)


def test_a_cut_link_is_made_again(leading: Pair, opened: Open) -> None:
    follower = opened(follow=leading.lead())
    links = set()
    for _ in range(3):
        sent = pay(leading.node)
        caught_up(follower, leading.node)
        assert follower.request("eth_getTransactionReceipt", sent)["status"] == "0x1"
        following = replication_of(follower).follower
        assert following is not None
        links.add(following._link)
        leading.cut()
    pay(leading.node)
    caught_up(follower, leading.node)
    assert len(links - {None}) > 1


def test_a_follower_from_before_a_revert_takes_back_as_much(tmp_path: Path, leading: Pair, opened: Open) -> None:
    address = leading.lead()
    leading.node.request("anvil_mine", "0x3")
    snapshot = leading.node.request("evm_snapshot")
    leading.node.request("anvil_mine", "0xc8")
    with zevm.Node(tmp_path, follow=address) as follower:
        caught_up(follower, leading.node)
    leading.node.request("evm_revert", snapshot)
    leading.node.request("anvil_mine", "0x96")
    leading.node.request("anvil_setBalance", STRANGER, "0x7")
    again = opened(datadir=tmp_path, follow=address)
    caught_up(again, leading.node)
    assert again.request("eth_blockNumber") == hex(3 + 150)
    assert again.request("eth_getBalance", STRANGER, "latest") == "0x7"


def test_a_leader_that_dies_amid_the_search_for_the_last_common_block_is_left_soon(
    leading: Pair, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence tells of its end there as at every other question, and not the longest time of a message."""
    follower = opened(follow=leading.lead(), rpc_replica_heartbeat_seconds=0.1)
    leading.node.request("anvil_mine", "0x3")
    snapshot = leading.node.request("evm_snapshot")
    leading.node.request("anvil_mine", "0x3")
    caught_up(follower, leading.node)
    leader, alive = replication_of(leading.node).leader, threading.Event()
    assert leader is not None
    answer, asked = leader._source.hashes, 0

    def fall_silent_once(heights: list[int]) -> list[Hash32 | None]:
        nonlocal asked
        asked += 1
        if asked == 1:
            alive.wait()
        return answer(heights)

    monkeypatch.setattr(leader._source, "hashes", fall_silent_once)
    leading.node.request("evm_revert", snapshot)
    try:
        caught_up(follower, leading.node)
    finally:
        alive.set()
    assert asked > 1


def test_another_genesis_is_refused(leading: Pair, opened: Open) -> None:
    follower = opened(follow=leading.lead(), genesis=GENESIS)
    hashes = [keccak256(node.chain.genesis.encode()).hex() for node in (leading.node, follower)]
    refusal_of(follower, r"another one .*the hashes 0x{} and 0x{}\): give the follower a new --datadir".format(*hashes))
    assert follower.chain.head.number == 0
    assert follower.request("eth_blockNumber") == "0x0"


def test_a_setting_against_the_leaders_genesis_is_refused_at_the_start(leading: Pair, opened: Open) -> None:
    address = leading.lead()
    with pytest.raises(NodeError, match=f"is not that of {address}"):
        opened(follow=address, chain_id=5)


def test_a_follower_killed_at_its_first_start_takes_the_genesis_at_the_next(
    tmp_path: Path, leading: Pair, opened: Open
) -> None:
    """Its data directory is there then, without a chain."""
    Database.open(tmp_path).close()
    follower = opened(datadir=tmp_path, follow=leading.lead())
    caught_up(follower, leading.node)
    assert follower.chain.genesis == leading.node.chain.genesis


class Silent:
    """A link whose other side says nothing."""

    async def open(self) -> Stream:
        raise TimeoutError


@asynccontextmanager
async def silent_dial() -> AsyncIterator[Link]:
    yield Silent()


def test_silence_is_told_although_its_error_has_no_text(leading: Pair, opened: Open) -> None:
    node = opened(follow=leading.lead())
    caught_up(node, leading.node)
    follower = replication_of(node).follower
    assert follower is not None
    follower._link = Silent()
    with pytest.raises(ServerError, match=r"answered eth_call \(no answer in time\); "):
        node._door().run(follower.call("eth_call", [])).result()
    lines: Queue[logging.LogRecord] = Queue()
    listening, logger = QueueHandler(lines), logging.getLogger("zevm.node.replication")
    logger.addHandler(listening)
    try:
        follower._dial = silent_dial
        leading.cut()
        while not lines.get(timeout=WAIT_SECONDS).getMessage().endswith(" is down: no answer in time"):
            pass
    finally:
        logger.removeHandler(listening)
    with pytest.raises(NodeError, match="no leader answers at one:1: no answer in time; "):
        with_leaders_genesis(Settings(follow="one:1"), silent_dial, "client")


def test_no_leader_at_a_first_start_is_told(opened: Open) -> None:
    with pytest.raises(NodeError, match=r"no leader answers at 127\.0\.0\.1:1"):
        opened(follow="127.0.0.1:1")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"enable_tx_gas_limit": True}, "transaction gas cap is off, this node's on.*--disable-tx-gas-limit"),
        ({"code_size_limit": 100}, "code size limit is the fork's, this node's 100.*no --code-size-limit"),
        ({"disable_code_size_limit": True}, "code size limit is the fork's, this node's none"),
    ],
)
def test_other_rules_are_refused_with_the_flag_to_set(
    setting: dict[str, Any], words: str, leading: Pair, opened: Open
) -> None:
    pay(leading.node)
    follower = opened(follow=leading.lead(), **setting)
    refusal_of(follower, words)
    assert follower.chain.head.number == 0, "it has taken no block"


def test_a_chain_that_is_not_for_development_takes_only_what_blocks_do(
    opened: Open,
) -> None:
    leading = Pair(opened(genesis=private_genesis()))
    assert not leading.node.chain.is_for_development
    address = leading.lead()
    pay(leading.node)
    careful, open_minded = opened(follow=address), opened(follow=address, follow_development=True)
    for follower in (careful, open_minded):
        caught_up(follower, leading.node)
    leading.node.request("anvil_setBalance", STRANGER, "0x1")
    caught_up(open_minded, leading.node)
    refusal_of(careful, "--follow-development")
    leading.shut()


def test_a_chain_of_a_state_file_is_refused(opened: Open, leading: Pair) -> None:
    other = opened()
    pay(other)
    state = other.request("anvil_dumpState", True)
    leading.node.request("anvil_loadState", state)
    follower = opened(follow=leading.lead(), genesis=leading.node.chain.genesis.to_json())
    refusal_of(follower, "came from a state file")
    assert (leading.node.chain.head.number, follower.chain.head.number) == (1, 0)


def test_what_cannot_be_taken_back_is_refused(opened: Open) -> None:
    """Blocks of a state file have no states before them."""
    other, node = opened(), opened()
    pay(other)
    node.request("anvil_loadState", other.request("anvil_dumpState", True))
    replica = Replica(node.chain, takes_development=True)
    with pytest.raises(LeaderRefusedError, match="state"):
        node.chain.writer.submit(replica.go_back, 0).result()


def test_followers_are_counted_and_limited(opened: Open) -> None:
    """The limit replica_followers."""
    leading = Pair(opened(rpc_replica_followers=1))
    address = leading.lead()
    first = opened(follow=address)
    caught_up(first, leading.node)
    pay(first)
    leader = replication_of(leading.node).leader
    assert leader is not None
    assert leader.followers == [0] or leader.followers == [1]
    second = opened(follow=address, genesis=leading.node.chain.genesis.to_json())
    refusal_of(second, "--rpc-replica-followers")
    assert same(first, leading.node)
    leading.shut()
