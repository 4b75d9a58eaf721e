"""Payloads and fork choice: what is valid, what is refused and how, side chains, reorganisations, checkpoints."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, CAROL, GWEI, MANUAL, STORE_AND_LOG, creation, open_chain, transfer
from tests.chain.engine.engine_fixtures import EXTERNAL_CONSENSUS, START, ZERO, Consensus, engine_chain, genesis_at
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical import pruning
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.canonical.marks import Checkpoints
from zevm.chain.engine import errors
from zevm.chain.engine.driver import PayloadStatus, Status
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.errors import ExternalConsensusError, TransactionError, UnknownBlockError
from zevm.chain.events import Event, HeadChanged, PayloadExecuted
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Block, Transaction, TransactionType
from zevm.chain.types.block_reference import BlockReference, BlockTag
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.executor import requests_hash
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.store import Batch

SAFE, FINALIZED = BlockReference(tag=BlockTag.SAFE), BlockReference(tag=BlockTag.FINALIZED)


@pytest.fixture
def consensus() -> Iterator[Consensus]:
    with engine_chain() as consensus:
        yield consensus


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def rehashed(block: Block, **changes: object) -> Block:
    """The block with another header, whose hash is right again."""
    return replace(block, header=block.header.with_changes(**changes))


def balance(consensus: Consensus, address: bytes) -> int:
    account = consensus.chain.head.state.account(address)
    return 0 if account is None else account.balance


# New payloads.


def test_a_payload_on_a_pruned_state_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIMUM_KEPT_BLOCKS", "LAG_BLOCKS"):
        monkeypatch.setattr(pruning, name, 1)
    options = replace(EXTERNAL_CONSENSUS, kept_blocks=4)
    chain = open_chain(genesis=genesis_at(Fork.BPO2), options=options)
    consensus = Consensus(chain)
    old = consensus.build(salt=7)
    assert old.number == 1
    blocks = consensus.extend(10)
    assert chain.first_kept == 7
    assert consensus.new_payload(old) == PayloadStatus(Status.SYNCING)
    assert consensus.new_payload(blocks[0]) == PayloadStatus(Status.VALID, blocks[0].hash)
    assert list(deep_problems(chain.canonical)) == []
    chain.close()


def test_a_payload_is_kept_and_moves_nothing(consensus: Consensus) -> None:
    consensus.send(transfer(0))
    block = consensus.build()
    assert len(block.transactions) == 1
    assert consensus.new_payload(block) == PayloadStatus(Status.VALID, block.hash)
    assert consensus.chain.head.number == 0
    assert consensus.chain.pool.executable_count == 1
    assert consensus.chain.block_by_hash(block.hash) == block
    assert consensus.chain.block_by_number(1) is None
    assert consensus.chain.find_transaction(block.transactions[0].hash) is None
    assert consensus.new_payload(block) == PayloadStatus(Status.VALID, block.hash)
    assert consensus.forkchoice(block.hash).status == PayloadStatus(Status.VALID, block.hash)
    assert consensus.chain.head.number == 1
    assert consensus.chain.pool.executable_count == 0
    assert consensus.chain.find_transaction(block.transactions[0].hash) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state_root": b"\x01" * 32}, "state root is 0x0101"),
        ({"receipts_root": b"\x01" * 32}, "receipts root"),
        ({"gas_used": 1}, "gas used"),
        ({"timestamp": START - 1}, "is not after its parent's"),
        ({"gas_limit": 40_000_000}, "invalid gas limit: have 40000000, want 60000000 +-= 58592"),
        ({"gas_limit": 60_058_593}, "invalid gas limit: have 60058593"),
        ({"base_fee_per_gas": 7}, "base fee per gas is 7"),
        ({"excess_blob_gas": 131_072}, "excess blob gas"),
        ({"number": 7}, "number is 7, want 1"),
        ({"requests_hash": b"\x01" * 32}, "requests hash"),
    ],
)
def test_a_false_header_is_invalid_upon_its_valid_parent(
    consensus: Consensus, changes: dict[str, object], words: str
) -> None:
    block, genesis = rehashed(consensus.build(), **changes), consensus.head
    call = consensus.call(block)
    if "requests_hash" in changes:
        call = replace(call, requests=(b"\x00" + b"\x05" * 192,))
        block = rehashed(block, requests_hash=requests_hash(call.requests or ()))
        call = replace(call, payload=replace(call.payload, block_hash=block.hash))
    status = consensus.run(consensus.engine.new_payload, call)
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, genesis)
    assert words in status.error
    assert consensus.chain.block_by_hash(block.hash) is None
    refused = consensus.forkchoice(block.hash)
    assert (refused.status.status, refused.status.latest_valid_hash) == (Status.INVALID, genesis)
    assert consensus.chain.head.number == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_hash": b"\x05" * 32}, "blockhash mismatch, want 0505"),
        ({"fee_recipient": b"\x05" * 20}, "blockhash mismatch"),
        ({"transactions": (b"",)}, "invalid transaction 0: typed transaction too short"),
        ({"transactions": (b"\x09\x01",)}, "invalid transaction 0: transaction type not supported"),
        ({"extra_data": bytes(33)}, "invalid extradata length: 33"),
        ({"logs_bloom": bytes(255)}, "invalid logsBloom length: 255"),
    ],
)
def test_what_is_no_block_has_no_valid_ancestor(consensus: Consensus, changes: dict[str, object], words: str) -> None:
    status = consensus.run(consensus.engine.new_payload, consensus.call(consensus.build(), **changes))
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, None)
    assert words in status.error


def test_an_unsigned_transaction_is_refused_everywhere(consensus: Consensus) -> None:
    unsigned = Transaction(
        type=TransactionType.DYNAMIC_FEE, chain_id=31337, max_fee_per_gas=10 * GWEI, gas_limit=21_000, to=BOB
    ).impersonating(ALICE)
    call = consensus.call(consensus.build(), transactions=(unsigned.encoded,))
    assert "invalid transaction 0: invalid" in consensus.run(consensus.engine.new_payload, call).error
    with pytest.raises(TransactionError, match="invalid sender"):
        consensus.send(unsigned)


def test_versioned_hashes_must_be_those_of_the_transactions(consensus: Consensus) -> None:
    call = replace(consensus.call(consensus.build()), versioned_hashes=(b"\x01" * 32,))
    status = consensus.run(consensus.engine.new_payload, call)
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, None)
    assert "invalid number of versionedHashes" in status.error


def test_version_one_has_a_status_of_its_own_for_a_wrong_hash() -> None:
    with engine_chain(fork=Fork.PARIS) as consensus:
        call = consensus.call(consensus.build(), block_hash=ZERO)
        assert consensus.run(consensus.engine.new_payload, call).status is Status.INVALID_BLOCK_HASH


def test_what_stands_on_an_invalid_block_is_invalid(consensus: Consensus) -> None:
    first = consensus.extend()[0]
    good = consensus.build(salt=1)
    bad = rehashed(good, state_root=ZERO)
    assert consensus.new_payload(bad).status is Status.INVALID
    child = rehashed(good, parent_hash=bad.hash, number=3, timestamp=good.header.timestamp + 12)
    grandchild = rehashed(child, parent_hash=child.hash, number=4, timestamp=child.header.timestamp + 12)
    expected = PayloadStatus(Status.INVALID, first.hash, "links to previously rejected block")
    assert consensus.new_payload(child) == expected
    assert consensus.new_payload(grandchild) == expected
    assert consensus.forkchoice(grandchild.hash).status == expected
    assert consensus.new_payload(bad) == expected
    assert consensus.new_payload(good).status is Status.VALID


def test_an_invalid_block_is_tried_again_after_many_refusals(consensus: Consensus) -> None:
    bad = rehashed(consensus.build(), state_root=ZERO)
    texts = [consensus.new_payload(bad).error or "" for _ in range(130)]
    judged = [index for index, text in enumerate(texts) if "state root" in text]
    assert judged == [0, 127]


def test_a_payload_without_its_parent_waits_for_it(consensus: Consensus) -> None:
    with engine_chain() as other:
        blocks = other.extend(3)
    assert consensus.new_payload(blocks[2]) == PayloadStatus(Status.SYNCING)
    assert consensus.forkchoice(blocks[2].hash).status == PayloadStatus(Status.SYNCING)
    assert consensus.new_payload(blocks[1]) == PayloadStatus(Status.SYNCING)
    assert consensus.forkchoice(b"\x07" * 32).status == PayloadStatus(Status.SYNCING)
    assert consensus.chain.head.number == 0
    assert consensus.new_payload(blocks[0]).status is Status.VALID
    assert consensus.forkchoice(blocks[2].hash).status == PayloadStatus(Status.VALID, blocks[2].hash)
    assert consensus.chain.head.number == 3


def test_the_log_names_the_block_that_is_missing(consensus: Consensus, caplog: pytest.LogCaptureFixture) -> None:
    """Once, whether payloads or fork choices come, and again once another block is missing."""
    with engine_chain() as other:
        blocks = other.extend(4)
    for block in (blocks[2], blocks[3]):
        consensus.new_payload(block)
        consensus.forkchoice(block.hash)
    text = "the chain stands at block 0 until the consensus client sends block 0x%s"
    assert caplog.messages == [text % blocks[1].hash.hex()]
    consensus.forkchoice(b"\x07" * 32)
    consensus.new_payload(blocks[1])
    assert caplog.messages[1:] == [text % (b"\x07" * 32).hex(), text % blocks[0].hash.hex()]
    assert consensus.new_payload(blocks[0]).status is Status.VALID
    assert consensus.forkchoice(blocks[3].hash).status.status is Status.VALID
    assert len(caplog.messages) == 3


def test_a_waiting_payload_that_proves_invalid_is_told_at_the_fork_choice(consensus: Consensus) -> None:
    with engine_chain() as other:
        blocks = other.extend(2)
    bad = rehashed(blocks[1], state_root=ZERO)
    assert consensus.new_payload(bad).status is Status.SYNCING
    assert consensus.new_payload(blocks[0]).status is Status.VALID
    status = consensus.forkchoice(bad.hash).status
    assert (status.status, status.latest_valid_hash) == (Status.INVALID, blocks[0].hash)


def test_the_hashes_of_a_side_branch_are_its_own(consensus: Consensus) -> None:
    """BLOCKHASH on a branch names the branch's blocks, not the canonical ones of the same height."""
    # SSTORE(NUMBER, BLOCKHASH(NUMBER - 2))
    consensus.send(creation(0, bytes.fromhex("6002430340435500")))
    fork = consensus.extend()[0]
    contract = contract_address(ALICE, 0)
    left = consensus.extend(3, salt=1)
    right = consensus.extend(2, salt=2, parent=fork.hash)
    consensus.send(transfer(1, to=contract, value_wei=0, gas_limit=100_000))
    right += consensus.extend(salt=2)
    assert consensus.chain.head.state.storage(contract, 4) == int.from_bytes(right[0].hash, "big")
    with engine_chain() as other:
        for block in (fork, *left):
            assert other.new_payload(block).status is Status.VALID
        assert other.forkchoice(left[-1].hash).status.status is Status.VALID
        for block in right:
            assert other.new_payload(block).status is Status.VALID
        assert other.forkchoice(right[-1].hash).status.status is Status.VALID
        assert other.chain.head.state.storage(contract, 4) == int.from_bytes(right[0].hash, "big")


# Fork choice.


def test_reorganisations_there_and_back(consensus: Consensus) -> None:
    consensus.send(creation(0, STORE_AND_LOG))
    trunk = consensus.extend(3)
    contract = contract_address(ALICE, 0)
    consensus.send(transfer(1, to=contract, data=number(5), gas_limit=100_000))
    left = consensus.extend(4, salt=1)
    before = consensus.chain.head.state.root
    events: list[Event] = []
    cancel = consensus.chain.events.subscribe(events.append)
    right = consensus.extend(6, salt=2, parent=trunk[-1].hash)
    cancel()
    heads = [event for event in events if isinstance(event, HeadChanged)]
    assert [record.block.hash for record in heads[0].removed] == [block.hash for block in reversed(left)]
    # the transaction that the removed branch held has come back by the pool, into the new branch
    assert [transaction.nonce for block in right for transaction in block.transactions] == [1]
    assert consensus.chain.head.state.storage(contract, 0) == 5
    for tip, height in ((left[-1], 7), (right[-1], 9), (trunk[0], 1), (right[2], 6), (left[-1], 7)):
        assert consensus.forkchoice(tip.hash).status == PayloadStatus(Status.VALID, tip.hash)
        assert (consensus.chain.head.number, consensus.chain.head.header.hash) == (height, tip.hash)
        assert consensus.chain.head.state.root == tip.header.state_root
        assert list(deep_problems(consensus.chain.canonical)) == []
    assert consensus.chain.head.state.root == before
    assert consensus.chain.head.state.storage(contract, 0) == 5


def test_slots_that_a_branch_clears_are_restored(consensus: Consensus) -> None:
    consensus.send(creation(0, STORE_AND_LOG))
    contract = contract_address(ALICE, 0)
    consensus.extend()
    consensus.send(transfer(1, to=contract, data=number(5), gas_limit=100_000))
    fork = consensus.extend()[0]
    consensus.send(transfer(2, to=contract, data=number(0), gas_limit=100_000))
    cleared = consensus.extend(salt=1)[0]
    assert consensus.chain.head.state.storage(contract, 0) == 0
    assert consensus.forkchoice(fork.hash).status.status is Status.VALID
    assert consensus.chain.head.state.storage(contract, 0) == 5
    assert consensus.chain.pool.executable_count == 1
    assert consensus.forkchoice(cleared.hash).status.status is Status.VALID
    assert consensus.chain.head.state.storage(contract, 0) == 0
    assert consensus.chain.pool.executable_count == 0
    assert list(deep_problems(consensus.chain.canonical)) == []


def test_a_contract_that_a_side_block_destroys_leaves_no_slot() -> None:
    with engine_chain(fork=Fork.SHANGHAI) as consensus:
        # with call data it destroys itself, otherwise it sets slot 9
        consensus.send(creation(0, bytes.fromhex("36600a576001600955005b33ff")))
        contract = contract_address(ALICE, 0)
        consensus.extend()
        consensus.send(transfer(1, 0, to=contract, gas_limit=100_000))
        full = consensus.extend()[0]
        assert consensus.chain.head.state.storage(contract, 9) == 1
        consensus.send(transfer(2, 0, to=contract, data=b"\x01", gas_limit=100_000))
        block = consensus.extend()[0]
        for _ in range(2):
            assert consensus.chain.head.state.account(contract) is None
            assert consensus.chain.head.state.storage(contract, 9) == 0
            assert list(deep_problems(consensus.chain.canonical)) == []
            consensus.forkchoice(full.hash)
            assert consensus.chain.head.state.storage(contract, 9) == 1
            assert list(deep_problems(consensus.chain.canonical)) == []
            consensus.forkchoice(block.hash)


def test_blocks_upon_development_changes_do_not_come_back() -> None:
    with Database.open(None) as database:
        chain = open_chain(database, genesis=genesis_at(Fork.BPO2), options=MANUAL)
        chain.writer.run(chain.mine, 2)
        chain.writer.run(chain.patch_state, lambda state: state.add_balance(CAROL, 5))
        chain.writer.run(chain.mine, 2)
        hashes = [block.hash for number in range(5) if (block := chain.block_by_number(number)) is not None]
        chain.close()
        with engine_chain(database) as consensus:
            assert consensus.forkchoice(hashes[1]).status.status is Status.VALID
            assert consensus.forkchoice(hashes[4]).status.status is Status.SYNCING
            assert consensus.forkchoice(hashes[2]).status.status is Status.VALID
            assert list(deep_problems(consensus.chain.canonical)) == []
            consensus.extend(2)


def test_a_reorganisation_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    with engine_chain(limits=EngineLimits(reorg_blocks=4, side_blocks=50)) as consensus:
        genesis = consensus.head
        trunk = consensus.extend(4)
        assert consensus.forkchoice(genesis).status.status is Status.VALID
        assert consensus.forkchoice(trunk[-1].hash).status.status is Status.VALID
        consensus.extend()
        with pytest.raises(errors.TooDeepReorgError, match="reorg depth 5 exceeds limit 4"):
            consensus.forkchoice(genesis)
        assert consensus.chain.head.number == 5


def test_l4_an_executed_payload_is_told_of(consensus: Consensus) -> None:
    """L4: once for each payload, with the time that it took; not again as it becomes the head."""
    events: list[Event] = []
    consensus.chain.events.subscribe(events.append)
    blocks = consensus.extend(2)
    told = [event for event in events if isinstance(event, PayloadExecuted)]
    assert [event.block.hash for event in told] == [block.hash for block in blocks]
    assert all(0 < event.seconds < 60 for event in told)


@pytest.mark.lengthy
def test_l2_the_default_limit_is_128_blocks() -> None:
    with engine_chain() as consensus:
        first = consensus.extend(129)[0]
        tip = consensus.head
        assert consensus.forkchoice(first.hash).status.status is Status.VALID
        assert consensus.chain.head.number == 1
        assert consensus.forkchoice(tip).status.status is Status.VALID
        assert consensus.chain.head.number == 129
        with pytest.raises(errors.TooDeepReorgError):
            consensus.forkchoice(first.header.parent_hash)


@pytest.mark.slow
def test_a_head_far_ahead_is_reached_in_parts() -> None:
    with engine_chain() as other:
        blocks = other.extend(150)
    with engine_chain() as consensus:
        for block in blocks:
            assert consensus.new_payload(block).status is Status.VALID
        side = consensus.build(salt=9)
        assert consensus.new_payload(side).status is Status.VALID
        events: list[Event] = []
        consensus.chain.events.subscribe(events.append)
        answer = consensus.forkchoice(blocks[-1].hash, safe=blocks[140].hash, finalized=blocks[3].hash)
        assert answer.status.status is Status.VALID
        assert [len(event.added) for event in events if isinstance(event, HeadChanged)] == [64, 64, 22]
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (141, 4)
        assert consensus.chain.block_by_hash(side.hash) is None
        assert list(deep_problems(consensus.chain.canonical)) == []


def test_no_branch_loses_its_middle_to_the_limit() -> None:
    with engine_chain() as other:
        blocks = other.extend(12)
    with engine_chain(limits=EngineLimits(side_blocks=8)) as consensus:
        for salt, block in enumerate(blocks):
            assert consensus.new_payload(consensus.build(salt + 1)).status is Status.VALID
            assert consensus.new_payload(block).status is Status.VALID
        assert consensus.forkchoice(blocks[-1].hash).status.status is Status.VALID
        assert consensus.chain.head.number == 12


def test_side_blocks_are_bounded_and_old_ones_go() -> None:
    with engine_chain(limits=EngineLimits(reorg_blocks=3, side_blocks=5)) as consensus:
        siblings = [consensus.build(salt) for salt in range(1, 9)]
        for block in siblings:
            assert consensus.new_payload(block).status is Status.VALID
        kept = [block for block in siblings if consensus.chain.block_by_hash(block.hash) is not None]
        assert len(kept) == 5
        assert siblings[-1] in kept
        consensus.forkchoice(siblings[-1].hash)
        consensus.extend(2)
        assert all(consensus.chain.block_by_hash(block.hash) is not None for block in kept)
        consensus.extend(2)
        assert [block for block in kept if consensus.chain.block_by_hash(block.hash) is not None] == [siblings[-1]]
        assert list(deep_problems(consensus.chain.canonical)) == []


def test_checkpoints_follow_the_fork_choice_and_a_restart(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database, engine_chain(database) as consensus:
        with pytest.raises(UnknownBlockError, match="safe block not found"):
            consensus.chain.resolve(SAFE)
        blocks = [*consensus.extend(3), consensus.build()]
        consensus.new_payload(blocks[3])
        consensus.forkchoice(blocks[3].hash, safe=blocks[2].hash, finalized=blocks[0].hash)
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (3, 1)
    with Database.open(tmp_path / "data") as database, engine_chain(database) as consensus:
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (3, 1)
        consensus.forkchoice(blocks[3].hash)
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (3, 1)
        consensus.forkchoice(blocks[3].hash, safe=blocks[1].hash)
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (2, 1)
    with Database.open(tmp_path / "data") as database, engine_chain(database) as consensus:
        assert consensus.chain.head.number == 4
        assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (2, 1)
        genesis = blocks[0].header.parent_hash
        assert consensus.forkchoice(genesis).status == PayloadStatus(Status.VALID, genesis)
        assert consensus.chain.head.number == 4, "a head below the finalized block is passed over"


def test_what_is_final_stays_final_on_its_chain(consensus: Consensus) -> None:
    """A consensus client that was started again replays from its anchor, and names the anchor as final meanwhile."""
    blocks = consensus.extend(4)
    hashes = [block.hash for block in blocks]

    def choose(safe: bytes, finalized: bytes, head: bytes = hashes[3]) -> Checkpoints:
        assert consensus.forkchoice(head, safe=safe, finalized=finalized).status.status is Status.VALID
        return consensus.chain.canonical.checkpoints

    assert choose(hashes[2], hashes[1]) == Checkpoints(hashes[2], hashes[1])
    assert choose(hashes[0], hashes[0]) == Checkpoints(hashes[1], hashes[1]), "both were older"
    assert choose(hashes[3], hashes[0]) == Checkpoints(hashes[3], hashes[1])
    assert choose(hashes[1], hashes[0], hashes[2]) == Checkpoints(hashes[1], hashes[1]), "the head went back"
    assert choose(hashes[2], hashes[2]) == Checkpoints(hashes[2], hashes[2])
    # a chain without the final block is the consensus client's to choose
    with engine_chain() as other:
        side = other.extend(4, 1)
    for block in side:
        assert consensus.new_payload(block).status is Status.VALID
    assert choose(side[0].hash, side[0].hash, side[3].hash) == Checkpoints(side[0].hash, side[0].hash)
    assert choose(ZERO, ZERO, hashes[3]) == Checkpoints(), "neither is on the chain any more"
    assert choose(ZERO, hashes[0]) == Checkpoints(None, hashes[0])


def test_safe_and_finalized_by_configuration() -> None:
    for options, safe, finalized in (
        (replace(MANUAL, slots_in_an_epoch=2), 6, 4),
        (replace(MANUAL, safe_distance=0, finalized_distance=3), 8, 5),
        (replace(MANUAL, safe_distance=1, slots_in_an_epoch=3), 7, 2),
        (replace(MANUAL, finalized_distance=100), 0, 0),
    ):
        chain = open_chain(options=options)
        chain.writer.run(chain.mine, 8)
        assert (chain.number_of(SAFE), chain.number_of(FINALIZED)) == (safe, finalized)
        chain.close()


def test_a_configured_distance_serves_until_the_consensus_client_speaks(consensus: Consensus) -> None:
    blocks = consensus.extend(3)
    options = replace(consensus.chain.options, safe_distance=1, finalized_distance=2)
    consensus.chain.options = options
    assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (2, 1)
    consensus.forkchoice(blocks[2].hash, safe=blocks[2].hash)
    assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (3, 1)


def test_checkpoints_must_lie_on_the_way_to_the_head(consensus: Consensus) -> None:
    trunk = consensus.extend(2)
    left = consensus.extend(2, salt=1)
    consensus.extend(2, salt=2, parent=trunk[-1].hash)
    head = consensus.chain.head.header.hash
    for name in ("safe", "finalized"):
        with pytest.raises(errors.InvalidForkchoiceError, match=f"{name} block not available in database"):
            consensus.forkchoice(left[-1].hash, **{name: b"\x09" * 32})
        with pytest.raises(errors.InvalidForkchoiceError, match=f"{name} block not in canonical chain"):
            consensus.forkchoice(left[-1].hash, **{name: head})
    assert consensus.chain.head.header.hash == head, "a refused fork choice changes nothing"
    assert consensus.chain.canonical.checkpoints == Checkpoints()
    assert consensus.forkchoice(left[-1].hash, safe=left[0].hash, finalized=trunk[0].hash).status.status is Status.VALID
    assert (consensus.chain.number_of(SAFE), consensus.chain.number_of(FINALIZED)) == (3, 1)


def test_a_head_of_zeros_is_invalid(consensus: Consensus) -> None:
    assert consensus.forkchoice(ZERO).status == PayloadStatus(Status.INVALID)


def test_side_blocks_and_their_states_survive_a_restart(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data") as database, engine_chain(database) as consensus:
        consensus.send(transfer(0, 7, to=CAROL))
        left = consensus.extend(2, salt=1)
        genesis = left[0].header.parent_hash
        consensus.extend(salt=2, parent=genesis)
        kept = consensus.build(salt=3)
        assert consensus.new_payload(kept).status is Status.VALID
    with Database.open(tmp_path / "data") as database, engine_chain(database) as consensus:
        assert database.scrub() == []
        assert consensus.forkchoice(kept.hash).status.status is Status.VALID
        assert consensus.forkchoice(left[-1].hash).status.status is Status.VALID
        assert consensus.chain.head.header.hash == left[-1].hash
        assert balance(consensus, CAROL) == 7
        assert list(deep_problems(consensus.chain.canonical)) == []


def test_a_failed_write_leaves_the_old_head(consensus: Consensus, monkeypatch: pytest.MonkeyPatch) -> None:
    block = consensus.build()
    consensus.new_payload(block)

    def fail(*_: object, **__: object) -> None:
        raise StorageError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(consensus.chain.database, "write", fail)
        with pytest.raises(StorageError):
            consensus.forkchoice(block.hash)
    assert consensus.chain.head.number == 0
    assert consensus.forkchoice(block.hash).status.status is Status.VALID
    assert consensus.chain.head.number == 1


def test_each_answer_stands_on_one_synced_batch(consensus: Consensus, monkeypatch: pytest.MonkeyPatch) -> None:
    database, synced = consensus.chain.database, []
    write = database.write

    def record(batch: Batch, *, sync: bool = True) -> None:
        synced.append(sync)
        write(batch, sync=sync)

    consensus.send(transfer(0))
    first, other = consensus.build(1), consensus.build(2)
    second = consensus.extend(2)[-1]
    monkeypatch.setattr(database, "write", record)
    for block in (first, other):
        assert consensus.new_payload(block).status is Status.VALID
        assert synced == [True]
        synced.clear()
    for head in (first, other, second):
        assert consensus.forkchoice(head.hash).status.status is Status.VALID
        assert synced.count(True) == 1
        synced.clear()
    consensus.forkchoice(second.hash, safe=second.hash)
    assert synced == [True]


# The rest of the node.


def test_nothing_else_makes_or_unmakes_blocks(consensus: Consensus) -> None:
    chain = consensus.chain
    consensus.send(transfer(0))
    assert chain.head.number == 0
    snapshot = chain.writer.run(chain.snapshot)
    changes = (
        (chain.mine,),
        (chain.patch_state, lambda _: None),
        (chain.revert, snapshot),
        (chain.rollback, 0),
        (chain.reorg, 0, ()),
        (chain.reset,),
        (chain.set_chain_id, 5),
        (chain.mining.set_automine, True),
        (chain.mining.set_interval_ms, 5),
        (chain.mining.set_mode, MiningMode()),
    )
    for change, *arguments in changes:
        with pytest.raises(ExternalConsensusError, match="a consensus client drives this chain"):
            chain.writer.run(change, *arguments)
    chain.writer.run(chain.mining.set_automine, False)
