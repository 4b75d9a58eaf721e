"""A consensus client's part of the Engine API, played by the tests upon a chain in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.chain.chain_fixtures import ALICE, BOB, open_chain
from zevm.chain.blockchain import Chain
from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.engine.driver import Engine, Forkchoice, ForkchoiceResult, PayloadStatus, Status
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.engine.payload import ExecutionPayload, PayloadCall
from zevm.chain.options import ChainOptions
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Transaction
from zevm.storage.database import Database

START = 1_900_000_000
SLOT_SECONDS = 12
FEE_RECIPIENT = b"\xfe" * 20
EXTERNAL_CONSENSUS = ChainOptions(external_consensus=True)
ZERO = bytes(32)
VERSIONS = {Fork.PARIS: (1, 1, 1), Fork.SHANGHAI: (2, 2, 2), Fork.CANCUN: (3, 3, 3), Fork.PRAGUE: (4, 3, 4)}
"""Fork -> versions of newPayload, forkchoiceUpdated and getPayload; later forks as Prague but for getPayloadV5."""


def payload_of(block: Block) -> ExecutionPayload:
    """The payload that a block is sent as."""
    header = block.header
    assert header.base_fee_per_gas is not None
    return ExecutionPayload(
        parent_hash=header.parent_hash,
        fee_recipient=header.coinbase,
        state_root=header.state_root,
        receipts_root=header.receipts_root,
        logs_bloom=header.logs_bloom,
        prev_randao=header.mix_hash,
        number=header.number,
        gas_limit=header.gas_limit,
        gas_used=header.gas_used,
        timestamp=header.timestamp,
        extra_data=header.extra_data,
        base_fee_per_gas=header.base_fee_per_gas,
        block_hash=header.hash,
        transactions=tuple(transaction.encoded for transaction in block.transactions),
        withdrawals=block.withdrawals,
        blob_gas_used=header.blob_gas_used,
        excess_blob_gas=header.excess_blob_gas,
    )


class Consensus:
    """Drives a chain as a consensus client does; every call runs on the chain's writer."""

    def __init__(self, chain: Chain, engine: Engine | None = None) -> None:
        self.chain = chain
        self.engine = engine or chain.writer.run(Engine, chain)

    @property
    def head(self) -> bytes:
        return self.chain.head.header.hash

    def run(self, function: Any, *arguments: Any) -> Any:
        return self.chain.writer.run(function, *arguments)

    def send(self, *transactions: Transaction) -> None:
        for transaction in transactions:
            self.run(self.chain.send_transaction, transaction)

    def versions(self, timestamp: int) -> tuple[int, int, int]:
        fork = self.chain.schedule.fork_at(1, timestamp)
        return VERSIONS.get(fork, (4, 3, 5))

    def call(self, block: Block, requests: tuple[bytes, ...] = (), **changes: Any) -> PayloadCall:
        """engine_newPayload's parameters for a block; `changes` are of the payload, which keeps its hash."""
        version = self.versions(block.header.timestamp)[0]
        hashes = tuple(item for transaction in block.transactions for item in transaction.blob_versioned_hashes)
        payload = replace(payload_of(block), **changes)
        return PayloadCall(
            version,
            payload,
            hashes if version >= 3 else None,
            block.header.parent_beacon_block_root if version >= 3 else None,
            requests if version >= 4 else None,
        )

    def new_payload(self, block: Block, requests: tuple[bytes, ...] = ()) -> PayloadStatus:
        status: PayloadStatus = self.run(self.engine.new_payload, self.call(block, requests))
        return status

    def forkchoice(
        self,
        head: bytes,
        attributes: PayloadAttributes | None = None,
        *,
        safe: bytes = ZERO,
        finalized: bytes = ZERO,
        version: int | None = None,
    ) -> ForkchoiceResult:
        if version is None:
            version = self.versions(START if attributes is None else attributes.timestamp)[1]
        choice = Forkchoice(head, safe, finalized)
        result: ForkchoiceResult = self.run(self.engine.forkchoice_updated, version, choice, attributes)
        return result

    def attributes(self, salt: int = 0, **changes: Any) -> PayloadAttributes:
        """Attributes of a block a slot after the head; another salt makes another block."""
        timestamp = max(self.chain.head.header.timestamp, START) + SLOT_SECONDS
        version = self.versions(timestamp)[1]
        chosen = PayloadAttributes(
            timestamp=timestamp,
            prev_randao=salt.to_bytes(32, "big"),
            fee_recipient=FEE_RECIPIENT,
            withdrawals=() if version >= 2 else None,
            parent_beacon_block_root=b"\xbb" * 32 if version >= 3 else None,
        )
        return replace(chosen, **changes)

    def build(self, salt: int = 0, *, parent: bytes | None = None, **changes: Any) -> Block:
        """Have a block built upon the head, or upon `parent`, which then is the head."""
        if parent is not None:
            assert self.forkchoice(parent).status.status is Status.VALID
        attributes = self.attributes(salt, **changes)
        result = self.forkchoice(self.head, attributes)
        assert result.payload_id is not None
        built = self.run(self.engine.get_payload, self.versions(attributes.timestamp)[2], result.payload_id)
        block: Block = built.block
        return block

    def extend(self, count: int = 1, salt: int = 0, *, parent: bytes | None = None) -> list[Block]:
        """Build blocks one upon another, and make each the head."""
        blocks = []
        for _ in range(count):
            block = self.build(salt, parent=parent)
            parent = None
            assert self.new_payload(block) == PayloadStatus(Status.VALID, block.hash)
            assert self.forkchoice(block.hash).status == PayloadStatus(Status.VALID, block.hash)
            blocks.append(block)
        return blocks


def genesis_at(fork: Fork) -> Genesis:
    """A genesis in which everything up to `fork` is active."""
    return Genesis.default(accounts=[ALICE, BOB], fork=fork, timestamp=START - 1)


@contextmanager
def engine_chain(
    database: Database | None = None,
    *,
    fork: Fork = Fork.BPO2,
    genesis: Genesis | None = None,
    limits: EngineLimits | None = None,
) -> Iterator[Consensus]:
    """A chain that waits for its consensus client."""
    chain = open_chain(database, genesis=genesis or genesis_at(fork), options=EXTERNAL_CONSENSUS)
    try:
        yield Consensus(chain, chain.writer.run(Engine, chain, limits))
    finally:
        chain.close()
