"""Mistaken consensus clients: payloads altered, out of order and twice, and heads unknown and invalid."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from tests.chain.chain_fixtures import BOB, transfer
from tests.chain.engine.engine_fixtures import START, ZERO, Consensus, engine_chain
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.engine.driver import PayloadStatus, Status
from zevm.chain.engine.errors import EngineError
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.types import Block

OPERATIONS = 120
LIMITS = EngineLimits(reorg_blocks=5, side_blocks=40)
FALSE_FIELDS: dict[str, object] = {
    "state_root": b"\x01" * 32,
    "receipts_root": b"\x01" * 32,
    "gas_used": 1,
    "timestamp": START - 1,
    "base_fee_per_gas": 7,
    "excess_blob_gas": 131_072,
    "logs_bloom": b"\x01" * 256,
    "gas_limit": 1,
}
ALTERED_FIELDS: dict[str, object] = {
    "fee_recipient": b"\x05" * 20,
    "prev_randao": b"\x05" * 32,
    "number": 2**64 - 1,
    "timestamp": 2**64 - 1,
    "gas_used": 2**64 - 1,
    "gas_limit": 0,
    "base_fee_per_gas": 2**256 - 1,
    "extra_data": bytes(33),
    "logs_bloom": b"",
    "transactions": (b"\x02\xff",),
    "withdrawals": None,
    "blob_gas_used": None,
    "excess_blob_gas": None,
    "block_hash": ZERO,
    "parent_hash": ZERO,
}


@pytest.fixture(scope="module")
def tree() -> list[Block]:
    """A trunk of eight blocks with a transaction each, and two branches of four and five."""
    with engine_chain() as consensus:
        trunk = []
        for nonce in range(8):
            consensus.send(transfer(nonce, to=BOB))
            trunk += consensus.extend()
        blocks = list(trunk)
        for salt, (fork_at, length) in enumerate(((2, 4), (4, 5)), 1):
            blocks += consensus.extend(length, salt, parent=trunk[fork_at].hash)
        return blocks


@dataclass
class Clients:
    """Calls at random, and what must have come of them. executed: hashes; sent: good and false blocks by hash."""

    consensus: Consensus
    tree: list[Block]
    rng: random.Random
    executed: set[bytes] = field(default_factory=set)
    sent: dict[bytes, Block] = field(default_factory=dict)
    false: set[bytes] = field(default_factory=set)

    def payload(self) -> None:
        block = self.rng.choice(self.tree)
        self._sent(block, self.consensus.new_payload(block))

    def false_payload(self) -> None:
        """A block whose hash is right and whose content is not."""
        block = self.rng.choice(self.tree)
        name = self.rng.choice(list(FALSE_FIELDS))
        false = replace(block, header=block.header.with_changes(**{name: FALSE_FIELDS[name]}))
        self.false.add(false.hash)
        self._sent(false, self.consensus.new_payload(false))

    def altered_payload(self) -> None:
        """A payload whose hash is another block's; or one that does not fit its version."""
        name = self.rng.choice(list(ALTERED_FIELDS))
        call = self.consensus.call(self.rng.choice(self.tree), **{name: ALTERED_FIELDS[name]})
        status = self.consensus.run(self.consensus.engine.new_payload, call)
        assert (status.status, status.latest_valid_hash) == (Status.INVALID, None), name

    def choice(self) -> None:
        head = self.rng.choice([*self.tree, *self.sent.values()]).hash
        known = sorted(self.executed)
        safe, finalized = (self.rng.choice([ZERO, ZERO, b"\x07" * 32, *known[:2]]) for _ in range(2))
        before = self.consensus.head
        try:
            status = self.consensus.forkchoice(head, safe=safe, finalized=finalized).status
        except EngineError:
            self._settle(head)
            assert self.consensus.head == before
            raise
        assert (status.status is Status.VALID) == self._settle(head)
        if status.status is not Status.VALID:
            assert self.consensus.head == before
        elif self.consensus.head != head:
            assert self.consensus.head == before
            assert self.sent[head].number < self._final_number()

    def build(self) -> None:
        identifier = self.consensus.forkchoice(self.consensus.head, self.consensus.attributes(self.rng.randrange(3)))
        if identifier.payload_id is not None:
            self.consensus.run(self.consensus.engine.get_payload, 5, identifier.payload_id)
        self.consensus.run(self.consensus.engine.get_payload, 5, b"\x03" + self.rng.randbytes(7))

    def attributes(self) -> None:
        """Attributes of a time before the head's."""
        self.consensus.forkchoice(self.consensus.head, self.consensus.attributes(timestamp=START - 7, salt=1))

    def _final_number(self) -> int:
        finalized = self.consensus.chain.canonical.checkpoints.finalized
        return 0 if finalized is None else self.sent[bytes(finalized)].number

    def _sent(self, block: Block, status: PayloadStatus) -> None:
        self.sent[block.hash] = block
        parent = block.header.parent_hash
        if parent in self.executed and block.hash not in self.false:
            self.executed.add(block.hash)
        if block.hash in self.executed:
            assert status == PayloadStatus(Status.VALID, block.hash)
        elif parent in self.executed:
            assert (status.status, status.latest_valid_hash) == (Status.INVALID, parent)
        else:
            assert status.status in (Status.SYNCING, Status.INVALID)

    def _settle(self, head: bytes) -> bool:
        """Whether a head can be executed from what was sent; what can is executed then."""
        way: list[bytes] = []
        while head not in self.executed:
            if head not in self.sent:
                return False
            way.append(head)
            head = self.sent[head].header.parent_hash
        for block_hash in reversed(way):
            if block_hash in self.false:
                return False
            self.executed.add(block_hash)
        return True


@pytest.mark.parametrize("seed", range(10))
def test_calls_at_random_never_harm_the_chain(seed: int, tree: list[Block]) -> None:
    with engine_chain(limits=LIMITS) as consensus:
        genesis = consensus.chain.block_by_number(0)
        assert genesis is not None
        clients = Clients(consensus, tree, random.Random(seed), {consensus.head})
        clients.sent[consensus.head] = genesis
        operations = [clients.payload, clients.choice, clients.false_payload, clients.altered_payload, clients.build]
        refused = 0
        for _ in range(OPERATIONS):
            operation = clients.rng.choices([*operations, clients.attributes], [6, 6, 2, 2, 1, 1])[0]
            try:
                operation()
            except EngineError:
                refused += 1
            for number in range(consensus.chain.head.number + 1):
                block = consensus.chain.block_by_number(number)
                assert block is not None
                assert block.hash in clients.executed
        assert refused > 0
        assert consensus.chain.head.number > 0
        assert list(deep_problems(consensus.chain.canonical)) == []
