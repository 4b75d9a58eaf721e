"""The load of the crash test: random operations on a running node, each answer taken into the model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from testing.load import (
    DEPLOYMENT_GAS,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    contract_address,
    development_signer,
    numbered_module,
    write_data,
)
from testing.node_process import NodeError, NodeProcess, RpcError
from verification.crash.model import Effect, Model, Operation

SENDERS = (1, 2, 3, 4)
CONNECTIONS = 4
RECEIVERS = 48
SLOTS = 48
MAX_REWIND_BLOCKS = 3
FIRST_GUESS_SECONDS = 0.01
OUTRUN = ("nonce too low", "already known", "replacement transaction underpriced")
"""Refusals of a transaction whose nonce is taken by one that waited in the queue since a kill amid a burst."""
DISK_REFUSAL = "database error"
MAX_FULL_OPERATIONS = 60
"""Operations on a full disk, one of which must be refused."""
DEPLOYMENT_SHARE, TRANSFER_SHARE = 0.08, 0.5
"""Of transactions: below the first a module is deployed, below the second wei are sent; the others write a slot."""


class KilledError(Exception):
    """The node is dead, as planned. `operation` may or may not have happened."""

    def __init__(self, operation: Operation | None, mid_request: bool) -> None:
        self.operation = operation
        self.mid_request = mid_request


class Load:
    """Sends operations to one running node and keeps the model up to date with the answers."""

    def __init__(self, model: Model, random: Random, durations: dict[str, list[float]]) -> None:
        self.model = model
        self.random = random
        self.durations = durations
        self.signers = [development_signer(index) for index in SENDERS]
        self.first_rewindable = 1
        self.aim_factor = 0.0
        self.aim_at = ""
        self.automine = True
        self.refusals = 0
        self.is_full = False

    def attach(self, node: NodeProcess) -> None:
        self.node = node
        self.killed_at = 0.0
        self.connections = [node.connect() for _ in range(CONNECTIONS)]
        self.rpc = self.connections[0]

    def detach(self) -> None:
        for connection in self.connections:
            connection.close()

    # ------ sending ------

    def kill(self) -> None:
        self.killed_at = time.monotonic()
        self.node.process.kill()

    def perform(self, operation: Operation, requests: Sequence[bytes]) -> None:
        """Send all requests, each on its own connection, and read all answers.

        Raises KilledError with the answers that arrived noted in `operation`, RpcError when the node refuses.
        """
        started = time.monotonic()
        answers: list[object] = []
        try:
            for connection, request in zip(self.connections, requests, strict=False):
                connection.send(request)
            if self.aim_factor and self.aim_at in ("", operation.kind):
                usual = statistics.median(self.durations.get(operation.kind, [FIRST_GUESS_SECONDS]))
                time.sleep(self.random.uniform(0, self.aim_factor * usual))
                self.kill()
            answers = self._answers(operation, requests)
        except OSError as error:
            if not self.killed_at:
                raise NodeError(f"{error}:\n{self.node.tail()}") from error
        if self.killed_at:
            operation.done = len(answers) == len(requests)
            raise KilledError(operation, started < self.killed_at and not operation.done)
        operation.done = not operation.was_refused
        self.durations.setdefault(operation.kind, []).append(time.monotonic() - started)

    def _answers(self, operation: Operation, requests: Sequence[bytes]) -> list[object]:
        answers = []
        for position, connection in enumerate(self.connections[: len(requests)]):
            try:
                answers.append(connection.result(connection.receive()))
            except (OSError, EOFError) as error:
                if not self.killed_at:
                    raise NodeError(f"{error!r} during {operation.kind}:\n{self.node.tail()}") from error
            except RpcError as error:
                if self.is_full and DISK_REFUSAL in error.message:
                    self.refusals += 1
                    operation.was_refused = True
                    operation.refused.update(operation.sent[position : position + 1])
                    answers.append(None)
                    continue
                if not (operation.sent and error.message.startswith(OUTRUN)):
                    raise
                answers.append(None)
            else:
                if operation.sent:
                    operation.acknowledged.add(operation.sent[position])
        return answers

    def ask(self, method: str, *params: object) -> Any:
        """A read between operations. Raises KilledError when the node is gone."""
        return self.reading(None, lambda: self.rpc.call(method, *params))

    def step(self, operation: Operation, requests: Sequence[bytes]) -> None:
        """Perform an operation and take its outcome into the model."""
        self.perform(operation, requests)
        self.reading(operation, lambda: self.model.reconcile(self.rpc, operation))

    def reading(self, operation: Operation | None, read: Callable[[], Any]) -> Any:
        """The result of `read`, or KilledError that carries `operation` when the node died as planned."""
        started = time.monotonic()
        try:
            return read()
        except (OSError, EOFError) as error:
            if not self.killed_at:
                raise NodeError(f"{error!r}:\n{self.node.tail()}") from error
            raise KilledError(operation, mid_request=started < self.killed_at) from None

    # ------ operations ------

    def sign(self, signer: Signer) -> tuple[str, str]:
        """A transfer, a write or a deployment, noted in the model's effects: (raw transaction, hash)."""
        kind = self.random.random()
        if kind < DEPLOYMENT_SHARE:
            created, code = contract_address(signer.address, signer.nonce), numbered_module(self.random.randrange(128))
            raw, name = signer.sign(to=None, data="0x" + code.hex(), gas=DEPLOYMENT_GAS)
            self.model.effects[name] = Effect(signer.address, "", 0, created=created, code="0x" + code.hex())
        elif kind < TRANSFER_SHARE:
            to, value_wei = f"0x{0xC0DE0000 + self.random.randrange(RECEIVERS):040x}", self.random.randrange(1, 10**18)
            raw, name = signer.sign(to=to, value_wei=value_wei, gas=TRANSFER_GAS)
            self.model.effects[name] = Effect(signer.address, to, value_wei)
        else:
            slot, value = self.random.randrange(SLOTS), self.random.randrange(1, 2**256)
            recorder = self.random.choice(self.model.recorders)
            raw, name = signer.sign(to=recorder, data=write_data(slot, value), gas=WRITE_GAS)
            self.model.effects[name] = Effect(signer.address, recorder, 0, slot, value)
        return raw, name

    def refresh_nonces(self) -> None:
        for signer in self.signers:
            signer.nonce = int(self.ask("eth_getTransactionCount", signer.address, "pending"), 16)

    def send(self) -> None:
        """One transaction; mined before the answer under instant mining, pooled otherwise."""
        self.refresh_nonces()
        raw, name = self.sign(self.random.choice(self.signers))
        kind = "send" if self.automine and not self.model.pool else "pool"
        self.step(Operation(kind, (name,)), [self.rpc.request("eth_sendRawTransaction", raw)])

    def burst(self) -> None:
        """Transactions of several senders, or consecutive ones of one sender, at once on several connections."""
        self.refresh_nonces()
        signers = self.signers if self.random.random() < 0.5 else [self.random.choice(self.signers)] * CONNECTIONS
        signed = [self.sign(signer) for signer in signers]
        requests = [self.rpc.request("eth_sendRawTransaction", raw) for raw, _ in signed]
        self.step(Operation("burst", tuple(name for _, name in signed)), requests)

    def switch_mining(self) -> None:
        self.automine = not self.automine
        self.step(Operation("automine"), [self.rpc.request("evm_setAutomine", self.automine)])

    def mine(self) -> None:
        count = self.random.randrange(1, 4)
        self.step(Operation("mine", least_head=self.model.head + count), [self.rpc.request("hardhat_mine", hex(count))])

    def snapshot_and_revert(self) -> None:
        floor, pool = self.model.head, frozenset(self.model.pool)
        snapshot = self.ask("evm_snapshot")
        for _ in range(self.random.randrange(1, 4)):
            self.send()
        operation = Operation("revert", floor=floor, pool_after=pool, transactions=tuple(pool))
        self.step(operation, [self.rpc.request("evm_revert", snapshot)])

    def _depth(self) -> int:
        return min(self.random.randrange(1, MAX_REWIND_BLOCKS + 1), self.model.head - self.first_rewindable)

    def rollback(self) -> None:
        if (depth := self._depth()) > 0:
            operation = Operation("rollback", floor=self.model.head - depth)
            self.step(operation, [self.rpc.request("anvil_rollback", depth)])

    def reorganise(self) -> None:
        if (depth := self._depth()) > 0:
            operation = Operation("reorg", floor=self.model.head - depth)
            self.step(operation, [self.rpc.request("anvil_reorg", depth, [])])

    def run(self, count: int) -> None:
        """`count` random operations."""
        table = {
            self.send: 10, self.burst: 4, self.switch_mining: 2, self.mine: 3,
            self.snapshot_and_revert: 2, self.rollback: 1, self.reorganise: 1,
        }  # fmt: skip
        for operation in self.random.choices(list(table), list(table.values()), k=count):
            operation()

    def run_aimed(self, count: int, aim_factor: float, aim_at: str = "") -> None:
        """`count` operations, then kill in the next one that is a write, or of the kind `aim_at`."""
        self.run(count)
        self.aim_factor, self.aim_at = aim_factor, aim_at
        wanted = {"reorg": self.reorganise, "revert": self.snapshot_and_revert}.get(aim_at)
        while True:
            if wanted is None:
                self.run(1)
            else:
                self.mine()
                wanted()

    def run_until_refused(self) -> bool:
        """Operations until the full disk refuses one; whether it did."""
        before = self.refusals
        for _ in range(MAX_FULL_OPERATIONS):
            self.run(1)
            if self.refusals > before:
                return True
        return False
