"""Blocks are filled with offers taken some at a time as with offers taken one by one."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain as chained
from typing import Any

import pytest

from tests.chain.chain_fixtures import ALICE, BOB, ETHER, GWEI, MANUAL, STORE_AND_LOG, address_of, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks import selection
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.types import Transaction
from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.chain.vm.execution_state import ExecutionState
from zevm.core import CORE

SENDERS = tuple(bytes((number,)) * 32 for number in range(1, 6))
ENGINE = Engine.NATIVE if CORE.library is not None else default_engine()
STORING = bytes(19) + b"\x99"


@contextmanager
def chain_with_senders(max_transactions: int | None) -> Iterator[Chain]:
    chain = open_chain(options=replace(MANUAL, max_transactions=max_transactions, engine=ENGINE))
    try:
        chain.writer.run(lambda: chain.change_settings(gas_limit=250_000))

        def change(state: ExecutionState) -> None:
            state.set_code(STORING, STORE_AND_LOG)
            for key in SENDERS:
                state.set_balance(address_of(key), ETHER)

        chain.writer.run(chain.patch_state, change)
        yield chain
    finally:
        chain.close()


def random_transactions(seed: int) -> list[Transaction]:
    """Some ask for more gas than is left behind others; those of their senders behind them must not be tried then."""
    chance = random.Random(seed)
    return [
        transfer(
            nonce,
            1,
            key=key,
            to=chance.choice((ALICE, BOB, STORING)),
            data=bytes((chance.randrange(1, 9),)) * 32,
            gas_limit=chance.choice((60_000, 60_000, 60_000, 120_000, 200_000)),
            tip=chance.choice((1, GWEI, 2 * GWEI)),
        )
        for key in SENDERS
        for nonce in range(chance.randrange(1, 9))
    ]


def mined(
    transactions: list[Transaction], at_once: int, max_transactions: int | None = None
) -> tuple[list[list[bytes]], list[str], int]:
    """The blocks, what was refused, and how many transactions ran in the company of others."""
    refused: list[str] = []
    together = 0
    with chain_with_senders(max_transactions) as chain, pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "AT_ONCE", at_once)
        add_plain = BlockExecution.add_plain
        fill_block = selection.fill_block

        def counted(execution: BlockExecution, *arguments: Any) -> int:
            nonlocal together
            done = add_plain(execution, *arguments)
            together += done if done > 1 else 0
            return done

        def noted(*arguments: Any, **options: Any) -> selection.Refusals:
            found = fill_block(*arguments, **options)
            refused.extend(f"{key.hex()} {error}" for key, error in found.items())
            return found

        patch.setattr(BlockExecution, "add_plain", counted)
        patch.setattr("zevm.chain.view.fill_block", noted)
        for transaction in transactions:
            chain.writer.run(chain.send_transaction, transaction)
        while not chain.pool.is_empty and chain.head.number < 40:
            chain.writer.run(chain.mine)
        return [hashes_in(chain, number) for number in range(1, chain.head.number + 1)], refused, together


def hashes_in(chain: Chain, number: int) -> list[bytes]:
    block = chain.block_by_number(number)
    assert block is not None
    return [item.hash for item in block.transactions]


@pytest.mark.parametrize("seed", range(6))
def test_the_blocks_do_not_depend_on_how_many_offers_are_taken(seed: int) -> None:
    transactions = random_transactions(seed)
    blocks, refused, together = mined(transactions, 1)
    assert together == 0
    assert sorted(chained.from_iterable(blocks)) == sorted(item.hash for item in transactions)
    for at_once in (3, 64):
        again = mined(transactions, at_once)
        assert again[:2] == (blocks, refused)


@pytest.mark.skipif(CORE.library is None, reason="no core")
def test_what_the_transactions_are_meant_to_reach_is_reached() -> None:
    found = [mined(random_transactions(seed), 64) for seed in range(6)]
    assert sum(together for _, _, together in found) > 50
    assert sum(len(refused) for _, refused, _ in found) > 20
    assert all("gas limit reached" in text for _, refused, _ in found for text in refused)


@pytest.mark.parametrize("at_once", [1, 64])
def test_a_block_has_at_most_as_many_bytes_and_transactions_as_it_may(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = [transfer(nonce, 1, to=STORING, data=b"\1" * 32, gas_limit=60_000) for nonce in range(7)]
    size = len(transactions[0].encoded) + selection._LENGTH_BYTES
    with monkeypatch.context() as patch:
        patch.setattr(selection, "MAX_BLOCK_BYTES", selection._HEAD_AND_WITHDRAWAL_BYTES + 2 * size + 1)
        assert [len(block) for block in mined(transactions, at_once)[0]] == [2, 2, 2, 1]
    assert [len(block) for block in mined(transactions, at_once, max_transactions=3)[0]] == [3, 3, 1]
