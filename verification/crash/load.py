"""The load of the crash test: random operations on a running node, each answer taken into the model."""

from __future__ import annotations

import statistics
import threading
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
from testing.node_process import NodeError, NodeProcess, RpcConnection, RpcError
from verification.crash.model import Effect, Model, Operation

SENDERS = 4
CONNECTIONS = 4
MAX_SENDS = 3
"""Transactions of each client in one operation of many clients."""
BATCH_SHARE = 0.25
"""Of clients that send theirs in one batch request; the others wait for each answer."""
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
    """Sends operations to one running node and keeps the model up to date with the answers.

    clients: as many send at once, each from an account of its own; 0 for few connections that send one after another.
    """

    def __init__(self, model: Model, random: Random, durations: dict[str, list[float]], clients: int = 0) -> None:
        self.model = model
        self.random = random
        self.durations = durations
        self.clients = clients
        self.signers = [development_signer(index) for index in range(1, 1 + (clients or SENDERS))]
        self.first_rewindable = 1
        self.aim_factor = 0.0
        self.aim_at = ""
        self.automine = True
        self.refusals = 0
        self.is_full = False

    def attach(self, node: NodeProcess) -> None:
        self.node = node
        self.killed_at = 0.0
        self.connections = [node.connect() for _ in range(self.clients or CONNECTIONS)]
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
        calls = [("eth_getTransactionCount", (signer.address, "pending")) for signer in self.signers]
        for signer, answer in zip(self.signers, self.reading(None, lambda: self.rpc.batch(calls)), strict=True):
            signer.nonce = int(answer["result"], 16)

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

    def send_at_once(self) -> None:
        """Every client sends some transactions: each after the answer to the one before, or all in a batch request."""
        self.refresh_nonces()
        counts = [self.random.randrange(1, MAX_SENDS + 1) for _ in self.signers]
        signed = [[self.sign(signer) for _ in range(count)] for signer, count in zip(self.signers, counts, strict=True)]
        names = tuple(name for items in signed for _, name in items)
        is_mined = self.automine and not self.model.pool and not self.is_full
        operation = Operation("clients" if is_mined else "pool", names)
        clients = [_Client(self, operation, *pair) for pair in zip(self.connections, signed, strict=True)]
        usual = statistics.median(self.durations.get("clients", [FIRST_GUESS_SECONDS]))
        kill_after = self.random.uniform(0, self.aim_factor * usual) if self.aim_factor and not self.aim_at else None
        started = time.monotonic()
        for client in clients:
            client.start()
        if kill_after is not None:
            time.sleep(kill_after)
            self.kill()
        for client in clients:
            client.join()
        if failed := next((client.error for client in clients if client.error is not None), None):
            raise failed
        answered = all(client.is_done for client in clients)
        operation.done = answered and not operation.was_refused
        if self.killed_at:
            raise KilledError(operation, started < self.killed_at and not answered)
        self.durations.setdefault("clients", []).append(time.monotonic() - started)
        self.reading(operation, lambda: self.model.reconcile(self.rpc, operation))

    def switch_mining(self) -> None:
        wanted = not self.automine
        operation = Operation("automine")
        self.step(operation, [self.rpc.request("evm_setAutomine", wanted)])
        if not operation.was_refused:
            self.automine = wanted

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
        if self.clients:
            table[self.send_at_once] = 3 * sum(table.values())
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


class _Client(threading.Thread):
    """Sends the transactions of one account on one connection, and notes in the operation what is answered."""

    _noting = threading.Lock()

    def __init__(
        self, load: Load, operation: Operation, connection: RpcConnection, signed: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(daemon=True)
        self._load, self._operation, self._connection, self._signed = load, operation, connection, signed
        self._in_batch = load.random.random() < BATCH_SHARE
        self.is_done = False
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.is_done = self._send_batch() if self._in_batch else all(map(self._send, self._signed))
        except (OSError, EOFError) as error:
            if not self._load.killed_at:
                self.error = NodeError(f"{error!r} of a client:\n{self._load.node.tail()}")
        except RpcError as error:
            self.error = error

    def _send(self, item: tuple[str, str]) -> bool:
        """Whether to go on: a refused one would leave a gap."""
        raw, name = item
        answer = self._connection.exchange(self._connection.request("eth_sendRawTransaction", raw))
        try:
            RpcConnection.result(answer)
        except RpcError as error:
            return self._is_known(name, error)
        self._acknowledge(name)
        return True

    def _send_batch(self) -> bool:
        answers = self._connection.batch([("eth_sendRawTransaction", [raw]) for raw, _ in self._signed])
        for (_, name), answer in zip(self._signed, answers, strict=True):
            if "error" in answer:
                self._is_known(name, RpcError(answer["error"]))
            else:
                self._acknowledge(name)
        return True

    def _acknowledge(self, name: str) -> None:
        with self._noting:
            self._operation.acknowledged.add(name)

    def _is_known(self, name: str, error: RpcError) -> bool:
        """Note a refusal. Raises it where nothing explains it."""
        if self._load.is_full and DISK_REFUSAL in error.message:
            with self._noting:
                self._load.refusals += 1
                self._operation.was_refused = True
                self._operation.refused.add(name)
            return False
        if not error.message.startswith(OUTRUN):
            raise error
        return True
