"""Every reason for which something is refused: it has a code, a text that is raised, and an input that meets it.

The inputs go through the chain's own doors where those let them pass: a sent transaction, an imported block, a
simulation; the others through the check that the doors share.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from coincurve import PrivateKey

from scripts.syntax import trees
from tests.chain.chain_fixtures import ALICE, BOB, GWEI, KEYS, address_of, open_chain, sign, transfer
from tests.chain.pool.test_pool import DELEGATED, State, authorized, blob_tx, fill, make_pool, tx
from tests.chain.vm.support import environment_of, rules_of, transaction_of
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.importer import MAX_BLOCK_BYTES
from zevm.chain.calls.call import GasEstimation
from zevm.chain.calls.overrides import BlockOverrides, CallOverrides
from zevm.chain.calls.simulation import (
    MAX_BLOCKS,
    MAX_CALLS_PER_BLOCK,
    GasBudget,
    SimulatedBlock,
    Simulation,
    check_size,
)
from zevm.chain.errors import Reason, RefusalError
from zevm.chain.rules.blobs import check_sidecar, make_sidecar, versioned_hash
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import (
    Authorization,
    BlobSidecar,
    Block,
    Header,
    Log,
    Transaction,
    TransactionType,
)
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm import system, validation
from zevm.chain.vm.interface import CallRequest
from zevm.chain.vm.simulated_calls import SimulatedCall
from zevm.rpc.errors import SIMULATION_CODES
from zevm.storage import rlp
from zevm.storage.keccak import keccak256
from zevm.storage.trie import ordered_root

ROOT = Path(__file__).resolve().parents[2]
BLOB_HASH = b"\x01" + bytes(31)
AUTHORIZATION = Authorization(31337, bytes(20), 0, 0, 1, 1)
A, B = bytes([0xA1]) * 20, bytes([0xB2]) * 20
Provoke = Callable[[], object]


# A transaction that is sent.


def sent(*transactions: Transaction, code: bytes | None = None) -> Provoke:
    """The last of these is refused. code: of the sender's account."""

    def provoke() -> None:
        chain = open_chain()
        try:
            if code is not None:
                chain.writer.run(chain.patch_state, lambda state: state.set_code(ALICE, code))
            for transaction in transactions:
                chain.writer.run(chain.send_transaction, transaction)
        finally:
            chain.close()

    return provoke


def pooled(*transactions: Transaction, state: State | None = None, local: bool = False, **limits: object) -> Provoke:
    """The last of these does not enter the pool. local: the others come from the node's own accounts."""

    def provoke() -> None:
        pool = make_pool(state, **limits)
        for index, transaction in enumerate(transactions):
            pool.add(transaction, transaction.sender, local=local and index < len(transactions) - 1)

    return provoke


def static(fork: Fork = Fork.OSAKA, **changes: object) -> Provoke:
    return lambda: validation.validate_static(transaction_of(**changes), rules_of(fork))


def blob(**changes: object) -> Transaction:
    values = {"blob_versioned_hashes": (BLOB_HASH,), "max_fee_per_blob_gas": 1, "type": TransactionType.BLOB}
    return transaction_of(**(values | changes))


def blobs(**changes: object) -> Provoke:
    return lambda: validation.validate_static(blob(**changes), rules_of())


def in_block(transaction: Transaction, gas: int = 30_000_000, blob_gas: int | None = None, fee: int = 1) -> Provoke:
    """It does not fit what is left of a block."""
    environment = environment_of(blob_base_fee=fee)
    return lambda: validation.validate_against_block(transaction, environment, gas, blob_gas)


def delegated() -> State:
    state = State()
    state.set(A, code=DELEGATED)
    return state


def authority_reserved() -> None:
    """B has transactions of its own while A's would delegate B's code."""
    key = PrivateKey(bytes(31) + b"\x07")
    pool = make_pool(limit_delegated=True)
    fill(pool, address_of(key.secret), range(2))
    delegating = {"type": TransactionType.SET_CODE, "authorization_list": (authorized(key, 0),)}
    pool.add(tx(A, 0, gas_limit=100_000, **delegating), A)


# A sidecar.


@cache
def made() -> BlobSidecar:
    return make_sidecar([bytes(131_072)])


def sidecar(**changes: object) -> Provoke:
    def provoke() -> None:
        hashes = tuple(map(versioned_hash, made().commitments))
        check_sidecar(blob(blob_versioned_hashes=hashes, sidecar=replace(made(), **changes)), rules_of(Fork.PRAGUE))

    return provoke


# A block that is imported.


def header(**changes: object) -> Callable[[Block], Block]:
    return lambda block: replace(block, header=block.header.with_changes(**changes))


def body(*transactions: Transaction) -> Callable[[Block], Block]:
    root = ordered_root([transaction.encoded for transaction in transactions])
    return lambda block: replace(header(transactions_root=root)(block), transactions=transactions)


def uncles(*found: Header) -> Callable[[Block], Block]:
    digest = keccak256(rlp.wrap_list(b"".join([uncle.encode() for uncle in found])))
    return lambda block: replace(header(uncles_hash=digest)(block), uncles=found)


def imported(change: Callable[[Block], Block]) -> Provoke:
    """The second block of a chain, changed, is refused by another chain that has the first."""

    def provoke() -> None:
        source, target = open_chain(), open_chain()
        try:
            for nonce in range(2):
                source.writer.run(source.send_transaction, transfer(nonce))
            first, second = source.block_by_number(1), source.block_by_number(2)
            assert first is not None
            assert second is not None
            target.writer.run(target.import_block, first)
            target.writer.run(target.import_block, change(second))
        finally:
            source.close()
            target.close()

    return provoke


def before_the_merge(choose: Callable[[Chain], tuple[Header, ...]]) -> Provoke:
    """The fourth block of a chain under London is refused for the uncles that are chosen."""

    def provoke() -> None:
        genesis = Genesis.default(fork=Fork.LONDON, accounts=[ALICE, BOB])
        source, target = open_chain(genesis=genesis), open_chain(genesis=genesis)
        try:
            source.writer.run(source.mine, 4, 1)
            for number in (1, 2, 3, 4):
                block = source.block_by_number(number)
                assert block is not None
                changed = uncles(*choose(source))(block) if number == 4 else block
                target.writer.run(lambda item: target.import_block(item, development=True), changed)
        finally:
            source.close()
            target.close()

    return provoke


def sibling(chain: Chain, number: int) -> Header:
    """A header as good as the canonical one at this height."""
    found = chain.header_by_number(number)
    assert found is not None
    return found.with_changes(coinbase=b"\x77" * 20)


def deposit_log() -> Log:
    return Log(A, (system._DEPOSIT_TOPIC,), b"\0")


# A simulation.


def simulated(*blocks: SimulatedBlock, gas_cap: int = 10**7, validate: bool = False) -> Provoke:
    def provoke() -> None:
        chain = open_chain()
        try:
            head = chain.head
            Simulation(chain, head.header, head.state, gas_cap=gas_cap, validate=validate).run(blocks)
        finally:
            chain.close()

    return provoke


def estimated(request: CallRequest) -> Provoke:
    def provoke() -> None:
        chain = open_chain()
        try:
            GasEstimation(chain.frame_at(LATEST), request, gas_cap=10**7).run()
        finally:
            chain.close()

    return provoke


CALL = SimulatedCall(sender=ALICE, to=BOB)
SPIN = SimulatedBlock(calls=(CALL,))
BIG = bytes(2 * 1024 * 1024)

PROVOKED: dict[Reason, Provoke] = {
    Reason.TYPE_NOT_SUPPORTED: static(Fork.BERLIN),
    Reason.CHAIN_ID_MISMATCH: sent(sign(replace(transfer(0), chain_id=1), KEYS[0])),
    Reason.INVALID_SENDER: sent(transfer(0).with_signature(0, 0, 0)),
    Reason.NONCE_TOO_LOW: sent(transfer(0), transfer(0, 2)),
    Reason.NONCE_TOO_HIGH: imported(body(transfer(5))),
    Reason.NONCE_AT_MAXIMUM: sent(transfer(2**64 - 1)),
    Reason.GAS_OVERFLOW: static(Fork.PRAGUE, gas_limit=2**64),
    Reason.WEI_OVERFLOW: static(value=2**256),
    Reason.GAS_LIMIT_ABOVE_CAP: static(gas_limit=16_777_217),
    Reason.GAS_LIMIT_REACHED: in_block(transaction_of(), gas=20_000),
    Reason.INTRINSIC_GAS: sent(transfer(0, gas_limit=20_999)),
    Reason.FLOOR_DATA_GAS: sent(transfer(0, data=b"\x01" * 1000, gas_limit=60_999)),
    Reason.TIP_ABOVE_FEE_CAP: sent(transfer(0, tip=11 * GWEI)),
    Reason.FEE_CAP_BELOW_BASE_FEE: sent(transfer(0, max_fee_per_gas=1, tip=1)),
    Reason.INSUFFICIENT_FUNDS: sent(transfer(0, 10**30)),
    Reason.INSUFFICIENT_FUNDS_FOR_TRANSFER: estimated(
        CallRequest(sender=ALICE, to=BOB, gas_limit=0, value=10**30, max_fee_per_gas=10 * GWEI)
    ),
    Reason.SENDER_NOT_EOA: sent(transfer(0), code=b"\0"),
    Reason.INIT_CODE_SIZE: sent(transfer(0, 0, to=None, data=bytes(49_153), gas_limit=16_000_000)),
    Reason.AUTHORIZATION_CREATION: static(type=TransactionType.SET_CODE, to=None, authorization_list=(AUTHORIZATION,)),
    Reason.AUTHORIZATIONS_MISSING: static(type=TransactionType.SET_CODE),
    Reason.BLOB_CREATION: blobs(to=None),
    Reason.BLOB_HASHES_MISSING: blobs(blob_versioned_hashes=()),
    Reason.BLOB_HASH_VERSION: blobs(blob_versioned_hashes=(bytes(32),)),
    Reason.BLOB_COUNT: blobs(blob_versioned_hashes=(BLOB_HASH,) * 7),
    Reason.BLOB_GAS_LIMIT_REACHED: in_block(blob(), blob_gas=0),
    Reason.BLOB_FEE_CAP_BELOW_BASE_FEE: in_block(blob(), fee=2),
    Reason.BLOB_INVALID: lambda: make_sidecar([b"\xff" * 131_072]),
    Reason.BLOB_PROOF_INVALID: sidecar(proofs=(b"\xc0" + bytes(47),), blobs=(bytes(31) + b"\x01" + bytes(131_040),)),
    Reason.SIDECAR_MISSING: lambda: check_sidecar(blob(), rules_of()),
    Reason.SIDECAR_VERSION: sidecar(version=2),
    Reason.SIDECAR_COUNT: sidecar(proofs=()),
    Reason.SIDECAR_HASH_MISMATCH: sidecar(commitments=(bytes(48),)),
    Reason.ALREADY_KNOWN: pooled(tx(A, 0), tx(A, 0)),
    Reason.OVERSIZED_DATA: pooled(tx(A, 0, data=bytes(131_072))),
    Reason.GAS_LIMIT_ABOVE_BLOCK: pooled(tx(A, 0, gas_limit=30_000_001)),
    Reason.PRICE_BELOW_MINIMUM: pooled(tx(A, 0), minimum_tip_wei=2 * GWEI),
    Reason.UNDERPRICED: pooled(tx(A, 1), tx(B, 1), global_queue=1),
    Reason.REPLACEMENT_UNDERPRICED: pooled(tx(A, 0), tx(A, 0, value=1)),
    Reason.POOL_FULL: pooled(tx(A, 1), tx(B, 1), local=True, global_queue=1),
    Reason.ACCOUNT_LIMIT_EXCEEDED: pooled(tx(A, 1), tx(A, 2), account_queue=1),
    Reason.ADDRESS_RESERVED: pooled(tx(A, 0), blob_tx(A, 1)),
    Reason.AUTHORITY_RESERVED: authority_reserved,
    Reason.DELEGATED_NONCE_GAP: pooled(tx(A, 1), state=delegated(), limit_delegated=True),
    Reason.DELEGATED_IN_FLIGHT: pooled(tx(A, 0), tx(A, 1), state=delegated(), limit_delegated=True),
    Reason.HEADER_FIELD_MISMATCH: imported(header(state_root=b"\x01" * 32)),
    Reason.TIMESTAMP_BEFORE_PARENT: imported(header(timestamp=0)),
    Reason.TIMESTAMP_OF_PARENT: imported(lambda block: header(timestamp=block.header.timestamp - 1)(block)),
    Reason.EXTRA_DATA_SIZE: imported(header(extra_data=bytes(33))),
    Reason.GAS_LIMIT_OUT_OF_RANGE: imported(header(gas_limit=1 << 63)),
    Reason.GAS_LIMIT_LEAP: imported(lambda block: header(gas_limit=2 * block.header.gas_limit)(block)),
    Reason.GAS_USED_ABOVE_LIMIT: imported(header(gas_used=1 << 62)),
    Reason.BEACON_ROOT_MISSING: imported(header(parent_beacon_block_root=None)),
    Reason.UNCLES_AFTER_MERGE: imported(uncles(Header(parent_hash=bytes(32)))),
    Reason.UNCLE_COUNT: before_the_merge(lambda chain: (sibling(chain, 2),) * 3),
    Reason.UNCLE_IS_ANCESTOR: before_the_merge(lambda chain: (sibling(chain, 2).with_changes(coinbase=bytes(20)),)),
    Reason.UNCLE_NAMED_TWICE: before_the_merge(lambda chain: (sibling(chain, 2),) * 2),
    Reason.UNCLE_PARENT: before_the_merge(lambda chain: (sibling(chain, 2).with_changes(parent_hash=bytes(32)),)),
    Reason.WITHDRAWALS_PRESENCE: imported(lambda block: replace(block, withdrawals=None)),
    Reason.SIDECAR_IN_BLOCK: imported(
        lambda block: replace(block, transactions=(replace(block.transactions[0], sidecar=BlobSidecar(0, (), (), ())),))
    ),
    Reason.BLOCK_SIZE: imported(body(*[transfer(nonce, data=BIG) for nonce in range(MAX_BLOCK_BYTES // len(BIG))])),
    Reason.UNSIGNED_TRANSACTION: imported(body(transfer(1).impersonating(ALICE))),
    Reason.SYSTEM_CONTRACT_MISSING: lambda: system.require_success(A, system.SystemCallResult(False, b"", None)),
    Reason.SYSTEM_CALL_FAILED: lambda: system.require_success(A, system.SystemCallResult(True, b"", "out of gas")),
    Reason.DEPOSIT_MALFORMED: lambda: system.deposits([[deposit_log()]], A),
    Reason.FIELD_OUT_OF_RANGE: simulated(
        SimulatedBlock(overrides=CallOverrides(block=BlockOverrides(gas_limit=1 << 64)))
    ),
    Reason.SIMULATION_EMPTY: simulated(),
    Reason.SIMULATION_BLOCK_COUNT: simulated(*[SPIN] * (MAX_BLOCKS + 1)),
    Reason.SIMULATION_CALL_COUNT: lambda: check_size([SimulatedBlock(calls=(CALL,) * (MAX_CALLS_PER_BLOCK + 1))]),
    Reason.SIMULATION_BLOCK_NUMBERS: simulated(SimulatedBlock(overrides=CallOverrides(block=BlockOverrides(number=0)))),
    Reason.SIMULATION_TIMESTAMPS: simulated(SimulatedBlock(overrides=CallOverrides(block=BlockOverrides(timestamp=0)))),
    Reason.SIMULATION_BLOCK_GAS: simulated(SimulatedBlock(calls=(CALL._replace(gas_limit=1 << 40),))),
    Reason.SIMULATION_GAS_CAP: lambda: GasBudget(1).take(2),
}

WORDS = {
    Reason.BLOB_CREATION: "decoding into (types.BlobTx).To",
    Reason.BLOB_HASH_VERSION: "blob 0 has invalid hash version",
    Reason.AUTHORIZATION_CREATION: "decoding into (types.SetCodeTx).To",
    Reason.SIDECAR_COUNT: "invalid number of 0 blob proofs expected 1",
    Reason.SIDECAR_HASH_MISMATCH: "mismatches transaction one",
    Reason.HEADER_FIELD_MISMATCH: "state root is",
    Reason.TIMESTAMP_BEFORE_PARENT: "is before its parent's",
    Reason.TIMESTAMP_OF_PARENT: "is not after its parent's",
    Reason.EXTRA_DATA_SIZE: "extra data has 33 bytes",
    Reason.UNCLE_COUNT: "3 uncles, at most 2",
    Reason.UNCLE_IS_ANCESTOR: "is an ancestor",
    Reason.UNCLE_NAMED_TWICE: "is named already",
    Reason.UNCLE_PARENT: "is not among the block's ancestors",
    Reason.BLOCK_SIZE: "exceeds the limit",
    Reason.UNSIGNED_TRANSACTION: "has no signature",
    Reason.SYSTEM_CONTRACT_MISSING: "has no code",
    Reason.SYSTEM_CALL_FAILED: "failed to execute: out of gas",
    Reason.DEPOSIT_MALFORMED: "deposit event has 1 bytes",
    Reason.FIELD_OUT_OF_RANGE: "impossible block",
}
"""Where the text has figures in its middle, or is none of geth's."""


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
@pytest.mark.parametrize("reason", PROVOKED)
def test_the_refusal_has_its_reason_and_its_text(reason: Reason) -> None:
    with pytest.raises(RefusalError) as caught:
        PROVOKED[reason]()
    assert caught.value.reason is reason, caught.value.message
    assert WORDS.get(reason, reason.value) in caught.value.message


def test_every_reason_has_a_test_and_a_code() -> None:
    assert list(PROVOKED) == list(Reason)
    assert set(SIMULATION_CODES) == set(Reason)


@pytest.mark.lengthy
def test_every_reason_is_given_by_some_code() -> None:
    named = {
        node.attr
        for file, tree in trees(ROOT, ["chain"], r"\bReason\.")
        if file.name != "errors.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert named == set(Reason.__members__)
