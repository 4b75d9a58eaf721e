"""Payload building: what a built block holds in every fork, its name, blobs, requests, contracts of both machines."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest

from tests.chain.chain_fixtures import ALICE, CAROL, GWEI, KEYS, creation, sign, transfer
from tests.chain.engine.engine_fixtures import FEE_RECIPIENT, START, Consensus, engine_chain, genesis_at
from tests.chain.zvm.contracts import contract, invoke, word
from zevm.chain.blocks.importer import MAX_BLOCK_BYTES
from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.engine import errors
from zevm.chain.engine.attributes import payload_id
from zevm.chain.engine.building import BUILDS_KEPT, BuiltPayload
from zevm.chain.engine.driver import PayloadStatus, Status
from zevm.chain.native.kzg import CELLS_PER_BLOB
from zevm.chain.native.process import BLOBS
from zevm.chain.rules.blobs import make_sidecar, versioned_hash
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.predeploys import WITHDRAWAL_REQUESTS_ADDRESS
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.types.block import Withdrawal
from zevm.chain.vm.calls import contract_address
from zevm.chain.zvm.module.creation import creation_data

KEY, VALUE, ARGUMENT = 64, 96, 0
# adds its call data to slot 1 and logs the sum
COUNTER = contract(
    f"""{invoke("read_args", ARGUMENT)} {invoke("storage_load_bytes32", KEY, VALUE)}
    {invoke("math_add_mod", VALUE, ARGUMENT, 128)} {invoke("storage_cache_bytes32", KEY, VALUE)}
    {invoke("storage_flush_cache", 1)} {invoke("emit_log", VALUE, 32, 0)}""",
    data={KEY: word(1), 128: b"\xff" * 32},
)


@pytest.fixture
def consensus() -> Iterator[Consensus]:
    with engine_chain() as consensus:
        yield consensus


def built(consensus: Consensus, attributes: PayloadAttributes, version: int) -> BuiltPayload:
    identifier = consensus.forkchoice(consensus.head, attributes).payload_id
    assert identifier is not None
    payload: BuiltPayload = consensus.run(consensus.engine.get_payload, version, identifier)
    return payload


@pytest.mark.parametrize("fork", [Fork.PARIS, Fork.SHANGHAI, Fork.CANCUN, Fork.PRAGUE, Fork.OSAKA, Fork.BPO2])
def test_blocks_of_every_fork_are_built_and_taken(fork: Fork) -> None:
    with engine_chain(fork=fork) as consensus:
        _, _, version = consensus.versions(START)
        for nonce in range(3):
            consensus.send(transfer(nonce, 5, to=CAROL))
            changes = {} if fork < Fork.SHANGHAI else {"withdrawals": (Withdrawal(nonce, 7, CAROL, 1),)}
            attributes = replace(consensus.attributes(nonce), **changes)
            payload = built(consensus, attributes, version)
            header = payload.block.header
            assert (header.coinbase, header.timestamp) == (FEE_RECIPIENT, attributes.timestamp)
            assert (header.mix_hash, header.parent_beacon_block_root) == (
                attributes.prev_randao,
                attributes.parent_beacon_block_root,
            )
            assert [item.nonce for item in payload.block.transactions] == [nonce]
            assert payload.value_wei == 21_000 * GWEI
            assert consensus.new_payload(payload.block, payload.requests).status is Status.VALID
            assert consensus.forkchoice(payload.block.hash).status.status is Status.VALID
        account = consensus.chain.head.state.account(CAROL)
        assert account is not None
        assert account.balance == 15 + (0 if fork < Fork.SHANGHAI else 3 * GWEI)
        paid = consensus.chain.head.state.account(FEE_RECIPIENT)
        assert paid is not None
        assert paid.balance == 3 * 21_000 * GWEI


def test_a_payload_follows_the_pool_until_it_is_handed_out(consensus: Consensus) -> None:
    attributes = consensus.attributes()
    identifier = consensus.forkchoice(consensus.head, attributes).payload_id
    assert identifier == payload_id(3, consensus.head, attributes)
    consensus.send(transfer(0), transfer(1))
    first = consensus.run(consensus.engine.get_payload, 5, identifier)
    assert len(first.block.transactions) == 2
    consensus.send(transfer(2))
    assert consensus.forkchoice(consensus.head, attributes).payload_id == identifier
    assert consensus.run(consensus.engine.get_payload, 5, identifier) is first
    assert len(consensus.build(salt=1).transactions) == 3


def test_payload_ids_differ_with_everything_that_is_asked_for(consensus: Consensus) -> None:
    plain = consensus.attributes()
    others = [
        replace(plain, timestamp=plain.timestamp + 1),
        replace(plain, prev_randao=b"\x01" * 32),
        replace(plain, fee_recipient=bytes(20)),
        replace(plain, withdrawals=(Withdrawal(0, 0, CAROL, 1),)),
        replace(plain, parent_beacon_block_root=bytes(32)),
    ]
    names = {payload_id(3, consensus.head, item) for item in (plain, *others)} | {payload_id(3, bytes(32), plain)}
    assert len(names) == 7
    assert all(len(name) == 8 and name[0] == 3 for name in names)
    # sha256 over parent, big-endian time, randao, recipient, RLP of no withdrawals, and beacon root
    assert plain.parent_beacon_block_root is not None
    parts = (consensus.head, plain.timestamp.to_bytes(8, "big"), plain.prev_randao, plain.fee_recipient, b"\xc0")
    digest = sha256(b"".join((*parts, plain.parent_beacon_block_root))).digest()
    assert payload_id(3, consensus.head, plain) == b"\x03" + digest[1:8]


def test_only_the_newest_builds_are_kept(consensus: Consensus) -> None:
    names = [consensus.forkchoice(consensus.head, consensus.attributes(salt)).payload_id for salt in range(11)]
    assert len(names) - 1 == BUILDS_KEPT
    with pytest.raises(errors.UnknownPayloadError):
        consensus.run(consensus.engine.get_payload, 5, names[0])
    for name in names[1:]:
        assert consensus.run(consensus.engine.get_payload, 5, name).block.number == 1


def test_a_block_is_built_upon_the_head_that_was_when_it_was_asked_for(consensus: Consensus) -> None:
    attributes = consensus.attributes(1)
    genesis = consensus.head
    identifier = consensus.forkchoice(genesis, attributes).payload_id
    consensus.send(transfer(0))
    consensus.extend(2)
    block = consensus.run(consensus.engine.get_payload, 5, identifier).block
    assert (block.number, block.header.parent_hash, block.transactions) == (1, genesis, ())
    assert consensus.new_payload(block).status is Status.VALID


def test_the_gas_limit_moves_slowly_to_the_configured_one(consensus: Consensus) -> None:
    consensus.run(partial(consensus.chain.change_settings, gas_limit=40_000_000))
    block = consensus.extend()[0]
    assert block.header.gas_limit == 60_000_000 - (60_000_000 // 1024 - 1)


@pytest.mark.parametrize(
    ("fork", "version", "changes", "error", "words"),
    [
        (Fork.BPO2, 3, {"timestamp": START - 1}, errors.InvalidAttributesError, "invalid timestamp, parent"),
        (Fork.BPO2, 3, {"withdrawals": None}, errors.InvalidAttributesError, "missing withdrawals"),
        (Fork.BPO2, 3, {"parent_beacon_block_root": None}, errors.InvalidAttributesError, "missing beacon root"),
        (Fork.BPO2, 2, {}, errors.InvalidAttributesError, "unexpected beacon root"),
        (Fork.BPO2, 2, {"parent_beacon_block_root": None}, errors.UnsupportedForkError, "fcuV2 must only"),
        (Fork.BPO2, 1, {}, errors.InvalidParametersError, "not supported in V1"),
        (Fork.SHANGHAI, 2, {"withdrawals": None}, errors.InvalidAttributesError, "missing withdrawals"),
        (Fork.PARIS, 2, {"withdrawals": ()}, errors.InvalidAttributesError, "withdrawals before shanghai"),
        (
            Fork.SHANGHAI,
            3,
            {"parent_beacon_block_root": bytes(32)},
            errors.UnsupportedForkError,
            "fcuV3 must only be called for cancun",
        ),
    ],
)
def test_attributes_that_do_not_fit_leave_the_fork_choice(
    fork: Fork, version: int, changes: dict[str, object], error: type[errors.EngineError], words: str
) -> None:
    with engine_chain(fork=fork) as consensus:
        block = consensus.build()
        consensus.new_payload(block)
        attributes = replace(consensus.attributes(), timestamp=block.header.timestamp + 12)
        with pytest.raises(error, match=words):
            consensus.forkchoice(block.hash, replace(attributes, **changes), version=version)
        assert consensus.head == block.hash


def test_versions_of_getpayload_serve_their_forks_alone(consensus: Consensus) -> None:
    identifier = consensus.forkchoice(consensus.head, consensus.attributes()).payload_id
    for version in (1, 2, 3, 4):
        with pytest.raises(errors.UnsupportedForkError):
            consensus.run(consensus.engine.get_payload, version, identifier)
    with pytest.raises(errors.UnknownPayloadError):
        consensus.run(consensus.engine.get_payload, 5, b"\x03" + bytes(7))


@pytest.mark.parametrize(
    ("fork", "version", "changes", "error", "words"),
    [
        (Fork.BPO2, 3, {}, errors.UnsupportedForkError, "newPayloadV3 must only be called for cancun"),
        (Fork.CANCUN, 4, {"requests": ()}, errors.UnsupportedForkError, "newPayloadV4 must only be called"),
        (Fork.BPO2, 2, {}, errors.UnsupportedForkError, "newPayloadV2 post-cancun"),
        (Fork.BPO2, 1, {}, errors.InvalidParametersError, "withdrawals not supported in V1"),
        (Fork.BPO2, 4, {"requests": None}, errors.InvalidParametersError, "nil executionRequests"),
        (Fork.BPO2, 4, {"versioned_hashes": None}, errors.InvalidParametersError, "nil versionedHashes"),
        (Fork.BPO2, 4, {"parent_beacon_block_root": None}, errors.InvalidParametersError, "nil beaconRoot"),
        (Fork.BPO2, 4, {"requests": (b"\x01",)}, errors.InvalidParametersError, "empty request"),
        (Fork.BPO2, 4, {"requests": (b"\x02a", b"\x01a")}, errors.InvalidParametersError, "invalid request order"),
        (Fork.BPO2, 4, {"requests": (b"\x01a", b"\x01b")}, errors.InvalidParametersError, "invalid request order"),
    ],
)
def test_parameters_that_do_not_fit_the_version(
    fork: Fork, version: int, changes: dict[str, object], error: type[errors.EngineError], words: str
) -> None:
    with engine_chain(fork=fork) as consensus:
        call = replace(consensus.call(consensus.build()), version=version, **changes)
        with pytest.raises(error, match=words):
            consensus.run(consensus.engine.new_payload, call)


@pytest.mark.parametrize(
    ("fork", "changes", "words"),
    [
        (Fork.BPO2, {"withdrawals": None}, "nil withdrawals"),
        (Fork.BPO2, {"blob_gas_used": None}, "nil blobGasUsed"),
        (Fork.BPO2, {"excess_blob_gas": None}, "nil excessBlobGas"),
        (Fork.SHANGHAI, {"withdrawals": None}, "nil withdrawals"),
        (Fork.SHANGHAI, {"blob_gas_used": 0}, "non-nil blobGasUsed"),
        (Fork.SHANGHAI, {"excess_blob_gas": 0}, "non-nil excessBlobGas"),
        (Fork.PARIS, {"withdrawals": ()}, "withdrawals not supported in V1"),
    ],
)
def test_fields_that_do_not_fit_the_fork(fork: Fork, changes: dict[str, object], words: str) -> None:
    with engine_chain(fork=fork) as consensus, pytest.raises(errors.InvalidParametersError, match=words):
        consensus.run(consensus.engine.new_payload, consensus.call(consensus.build(), **changes))


@pytest.mark.lengthy
def test_a_block_stays_within_its_size() -> None:
    """EIP-7934: 70 transactions of nearly 128 KiB are more than a block's 8 MiB."""
    genesis = genesis_at(Fork.OSAKA).with_changes(gas_limit=200_000_000)
    with engine_chain(genesis=genesis) as consensus:
        size = 130_000
        for nonce in range(70):
            consensus.send(transfer(nonce, 0, data=bytes(size), gas_limit=21_000 + 10 * size))
        block = consensus.build()
        assert MAX_BLOCK_BYTES - 2 * size < len(block.encode()) <= MAX_BLOCK_BYTES
        assert consensus.new_payload(block).status is Status.VALID


def test_requests_reach_the_consensus_client(consensus: Consensus) -> None:
    # EIP-7002: a 48-byte public key and an amount in gwei, and the fee of 1 wei
    request = b"\x07" * 48 + (5).to_bytes(8, "big")
    consensus.send(transfer(0, 1, to=WITHDRAWAL_REQUESTS_ADDRESS, data=request, gas_limit=200_000))
    payload = built(consensus, consensus.attributes(), 5)
    assert payload.requests == (b"\x01" + ALICE + request[:48] + request[48:][::-1],)
    status = consensus.new_payload(payload.block)
    assert (status.status, "blockhash mismatch" in (status.error or "")) == (Status.INVALID, True)
    assert consensus.new_payload(payload.block, payload.requests).status is Status.VALID
    assert consensus.forkchoice(payload.block.hash).status.status is Status.VALID


def blob_transaction(nonce: int = 0) -> Transaction:
    sidecar = make_sidecar([b"\x00" * 131_071 + b"\x07"])
    hashes = tuple(versioned_hash(commitment) for commitment in sidecar.commitments)
    unsigned = Transaction(
        type=TransactionType.BLOB,
        chain_id=31337,
        nonce=nonce,
        max_fee_per_gas=10 * GWEI,
        max_priority_fee_per_gas=GWEI,
        gas_limit=21_000,
        to=CAROL,
        max_fee_per_blob_gas=GWEI,
        blob_versioned_hashes=hashes,
        sidecar=sidecar,
    )
    return sign(unsigned, KEYS[0])


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
def test_blobs_come_with_the_payload_and_return_to_the_pool() -> None:
    transaction = blob_transaction()
    with engine_chain(fork=Fork.PRAGUE) as consensus:
        consensus.send(transaction)
        payload = built(consensus, consensus.attributes(), 4)
        assert payload.sidecars == (transaction.sidecar,)
        consensus.new_payload(payload.block)
        consensus.forkchoice(payload.block.hash)
        assert consensus.chain.pool.get(transaction.hash) is None
        consensus.forkchoice(payload.block.header.parent_hash)
        returned = consensus.chain.pool.get(transaction.hash)
        assert returned is not None
        assert returned.sidecar == transaction.sidecar
    with engine_chain(fork=Fork.OSAKA) as consensus:
        consensus.send(transaction)
        sidecar = built(consensus, consensus.attributes(), 5).sidecars[0]
        assert (sidecar.version, len(sidecar.proofs)) == (1, CELLS_PER_BLOB)
        assert BLOBS.call("cells_are_proven", sidecar.blobs, sidecar.commitments, sidecar.proofs)


def test_contracts_of_both_machines_run_in_blocks_built_and_taken(consensus: Consensus) -> None:
    counter = contract_address(ALICE, 0)
    # forwards its call data to the counter and stores whether that succeeded
    caller = bytes.fromhex("60206000600037" + "60006000" + "60206000" + "6000" + "73") + counter
    caller += bytes.fromhex("5af1600055")
    consensus.send(transfer(0, 0, to=None, data=creation_data(COUNTER), gas_limit=3_000_000), creation(1, caller))
    first = consensus.extend()[0]
    added = [(2, counter, 5), (3, contract_address(ALICE, 1), 7)]
    consensus.send(*[transfer(nonce, 0, to=to, data=word(value), gas_limit=500_000) for nonce, to, value in added])
    second = consensus.extend()[0]
    assert [len(block.transactions) for block in (first, second)] == [2, 2]
    receipts = consensus.chain.receipts(second.hash)
    assert receipts is not None
    assert [[log.data for log in receipt.logs] for receipt in receipts] == [[word(5)], [word(12)]]
    assert consensus.chain.head.state.storage(counter, 1) == 12
    with engine_chain() as other:
        for block in (first, second):
            assert other.new_payload(block) == PayloadStatus(Status.VALID, block.hash)
        other.forkchoice(second.hash)
        assert other.chain.head.state.storage(counter, 1) == 12
        other.forkchoice(first.hash)
        assert other.chain.head.state.storage(counter, 1) == 0
