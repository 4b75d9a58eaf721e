"""What a block's way through the node works out, it works out once: counted by calls, not by time."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, KEYS, creation, open_chain, transfer
from tests.chain.engine.engine_fixtures import ZERO, Consensus, engine_chain
from tests.chain.vm.support import FakeAccount, environment_of, state_of
from zevm.chain.blocks.context import ChainSpec
from zevm.chain.blocks.ending import ended_block
from zevm.chain.blocks.execution import transactions_root, withdrawals_root
from zevm.chain.canonical.appending import block_operations
from zevm.chain.engine.driver import Forkchoice, Status
from zevm.chain.pool.admission import plain_needs
from zevm.chain.rules.fees import fee_history
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Block, Header, Withdrawal
from zevm.chain.types.receipt import encode_receipts
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.gas_needs import GasNeeds, floor_gas, intrinsic_gas
from zevm.core import CORE
from zevm.storage.account import encode_account

STORING = "60005460010160005500"
"""A contract that counts its calls in its storage."""


def calls_of(work: Callable[[], Any], *functions: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The arguments of each call of the functions while the work is done, on this thread, by the functions' names."""
    # a function of the core has no code, and tells no arguments
    names = {getattr(function, "__code__", function): function.__qualname__ for function in functions}
    calls: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names.values()}

    def watch(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in names:
            calls[names[frame.f_code]].append(tuple(frame.f_locals.values()))
        elif event == "c_call" and argument in names:
            calls[names[argument]].append(())

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_a_transaction_that_is_sent_and_mined_has_its_gas_worked_out_once() -> None:
    chain = open_chain()
    sent = [transfer(0), creation(1, bytes.fromhex(STORING)), transfer(2, data=b"\1" * 100, gas_limit=100_000)]
    for transaction in sent:
        calls = chain.writer.run(
            calls_of, lambda item=transaction: chain.send_transaction(item), intrinsic_gas, floor_gas, plain_needs
        )
        counts = {name: len(found) for name, found in calls.items()}
        # the core works out that of a transaction that creates nothing; the check mode compares
        by_core = CORE.library is not None and chain.spec.engine is not Engine.CHECK and transaction.to is not None
        once = 0 if by_core else 1
        assert counts == {"intrinsic_gas": once, "floor_gas": once, "plain_needs": 1}
    assert chain.head.number == 3
    chain.close()


def test_the_context_of_the_next_block_is_made_once_for_a_head() -> None:
    chain = open_chain()
    for nonce in range(2):
        calls = chain.writer.run(
            calls_of,
            partial(chain.send_transaction, transfer(nonce)),
            ChainSpec.next_header,
            ChainSpec.environment,
        )
        assert {name: len(found) for name, found in calls.items()} == {
            "ChainSpec.next_header": 1,
            "ChainSpec.environment": 1,
        }
    chain.close()


def test_the_environment_of_the_head_is_made_once() -> None:
    chain = open_chain()
    chain.writer.run(chain.mine, 2)
    head, older = chain.head.header, chain.header_by_number(1)
    assert older is not None
    calls = calls_of(lambda: [chain.environment_of(head) for _ in range(3)], ChainSpec.environment)
    assert len(calls["ChainSpec.environment"]) == 1
    assert chain.environment_of(older).number == 1
    made = chain.environment_of(head)
    assert chain.environment_of(head) is made
    assert made == replace(chain.spec.environment(head, chain.records.canonical_hash), block_hash=made.block_hash)
    chain.writer.run(partial(chain.change_settings, recoveries=((bytes(65), ALICE),)))
    assert chain.environment_of(head).recoveries == ((bytes(65), ALICE),)
    chain.writer.run(chain.set_chain_id, 5)
    assert chain.environment_of(head).rules.chain_id == 5
    chain.writer.run(chain.mine, 1)
    assert chain.environment_of(chain.head.header).number == 3
    chain.close()


def test_the_fees_of_like_blocks_are_worked_out_once() -> None:
    chain = open_chain()
    chain.writer.run(chain.mine, 30)
    headers = [header for number in range(31) if (header := chain.header_by_number(number)) is not None]
    calls = calls_of(lambda: fee_history(headers, [()] * 31, [], chain.schedule), ForkSchedule.rules)
    assert len(headers) == 31
    assert len(calls["ForkSchedule.rules"]) <= 4
    chain.close()


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_transaction_in_a_block_of_elsewhere_has_its_gas_worked_out_once(is_plain: bool) -> None:
    """That of a plain one is the core's work, where there is one."""
    chain = open_chain()
    transaction = transfer(0) if is_plain else creation(0, bytes.fromhex(STORING))
    calls = chain.writer.run(
        calls_of, lambda: chain.import_block(_mined_elsewhere(transaction)), intrinsic_gas, floor_gas
    )
    by_core = CORE.library is not None and chain.spec.engine is Engine.NATIVE
    once = 0 if is_plain and by_core else 1
    assert {name: len(found) for name, found in calls.items()} == {"intrinsic_gas": once, "floor_gas": once}
    chain.close()


def _mined_elsewhere(*transactions: Any) -> Block:
    with_them = open_chain()
    for transaction in transactions:
        with_them.writer.run(with_them.send_transaction, transaction)
    block = with_them.block_by_number(1)
    with_them.close()
    assert block is not None
    return block


def test_each_account_that_a_block_changes_is_encoded_once() -> None:
    chain = open_chain()
    before = chain.canonical.head.version
    calls = chain.writer.run(calls_of, lambda: chain.send_transaction(transfer(0)), encode_account, ended_block)
    encoded = Counter(calls["encode_account"])
    assert chain.canonical.head.version > before
    assert len(calls["ended_block"]) == 1
    # the core encodes them itself; the check mode runs the transaction on py-evm too, whose changes are encoded here
    by_core = CORE.library is not None and chain.spec.engine is not Engine.CHECK
    assert not encoded if by_core else len(encoded) >= 3
    assert set(encoded.values()) <= {1}
    chain.close()


WITHDRAWALS = (Withdrawal(1, 2, ALICE, 3), Withdrawal(2, 2, BOB, 4))


@pytest.fixture
def consensus() -> Any:
    with engine_chain() as found:
        yield found


def _payload(consensus: Consensus) -> Block:
    consensus.send(transfer(0), transfer(0, key=KEYS[1]))
    block = consensus.build(withdrawals=WITHDRAWALS)
    assert len(block.transactions) == 2
    return block


def test_the_roots_of_a_payloads_lists_are_computed_once(consensus: Consensus) -> None:
    block = _payload(consensus)
    call = consensus.call(block)
    calls = consensus.run(
        calls_of, lambda: consensus.engine.new_payload(call), transactions_root, withdrawals_root, ended_block
    )
    assert [len(found) for found in calls.values()] == [1, 1, 1]
    assert consensus.chain.block_by_hash(block.hash) == block


ENCODERS = (Header.encode, Block.encode_body, encode_receipts, block_operations)


def _moves_to(consensus: Consensus, block: Block) -> dict[str, list[tuple[Any, ...]]]:
    calls: dict[str, list[tuple[Any, ...]]] = consensus.run(
        calls_of, lambda: consensus.engine.forkchoice_updated(3, Forkchoice(block.hash, ZERO, ZERO), None), *ENCODERS
    )
    assert consensus.head == block.hash
    return calls


def _bytes_of(consensus: Consensus, block: Block) -> list[bytes | None]:
    ledger = consensus.chain.database.ledger
    return [ledger.header(block.hash), ledger.body(block.hash), ledger.receipts(block.hash)]


def test_a_fork_choice_does_not_encode_what_lies_there(consensus: Consensus) -> None:
    block = _payload(consensus)
    consensus.new_payload(block)
    written = _bytes_of(consensus, block)
    assert None not in written
    assert sum(map(len, _moves_to(consensus, block).values())) == 0
    assert _bytes_of(consensus, block) == written


def test_a_fork_choice_between_branches_does_not_encode_them_again(consensus: Consensus) -> None:
    one, other = consensus.build(salt=1), consensus.build(salt=2)
    for block in (one, other):
        assert consensus.new_payload(block).status is Status.VALID
    written = [_bytes_of(consensus, block) for block in (one, other)]
    for block in (one, other, one):
        assert sum(map(len, _moves_to(consensus, block).values())) == 0
        assert [_bytes_of(consensus, item) for item in (one, other)] == written
    assert consensus.chain.block_by_number(1) == one


def test_gas_that_was_worked_out_under_another_fork_does_not_count() -> None:
    """The rules of the next block may be others than those that a transaction came in under."""
    sent = transfer(0, data=bytes(50) + b"\1" * 50, gas_limit=100_000)
    used = []
    for known in (None, GasNeeds(Fork.FRONTIER, 0, 0)):
        state = state_of({ALICE: FakeAccount(balance=10**20)})
        used.append(Executor(environment_of(Fork.OSAKA), state).apply(sent, 10**6, None, known).gas_used)
    assert used[0] == used[1] > 21_000


@pytest.mark.parametrize("fork", [Fork.FRONTIER, Fork.BERLIN, Fork.LONDON, Fork.PARIS, Fork.SHANGHAI, Fork.OSAKA])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_blocks_size_is_that_of_its_encoding(fork: Fork, count: int) -> None:
    with_all = Genesis.default(accounts=[ALICE, BOB], fork=fork)
    header = with_all.header(bytes(32))
    items = (transfer(7), transfer(8, data=b"\1" * 60), transfer(9, data=b"\1" * 3_000))
    withdrawals = None if fork < Fork.SHANGHAI else tuple([Withdrawal(index, 2, BOB, 4) for index in range(count)])
    uncles = (header,) if fork < Fork.PARIS and count else ()
    block = Block(header, (items * 100)[:count], uncles, withdrawals)
    assert block.size == len(block.encode())


def test_executions_of_a_fork_share_one_table_of_precompiles_and_change_none_of_it() -> None:
    environment, state = environment_of(Fork.OSAKA), state_of({})
    one, other = Executor(environment, state), Executor(environment, state)
    moved = Executor(environment, state, moved_precompiles={precompile_address(2): None})
    recovering = Executor(replace(environment, recoveries=((bytes(65), bytes(20)),)), state)
    assert one._precompiles is other._precompiles
    assert precompile_address(2) in one._precompiles
    assert precompile_address(2) not in moved._precompiles
    assert recovering._precompiles[precompile_address(1)] is not one._precompiles[precompile_address(1)]
    assert Executor(environment_of(Fork.HOMESTEAD), state)._precompiles.keys() < one._precompiles.keys()
