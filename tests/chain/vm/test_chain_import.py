"""Executes execution-apis' chain, Frontier to BPO2, block by block and compares every result with the headers."""

import json
from dataclasses import replace

import pytest

from tests.conformance import conformance_blocks, conformance_path
from zevm.chain.errors import TransactionError
from zevm.chain.rules.fees import blob_base_fee
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Receipt, Transaction, logs_bloom
from zevm.chain.types.receipt import merge_blooms
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor, requests_hash
from zevm.chain.vm.interface import Outcome
from zevm.storage import state_update, trie
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.primitives import Hash32
from zevm.storage.state_readers import TrieReader
from zevm.storage.state_update import for_every_owner
from zevm.storage.trie import by_hash


class Replay:
    """A chain's states as a dict of trie nodes, and the hashes of its blocks."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.nodes: dict[bytes, bytes] = {}
        self.nodes_of = for_every_owner(by_hash(self.nodes))
        self.codes: dict[bytes, bytes] = {}
        self.hashes: list[Hash32] = []
        self.root = self._keep(EMPTY_ROOT, genesis.diff())
        self.hashes.append(genesis.header(self.root).hash)

    def _keep(self, root: bytes, diff: StateDiff) -> bytes:
        update = state_update.prepare(self.nodes_of, root, diff)
        self.nodes.update(update.nodes)
        self.codes.update(update.code)
        return update.root

    def environment(self, block: Block) -> BlockEnvironment:
        header = block.header
        rules = self.genesis.schedule.rules(header.number, header.timestamp)
        excess = header.excess_blob_gas
        return BlockEnvironment(
            rules=rules,
            coinbase=header.coinbase,
            number=header.number,
            timestamp=header.timestamp,
            gas_limit=header.gas_limit,
            block_hash=lambda number: self.hashes[number],
            base_fee_per_gas=header.base_fee_per_gas,
            prev_randao=header.mix_hash,
            difficulty=header.difficulty,
            blob_base_fee=None if rules.blob is None or excess is None else blob_base_fee(excess, rules.blob),
            parent_beacon_block_root=header.parent_beacon_block_root,
        )

    def execute(self, block: Block) -> dict[str, object]:
        """What the block's execution gives, by header field."""
        environment = self.environment(block)
        state = BlockState(TrieReader(self.nodes_of, self.root, self.codes.__getitem__))
        executor = Executor(environment, state)
        executor.begin_block()
        receipts: list[Receipt] = []
        gas_used = 0
        for transaction in block.transactions:
            outcome = executor.apply(transaction, environment.gas_limit - gas_used)
            gas_used += outcome.gas_used
            receipts.append(self._receipt(transaction, outcome, gas_used, environment, state))
        executor.withdraw(block.withdrawals or ())
        if environment.rules.fork < Fork.PARIS:
            executor.pay_block_reward(block.uncles)
        requests = executor.end_block([receipt.logs for receipt in receipts])
        self.root = self._keep(self.root, state.diff())
        self.hashes.append(block.hash)
        return {
            "gas_used": gas_used,
            "receipts_root": trie.ordered_root([receipt.encode() for receipt in receipts]),
            "logs_bloom": merge_blooms([receipt.bloom for receipt in receipts]),
            "requests_hash": None if requests is None else requests_hash(requests),
            "state_root": self.root,
        }

    def _receipt(
        self,
        transaction: Transaction,
        outcome: Outcome,
        cumulative_gas_used: int,
        environment: BlockEnvironment,
        state: BlockState,
    ) -> Receipt:
        old_style = environment.rules.fork < Fork.BYZANTIUM
        root = state_update.prepare(self.nodes_of, self.root, state.diff()).root if old_style else None
        return Receipt(
            type=transaction.type,
            status=None if old_style else int(outcome.succeeded),
            cumulative_gas_used=cumulative_gas_used,
            logs=outcome.logs,
            bloom=logs_bloom(outcome.logs),
            sender=transaction.sender,
            gas_used=outcome.gas_used,
            effective_gas_price=transaction.effective_gas_price(environment.base_fee_per_gas),
            post_state=root,
        )


def load_genesis() -> Genesis:
    return Genesis.from_json(json.loads(conformance_path("rpc-compat", "genesis.json").read_text()))


@pytest.mark.lengthy
def test_every_block_gives_what_its_header_says() -> None:
    replay = Replay(load_genesis())
    blocks = conformance_blocks()
    assert len(blocks) == 54
    for block in blocks:
        results = replay.execute(block)
        wanted = {name: getattr(block.header, name) for name in results}
        assert results == wanted, f"block {block.number}"
    forks = {replay.environment(block).rules.fork for block in blocks}
    assert forks >= {Fork.HOMESTEAD, Fork.BYZANTIUM, Fork.LONDON, Fork.CANCUN, Fork.PRAGUE, Fork.BPO2}


def test_a_wei_more_in_genesis_shows_in_block_one() -> None:
    genesis = load_genesis()
    address, account = next(iter(genesis.accounts.items()))
    changed = genesis.with_changes(
        accounts={**genesis.accounts, address: replace(account, balance_wei=account.balance_wei + 1)}
    )
    block = conformance_blocks()[0]
    assert Replay(changed).execute(block)["state_root"] != block.header.state_root


def test_a_transaction_cannot_be_executed_twice() -> None:
    replay = Replay(load_genesis())
    blocks = conformance_blocks()
    replay.execute(blocks[0])
    again = next(block for block in blocks[1:] if block.transactions)
    doubled = replace(again, transactions=(*again.transactions, again.transactions[0]))
    with pytest.raises(TransactionError, match="nonce too low"):
        replay.execute(doubled)
