"""Payload building: a block for the consensus client out of the pool, under the attributes that it gave."""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace

from zevm.chain.blockchain import Chain
from zevm.chain.blocks.context import BlockSettings
from zevm.chain.blocks.execution import BlockExecution, SealedBlock
from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.chain.rules.blobs import cell_sidecar
from zevm.chain.rules.fees import next_gas_limit
from zevm.chain.rules.forks import Fork
from zevm.chain.types import BlobSidecar, Block, Header

BUILDS_KEPT = 10


@dataclass(frozen=True, slots=True)
class BuiltPayload:
    """A block for the consensus client.

    value_wei: the tips that it pays to the fee recipient. requests: see SealedBlock.
    sidecars: of its blob transactions in order; with cell proofs from Osaka on (EIP-7594).
    """

    block: Block
    value_wei: int
    requests: tuple[bytes, ...]
    sidecars: tuple[BlobSidecar, ...]


@dataclass(slots=True)
class Build:
    """One build process. `pool_version`: the pool that `sealed` was filled from; None while it is empty."""

    parent: Header
    attributes: PayloadAttributes
    fork: Fork
    sealed: SealedBlock
    sidecars: tuple[BlobSidecar, ...] = ()
    pool_version: int | None = None
    served: BuiltPayload | None = None


class PayloadBuilder:
    """The build processes of one chain, the newest few. Only the writer's thread uses this."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._builds: OrderedDict[bytes, Build] = OrderedDict()

    def begin(self, identifier: bytes, parent: Header, attributes: PayloadAttributes) -> None:
        """Start building on the head, unless a build is running: empty at once, and filled in the writer's next turn.

        Raises BlockError where no block can be built.
        """
        if identifier in self._builds:
            return
        chain = self._chain
        fork = chain.schedule.fork_at(parent.number + 1, attributes.timestamp)
        execution, header = self._execution(parent, attributes)
        sealed = execution.seal(header, withdrawals=attributes.withdrawals or ())
        self._builds[identifier] = Build(parent, attributes, fork, sealed)
        if len(self._builds) > BUILDS_KEPT:
            self._builds.popitem(last=False)
        # a node that stops does not need the block any more
        with suppress(WriterStoppedError):
            chain.writer.submit(self._fill, identifier)

    def get(self, identifier: bytes) -> Build | None:
        """A build process, filled from the pool as it is now."""
        self._fill(identifier)
        return self._builds.get(identifier)

    def serve(self, build: Build) -> BuiltPayload:
        """The payload, which does not change any more once it was handed out."""
        if build.served is None:
            sidecars = build.sidecars
            if build.fork >= Fork.OSAKA:
                sidecars = tuple([cell_sidecar(sidecar) for sidecar in sidecars])
            record = build.sealed.record
            base_fee = record.block.header.base_fee_per_gas or 0
            value = sum((receipt.effective_gas_price - base_fee) * receipt.gas_used for receipt in record.receipts)
            build.served = BuiltPayload(record.block, value, build.sealed.requests or (), sidecars)
        return build.served

    def _fill(self, identifier: bytes) -> None:
        """Build again if the pool has changed. The pool follows the head, so it does not apply to another block."""
        chain, build = self._chain, self._builds.get(identifier)
        if build is None or build.served is not None or build.parent.hash != chain.head.header.hash:
            return
        version = chain.pool.version
        if build.pool_version == version:
            return
        execution, header = self._execution(build.parent, build.attributes)
        chain.fill(execution)
        waiting = [chain.pool.get(item.hash) for item in execution.transactions if item.blob_versioned_hashes]
        sidecars = [item.sidecar for item in waiting if item is not None and item.sidecar is not None]
        withdrawals = build.attributes.withdrawals or ()
        build.sealed = execution.seal(header, withdrawals=withdrawals)
        build.sidecars, build.pool_version = tuple(sidecars), version

    def _execution(self, parent: Header, attributes: PayloadAttributes) -> tuple[BlockExecution, Header]:
        chain = self._chain
        target = chain.settings.gas_limit or parent.gas_limit
        settings = BlockSettings(
            coinbase=attributes.fee_recipient,
            gas_limit=next_gas_limit(parent.gas_limit, target),
            prev_randao=attributes.prev_randao,
        )
        header = chain.spec.next_header(parent, attributes.timestamp, settings)
        if attributes.parent_beacon_block_root is not None:
            header = replace(header, parent_beacon_block_root=attributes.parent_beacon_block_root)
        state = chain.canonical.state_of(parent)
        environment = chain.spec.environment(header, chain.records.canonical_hash)
        return BlockExecution(environment, chain.database.state, state), header
