"""E2, E6: every block executes again from its witness alone, and nothing that executing it reads is left out.

The verifier takes nothing from the node but the witness, the block and the schedule, and no shortcut: what the node
knows of the official system contracts another client has to read.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.chain.chain_fixtures import ALICE, BOB, KEYS, MANUAL, STORE_AND_LOG, creation, open_chain, sign, transfer
from tests.conformance import conformance_blocks, conformance_path
from verification.conformance.chain_suite import memory_chain
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.execution import BlockExecution, execute_all
from zevm.chain.tracing.witness import Witness, make_witness
from zevm.chain.types import Authorization, Block, Header, Transaction, TransactionType
from zevm.chain.types.transaction import SET_CODE_MAGIC
from zevm.chain.vm.system_shortcuts import SHORTCUTS
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.state import StateStore
from zevm.storage.state_readers import TrieReader
from zevm.storage.state_update import for_every_owner, ground_of, prepare
from zevm.storage.trie import by_hash


class Stateless(StateStore):
    """The nodes and codes of a witness, and no others."""

    def __init__(self, witness: Witness) -> None:
        self.held = for_every_owner(by_hash({keccak256(node): node for node in witness.nodes}))
        self.codes = {keccak256(code): code for code in witness.codes}

    def prepare(self, base: Any, diff: Any) -> Any:
        return prepare(self.held, base, diff)

    def ground(self, base: Any) -> Any:
        return ground_of(self.held, base)


def execute_alone(chain: Chain, block: Block, witness: Witness) -> Header:
    """The header that executing the block gives. Raises KeyError or MissingNodeError for what the witness lacks."""
    store = Stateless(witness)
    hashes = {header.number: header.hash for header in witness.headers}
    environment = chain.spec.environment(block.header, hashes.__getitem__)
    root = witness.headers[-1].state_root
    execution = BlockExecution(environment, store, TrieReader(store.held, root, store.codes.__getitem__))
    with pytest.MonkeyPatch.context() as patch:
        for address in tuple(SHORTCUTS):
            patch.delitem(SHORTCUTS, address)
        execute_all(execution, block.transactions)
        sealed = execution.seal(block.header, uncles=block.uncles, withdrawals=block.withdrawals)
    return sealed.block.header


def check_every_block(chain: Chain) -> int:
    """How many there are."""
    for number in range(chain.genesis.number + 1, chain.head.number + 1):
        block = chain.block_by_number(number)
        assert block is not None
        witness = make_witness(chain, block)
        executed = execute_alone(chain, block, witness)
        assert executed.state_root == block.header.state_root, number
        assert executed.receipts_root == block.header.receipts_root, number
    return chain.head.number


@pytest.mark.lengthy
def test_e2_every_block_of_the_official_chain_executes_from_its_witness_alone() -> None:
    with memory_chain(conformance_path("rpc-compat")) as chain:
        for block in conformance_blocks():
            chain.writer.run(chain.import_block, block)
        assert check_every_block(chain) == 54


@pytest.fixture
def chain() -> Iterator[Chain]:
    opened = open_chain()
    yield opened
    opened.close()


def contract_of(chain: Chain, code: bytes, nonce: int) -> bytes:
    chain.writer.run(chain.send_transaction, creation(nonce, code))
    address = chain.receipts(chain.head.header.hash)[0].contract_address
    assert address is not None
    return address


def delegating(nonce: int, target: bytes, authority_nonce: int) -> Transaction:
    """ALICE has BOB delegate to `target`, and calls BOB."""
    fields = [rlp.encode_int(31_337), target, rlp.encode_int(authority_nonce)]
    digest = keccak256(SET_CODE_MAGIC + rlp.encode([*fields]))
    signature = PrivateKey(KEYS[1]).sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return sign(
        Transaction(
            TransactionType.SET_CODE,
            chain_id=31_337,
            nonce=nonce,
            to=BOB,
            gas_limit=200_000,
            max_fee_per_gas=10**10,
            data=(5).to_bytes(32, "big"),
            authorization_list=(Authorization(31_337, target, authority_nonce, signature[64], r, s),),
        ),
        KEYS[0],
    )


def test_e2_delegations_and_what_they_point_to_are_part_of_a_witness(chain: Chain) -> None:
    target = contract_of(chain, STORE_AND_LOG, 0)
    designator = b"\xef\x01\x00" + target
    chain.writer.run(chain.send_transaction, delegating(1, target, 0))
    chain.writer.run(chain.send_transaction, transfer(2, to=BOB, data=bytes(31) + b"\x07", gas_limit=200_000))
    block = chain.block_by_number(chain.head.number)
    assert block is not None
    assert {designator, STORE_AND_LOG} <= set(make_witness(chain, block).codes)
    # a sender that has a delegation, and a delegation that replaces one
    chain.writer.run(chain.send_transaction, transfer(1, to=ALICE, key=KEYS[1], gas_limit=200_000))
    chain.writer.run(chain.send_transaction, delegating(3, bytes(19) + b"\x99", 2))
    assert check_every_block(chain) == 5


def test_e2_code_that_the_block_deploys_once_more_is_read_where_it_was() -> None:
    chain = open_chain(options=MANUAL)
    chain.writer.run(chain.send_transaction, creation(0, STORE_AND_LOG))
    chain.writer.run(chain.mine)
    target = chain.receipts(chain.head.header.hash)[0].contract_address
    chain.writer.run(chain.send_transaction, creation(1, STORE_AND_LOG))
    chain.writer.run(chain.send_transaction, transfer(2, to=target, data=bytes(32), gas_limit=200_000))
    chain.writer.run(chain.mine)
    block = chain.block_by_number(2)
    assert block is not None
    assert len(block.transactions) == 2
    assert STORE_AND_LOG in make_witness(chain, block).codes
    assert check_every_block(chain) == 2
    chain.close()


def test_e2_an_empty_block_reads_the_system_contracts(chain: Chain) -> None:
    chain.writer.run(chain.mine)
    block = chain.block_by_number(1)
    assert block is not None
    assert {keccak256(code) for code in make_witness(chain, block).codes} == {
        shortcut.code_hash for shortcut in SHORTCUTS.values()
    }
    assert check_every_block(chain) == 1
