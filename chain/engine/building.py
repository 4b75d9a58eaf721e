"""Payload building: a block for the consensus client out of the pool, under the attributes that it gave."""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from zevm.chain.blockchain import Chain
from zevm.chain.blocks.context import BlockSettings
from zevm.chain.calls.payload import Payload, PayloadAttributes, PayloadExecution
from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.chain.rules.blobs import cell_sidecar
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
    """One build process. `pool_version`: the pool that `payload` was filled from; None while it is empty."""

    parent: Header
    attributes: PayloadAttributes
    fork: Fork
    payload: Payload
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
        payload = self._execution(parent, attributes).seal()
        self._builds[identifier] = Build(parent, attributes, fork, payload)
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
            sealed, sidecars = build.payload.sealed, build.payload.sidecars
            if build.fork >= Fork.OSAKA:
                sidecars = tuple([cell_sidecar(sidecar) for sidecar in sidecars])
            build.served = BuiltPayload(sealed.block, sealed.tips_wei, sealed.requests or (), sidecars)
        return build.served

    def _fill(self, identifier: bytes) -> None:
        """Build again if the pool has changed. The pool follows the head, so it does not apply to another block."""
        chain, build = self._chain, self._builds.get(identifier)
        if build is None or build.served is not None or build.parent.hash != chain.head.header.hash:
            return
        version = chain.pool.version
        if build.pool_version == version:
            return
        build.payload = self._execution(build.parent, build.attributes).fill()
        build.pool_version = version

    def _execution(self, parent: Header, attributes: PayloadAttributes) -> PayloadExecution:
        target = self._chain.settings.gas_limit or parent.gas_limit
        return PayloadExecution(self._chain, parent, attributes, BlockSettings(), gas_limit_target=target)
