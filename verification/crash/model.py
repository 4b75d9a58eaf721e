"""The node's acknowledgements in the crash test, and their comparison with its state after a restart.

told:    0 - 1 - 2 - 3 - 4        pool {a, b}       in flight: one request (or a burst) without an answer
kill -9
allowed: 0 - 1 - 2 - 3 - 4        pool {a, b}       the request never happened
         0 - 1 - 2 - 3 - 4 - 5    pool {b}          it happened whole
error:   anything else
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from testing.load import RECORDER_TOPIC, word
from testing.node_process import RpcConnection, RpcError

INITIAL_BALANCE_WEI = 10_000 * 10**18
LATEST_BLOCKS_WITH_RECEIPTS = 5
SAMPLES = 20
NO_CODE = "0x"
LOG_RANGE_BLOCKS = 5_000
UNSEEN_BLOCKS = 64
"""More blocks than one operation makes and takes back before the model sees the chain."""
BATCH_CALLS = 1_000
"""Calls in one batch request: a node's default limit."""

Books = dict[tuple[str, str], Any]
"""("balance" or "nonce", address) or (a recorder's address, slot) -> number; ("code", address) -> 0x-prefixed code."""

NO_FLOOR = 2**64
"""Of an operation that removes no block: none is above it."""


class LostError(Exception):
    """Something acknowledged is missing, or something exists that was not requested."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A transaction's effect.

    It moves `value_wei` to `to`; or writes `slot` of the recorder at `to`, when `slot` is not None; or deploys `code`
    at `created`, when `to` is empty.
    """

    sender: str
    to: str
    value_wei: int
    slot: int | None = None
    slot_value: int = 0
    created: str = ""
    code: str = NO_CODE


@dataclass(slots=True)
class Operation:
    """One thing asked of the node.

    floor: the block above which the operation may remove blocks (all or none)
    pool_after: the pool as it must be when the operation happened; None: as it was
    least_head: the head's number must be at least this when the operation happened
    acknowledged: the transactions that an answer named; done: every answer arrived
    unwound: the transactions of removed blocks, filled in while comparing (which a kill may cut short)
    refused: transactions that a full disk refused; was_refused: it refused the operation, or one of them
    """

    kind: str
    transactions: tuple[str, ...] = ()
    floor: int = NO_FLOOR
    pool_after: frozenset[str] | None = None
    least_head: int = 0
    acknowledged: set[str] = field(default_factory=set)
    done: bool = False
    unwound: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    was_refused: bool = False

    @property
    def sent(self) -> tuple[str, ...]:
        """The transactions that it sends, one with each request; a revert brings back what waited, and sends none."""
        return () if self.kind == "revert" else self.transactions


@dataclass(slots=True)
class Block:
    hash: str
    transactions: tuple[str, ...]


class Model:
    """The canonical chain, the pool and every receipt that the node has told of.

    prune: number of newest blocks that the node keeps with all that belongs to them; None for all.
    """

    def __init__(self, recorders: tuple[str, ...], prune: int | None = None) -> None:
        self.recorders = recorders
        self.prune = prune
        self.kept = 0
        self.highest = 0
        self.blocks: list[Block] = []
        self.pool: set[str] = set()
        self.effects: dict[str, Effect] = {}
        self.receipts: dict[str, dict[str, Any]] = {}

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    # ------ the chain and the pool, against the node ------

    def reconcile(self, rpc: RpcConnection, operation: Operation | None) -> None:
        """Compare with the node and take over what `operation` may have changed. Raises LostError."""
        operation = operation or Operation("nothing")
        head = int(rpc.call("eth_blockNumber"), 16)
        self.highest = max(self.highest, self.head, head)
        self._unwind(rpc, operation, head)
        pool = self.pool
        if operation.pool_after is not None:
            reverted = bool(operation.unwound) or operation.done
            pool = set(operation.pool_after) if reverted else self.pool & operation.pool_after
        known = self.pool | pool | operation.unwound | set(operation.transactions)
        self._extend(rpc, operation, head, known)
        self._compare_pool(rpc, operation, pool, known)
        if present := operation.refused & (self.pool | self.receipts.keys()):
            raise LostError(f"refused for a full disk, and there all the same: {present}")
        if operation.was_refused and operation.unwound:
            raise LostError(f"{operation.kind} was refused for a full disk, and happened all the same")
        if operation.done and self.head < operation.least_head:
            raise LostError(
                f"{operation.kind} to block {operation.least_head} was acknowledged, the head is {self.head}"
            )

    def _unwind(self, rpc: RpcConnection, operation: Operation, head: int) -> None:
        """Drop the blocks that a rewinding operation removed, and note the transactions that were in them."""
        common = min(self.head, head)
        while common >= 0 and _hash_of(rpc, common) != self.blocks[common].hash:
            common -= 1
        rebuilt = operation.kind == "reorg" and operation.floor < common  # An empty block may come out the same.
        if common < self.head and common != operation.floor and not rebuilt:
            raise LostError(
                f"block {common + 1} ({self.blocks[common + 1].hash}) was acknowledged and is gone: "
                f"head was {self.head}, is {head}, during {operation.kind} with floor {operation.floor}"
            )
        removes = operation.done and operation.kind in ("revert", "rollback") and not operation.unwound
        if removes and common > operation.floor:
            raise LostError(
                f"{operation.kind} to block {operation.floor} was acknowledged, block {common} is still there"
            )
        unwound = {name for block in self.blocks[common + 1 :] for name in block.transactions}
        del self.blocks[common + 1 :]
        for name in unwound:
            del self.receipts[name]
        operation.unwound |= unwound

    def _extend(self, rpc: RpcConnection, operation: Operation, head: int, known: set[str]) -> None:
        """Take over the node's further blocks, made of known transactions only."""
        for number in range(self.head + 1, head + 1):
            block = rpc.call("eth_getBlockByNumber", hex(number), False)
            if block is None:
                raise LostError(f"block {number} is missing under head {head}")
            if number and block["parentHash"] != self.blocks[-1].hash:
                raise LostError(f"block {number} does not stand on block {number - 1}")
            if unknown := set(block["transactions"]) - known:
                raise LostError(f"block {number} holds transactions that were never sent: {unknown}")
            if number and not block["transactions"] and operation.kind not in ("mine", "reorg", "automine"):
                raise LostError(f"block {number} is empty and was not asked for, after {operation.kind}")
            receipts = {
                receipt["transactionHash"]: receipt for receipt in rpc.call("eth_getBlockReceipts", hex(number))
            }
            if list(receipts) != block["transactions"]:
                raise LostError(f"block {number} holds {block['transactions']} and receipts of {list(receipts)}")
            self.blocks.append(Block(block["hash"], tuple(block["transactions"])))
            self.receipts |= receipts

    def _compare_pool(self, rpc: RpcConnection, operation: Operation, pool: set[str], known: set[str]) -> None:
        content = rpc.call("txpool_content")
        found = {
            transaction["hash"]
            for part in ("pending", "queued")
            for by_nonce in content[part].values()
            for transaction in by_nonce.values()
        }
        returned = operation.unwound if operation.kind == "reorg" else set()
        required = (pool | operation.acknowledged | returned) - self.receipts.keys()
        if operation.kind in ("send", "clients") and (in_pool := operation.acknowledged & found):
            raise LostError(f"acknowledged under instant mining but not in a block: {in_pool}")
        if missing := required - found:
            raise LostError(f"pooled transactions are gone after {operation.kind}: {missing}")
        if unexpected := found - known:
            raise LostError(f"the pool holds transactions that were never sent: {unexpected}")
        self.pool = found

    # ------ everything else, from the model's own books ------

    def verify(self, rpc: RpcConnection, random: Random) -> None:
        """Balances, nonces, slots, logs, receipts, and the past, against this model's own books. Raises LostError."""
        while True:
            self._look_at_the_first_kept(rpc)
            kept = self.kept
            try:
                self._verify(rpc, random)
            except (LostError, RpcError):
                # a start prunes while it serves
                self._look_at_the_first_kept(rpc)
                if self.kept == kept:
                    raise
            else:
                return

    def check_pruned(self) -> None:
        """Raise LostError if nothing was pruned that was to be."""
        if self.prune is not None and not self.kept:
            raise LostError(f"no block was pruned of {len(self.blocks)} with --prune {self.prune}")

    def _look_at_the_first_kept(self, rpc: RpcConnection) -> None:
        """Ask where the kept blocks begin: no more may be gone than is to be, and nothing comes back."""
        kept = int(rpc.call("eth_getBlockByNumber", "earliest", False)["number"], 16)
        most = 0 if self.prune is None else max(0, self.highest + UNSEEN_BLOCKS - self.prune + 1)
        if not self.kept <= kept <= most:
            raise LostError(f"the first kept block was {self.kept}, is {kept}, and may be {most}")
        self.kept = kept

    def _verify(self, rpc: RpcConnection, random: Random) -> None:
        books = self._books(self.head)
        self._compare_state(rpc, books, "latest")
        past = random.randrange(self.kept, len(self.blocks))
        self._compare_state(rpc, self._books(past), hex(past))
        self._compare_logs(rpc)
        pruned = {name for block in self.blocks[: self.kept] for name in block.transactions}
        recent = [name for block in self.blocks[-LATEST_BLOCKS_WITH_RECEIPTS:] for name in block.transactions]
        others = random.sample(sorted(self.receipts), min(SAMPLES, len(self.receipts)))
        names = [*recent, *others]
        answers = _answers(rpc, [("eth_getTransactionReceipt", [name]) for name in names])
        for name, answer in zip(names, answers, strict=True):
            if answer.get("result") != (None if name in pruned else self.receipts[name]):
                raise LostError(f"the receipt of {name} was {self.receipts[name]}, is {answer}")

    def _books(self, number: int) -> Books:
        """The expected chain after block `number`, from the effects of the transactions up to there."""
        books: Books = {}

        def add(kind: str, key: str, amount: int) -> None:
            books[kind, key] = books.get((kind, key), 0) + amount

        for effect in self.effects.values():
            books["nonce", effect.sender] = 0
            books["balance", effect.sender] = INITIAL_BALANCE_WEI
            if effect.created:
                books["code", effect.created] = NO_CODE
        for block in self.blocks[: number + 1]:
            for name in block.transactions:
                effect, receipt = self.effects[name], self.receipts[name]
                if receipt["status"] != "0x1":
                    raise LostError(f"transaction {name} failed: {receipt}")
                add("nonce", effect.sender, 1)
                fee_wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
                add("balance", effect.sender, -effect.value_wei - fee_wei)
                if effect.slot is not None:
                    books[effect.to, "0x" + word(effect.slot)] = effect.slot_value
                elif effect.to:
                    add("balance", effect.to, effect.value_wei)
                else:
                    books["code", effect.created] = effect.code
        return books

    def _compare_state(self, rpc: RpcConnection, books: Books, block: str) -> None:
        named = [(entry, value, call) for entry, value in books.items() for call in _reads(*entry, block)]
        answers = _answers(rpc, [call for _, _, call in named])
        for (entry, value, call), answer in zip(named, answers, strict=True):
            found = answer.get("result")
            if found is None or (found if isinstance(value, str) else int(found, 16)) != value:
                raise LostError(f"{entry} at block {block} should be {value}, {call[0]} says {answer}")

    def _compare_logs(self, rpc: RpcConnection) -> None:
        wanted = [
            (number, effect.to, "0x" + word(effect.slot), "0x" + word(effect.slot_value))
            for number, block in enumerate(self.blocks[self.kept :], self.kept)
            for effect in map(self.effects.__getitem__, block.transactions)
            if effect.slot is not None
        ]
        found = []
        for first in range(self.kept, len(self.blocks), LOG_RANGE_BLOCKS):
            query = {
                "address": self.recorders,
                "topics": ["0x" + word(RECORDER_TOPIC)],
                "fromBlock": hex(first),
                "toBlock": hex(min(first + LOG_RANGE_BLOCKS - 1, self.head)),
            }
            logs = rpc.call("eth_getLogs", query)
            found += [(int(log["blockNumber"], 16), log["address"], log["topics"][1], log["data"]) for log in logs]
        if found != wanted:
            raise LostError(f"logs differ: {_first_difference(found, wanted)}")


def _answers(rpc: RpcConnection, calls: list[tuple[str, list[object]]]) -> list[Any]:
    """The answers to any number of calls, in their order."""
    parts = (calls[first : first + BATCH_CALLS] for first in range(0, len(calls), BATCH_CALLS))
    return [answer for part in parts for answer in rpc.batch(part)]


def _reads(kind: str, key: str, block: str) -> list[tuple[str, list[object]]]:
    """The calls that must answer with an entry of the books; a recorder's slot is read by a call of it too."""
    simple = {"balance": "eth_getBalance", "nonce": "eth_getTransactionCount", "code": "eth_getCode"}
    if kind in simple:
        return [(simple[kind], [key, block])]
    return [("eth_getStorageAt", [kind, key, block]), ("eth_call", [{"to": kind, "data": key}, block])]


def _hash_of(rpc: RpcConnection, number: int) -> str | None:
    header = rpc.call("eth_getHeaderByNumber", hex(number))
    return None if header is None else str(header["hash"])


def _first_difference(found: Iterable[object], wanted: Iterable[object]) -> str:
    found, wanted = list(found), list(wanted)
    for position, pair in enumerate(zip(found, wanted, strict=False)):
        if pair[0] != pair[1]:
            return f"at {position}: {pair[0]} instead of {pair[1]}"
    return f"{len(found)} instead of {len(wanted)}"
