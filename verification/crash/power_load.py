"""The process whose disk loses power: a chain over a database, changed at random, with notes in the journal.

It runs with the library of journal.c. The notes say what each write changes, before it; that a synced write has
returned; and that an operation of the chain has.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from testing.load import (
    DEPLOYMENT_GAS,
    RECORDER_RUNTIME,
    WRITE_GAS,
    Signer,
    contract_address,
    creation_code,
    development_signer,
    numbered_module,
    write_data,
)
from verification.crash.losses import CHAIN_OPTIONS, NODE_LIMITS, Note, encode_note, small_sizes, started_at
from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.steps import run_through
from zevm.chain.errors import ChainError, TransactionError
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types import Transaction
from zevm.storage.database import Database
from zevm.storage.leveldb import LevelStore
from zevm.storage.log_tail import SEQUENCE_KEY
from zevm.storage.primitives import Address
from zevm.storage.schema import decode_number
from zevm.storage.store import Batch

SENDERS = 4
SLOTS = 64
MOST_BLOCKS, MOST_BLOCKS_SELDOM = 12, 160
MOST_PATCHED_SLOTS = 600
MAX_DEPTH = 3
CLOSING_SHARE = 0.5
"""Of processes that stop cleanly before the power is lost."""


def _note(kind: Note, sequence: int, batch: Batch | None = None) -> None:
    content = encode_note(kind, sequence, [] if batch is None else batch.operations)
    _LIBRARY.journal_note(content, ctypes.c_size_t(len(content)))


_LIBRARY = ctypes.CDLL(None)


class NotedDatabase(Database):
    """A database that notes its writes."""

    def _write(self, batch: Batch, *, sync: bool) -> None:
        super()._write(batch, sync=sync)
        if sync:
            _note(Note.KEPT, self.sequence)


class Driver:
    """Changes one chain at random."""

    def __init__(self, datadir: Path, chooser: random.Random) -> None:
        self.datadir = datadir
        self.random = chooser
        self.signers = [development_signer(index) for index in range(SENDERS)]
        self.contracts: list[str] = []
        self.snapshots: list[int] = []
        self.modules = 0
        self.open()

    def open(self) -> None:
        self.database = NotedDatabase.open(self.datadir, node_limits=NODE_LIMITS)
        self.chain = Chain(self.database, load_default_genesis(), self.random.choice(CHAIN_OPTIONS))
        self.chain.start()
        self.chain.writer.run(self.chain.take_up)
        self.told()

    def close(self) -> None:
        self.chain.close()
        self.database.close()

    def told(self) -> None:
        _note(Note.TOLD, self.database.sequence)

    def run(self, operations: int) -> None:
        kinds, weights = list(OPERATIONS), list(OPERATIONS.values())
        for _ in range(operations):
            operation = self.random.choices(kinds, weights)[0]
            try:
                operation(self)
            except (ChainError, TransactionError):
                # refused, such as a block below the genesis: nothing was promised
                continue
            self.told()

    def on_writer(self, work: Callable[..., object], *arguments: object) -> object:
        return self.chain.writer.run(work, *arguments)

    def transaction(self, signer: Signer, skipped: int = 0) -> Transaction:
        """The next of an account's, or one that leaves `skipped` nonces free."""
        address = Address(bytes.fromhex(signer.address[2:]))
        account = self.chain.head.state.account(address)
        signer.nonce = self.chain.pool.next_nonce(address, account.nonce if account else 0) + skipped
        choice = self.random.random()
        if choice < 0.1:
            self.contracts.append(contract_address(signer.address, signer.nonce))
            self.modules = (self.modules + 1) % 128
            code = numbered_module(self.modules) if self.random.random() < 0.5 else creation_code(RECORDER_RUNTIME)
            return _decoded(signer.sign(to=None, data="0x" + code.hex(), gas=DEPLOYMENT_GAS))
        if choice < 0.6 and self.contracts:
            data = write_data(self.random.randrange(SLOTS), self.random.getrandbits(64))
            return _decoded(signer.sign(to=self.random.choice(self.contracts), data=data, gas=WRITE_GAS))
        receiver = f"0x{self.random.randrange(1 << 16) + (1 << 32):040x}"
        return _decoded(signer.sign(to=receiver, value_wei=self.random.randrange(1, 1000)))

    # ------ operations ------

    def send(self) -> None:
        self.on_writer(self.chain.send_transaction, self.transaction(self.random.choice(self.signers)))

    def send_together(self) -> None:
        """Sends that wait in the writer's queue at once, and so may share a sync."""
        signers = self.random.sample(self.signers, self.random.randint(2, len(self.signers)))
        works = [(self.chain.send_transaction, self.transaction(signer)) for signer in signers]
        for future in self.chain.writer.submit_together(works):
            future.result()

    def send_early(self) -> None:
        """A transaction that waits for the ones before it."""
        early = self.transaction(self.random.choice(self.signers), self.random.randint(1, 2))
        self.on_writer(self.chain.send_transaction, early)

    def drop(self) -> None:
        waiting = [entry.transaction.hash for entry in self.chain.pool.snapshot().entries]
        if waiting:
            self.on_writer(self.chain.drop_transaction, self.random.choice(waiting))

    def mine(self) -> None:
        """Blocks of which only the last is synced, seldom so many that they fill a log."""
        most = MOST_BLOCKS_SELDOM if self.random.random() < 0.2 else MOST_BLOCKS
        self.on_writer(self.chain.mine, self.random.randint(1, most))

    def patch(self) -> None:
        values = [(self.random.getrandbits(32), self.random.getrandbits(256)) for _ in range(self.patched_slots())]
        address = self.random.randrange(1, 256).to_bytes(20, "big")
        self.on_writer(
            self.chain.patch_state,
            lambda state: [state.set_storage(address, slot, value) for slot, value in values],
        )

    def patched_slots(self) -> int:
        """Seldom so many that the write is larger than a block of LevelDB's log."""
        return self.random.randint(1, MOST_PATCHED_SLOTS if self.random.random() < 0.3 else 8)

    def snapshot(self) -> None:
        self.snapshots.append(int(str(self.on_writer(self.chain.snapshot))))

    def revert(self) -> None:
        if self.snapshots:
            self.on_writer(self.chain.revert, self.snapshots.pop())

    def roll_back(self) -> None:
        self.on_writer(self.chain.rollback, self.random.randint(1, MAX_DEPTH))

    def reorganise(self) -> None:
        depth = self.random.randint(1, MAX_DEPTH)
        self.on_writer(lambda: run_through(self.chain.reorg(depth, ())))

    def reset(self) -> None:
        self.on_writer(self.chain.reset)

    def prune(self) -> None:
        """As a start does that prunes a chain which was not."""
        self.on_writer(self.chain.canonical.prune)

    def restart(self) -> None:
        """A clean stop and a start, which may prune what the one before has kept."""
        self.close()
        self.snapshots = []
        self.open()


OPERATIONS: dict[Callable[[Driver], None], float] = {
    Driver.send: 40,
    Driver.send_together: 8,
    Driver.send_early: 6,
    Driver.drop: 3,
    Driver.mine: 14,
    Driver.patch: 12,
    Driver.snapshot: 4,
    Driver.revert: 4,
    Driver.roll_back: 4,
    Driver.reorganise: 5,
    Driver.reset: 0.5,
    Driver.prune: 3,
    Driver.restart: 4,
}
"""Operation -> its share."""


def _decoded(signed: tuple[str, str]) -> Transaction:
    return Transaction.decode(bytes.fromhex(signed[0][2:]))


def _begin_notes() -> None:
    """Note what each write is about to change."""
    write = LevelStore.write

    def noted(store: LevelStore, batch: Batch, *, sync: bool = True) -> None:
        _note(Note.BEGUN, _number_of(batch), batch)
        write(store, batch, sync=sync)

    mock.patch.object(LevelStore, "write", noted).start()


def _number_of(batch: Batch) -> int:
    """A batch's number, which its last operation puts."""
    key, value = batch.operations[-1]
    assert key == SEQUENCE_KEY
    assert value is not None
    return decode_number(value)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datadir", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--operations", type=int, required=True)
    parser.add_argument("--boot", required=True, help="the name of the machine's start")
    options = parser.parse_args(arguments)
    _begin_notes()
    with small_sizes(), started_at(options.boot, options.datadir.parent.parent):
        driver = Driver(options.datadir, random.Random(options.seed))
        driver.run(options.operations)
        if driver.random.random() < CLOSING_SHARE:
            driver.close()
    # power is lost: nothing is tidied
    os._exit(0)


if __name__ == "__main__":
    main()
