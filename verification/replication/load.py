"""Load on a leader and its followers: transactions of several kinds, changes of the state, reverts, reorganisations.

Knows which transactions must be there afterwards: those that were answered, unless a revert may have taken them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Protocol

from eth_account import Account

from testing.load import CHAIN_ID, MNEMONIC, RECORDER_MODULE, RECORDER_RUNTIME, creation_code, write_data
from testing.node_process import RpcError
from verification.replication.nodes import CUT_OFF

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x" + "5a" * 20
_FEE = hex(10**11)


class Answering(Protocol):
    """A node (nodes.Node)."""

    def call(self, method: str, *params: object) -> Any:
        """The result of a call."""
        ...


class Load:
    """One client of all nodes; one operation at a time. recent: acknowledged since the last check; kept: before."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.recent: list[str] = []
        self.kept: list[str] = []
        self.counts: Counter[str] = Counter()
        self._contracts: list[str] = []
        self._authorization = _signed_authorization()
        self._operations: list[tuple[Callable[[Answering, Answering], None], int]] = [
            (self._transfer, 8),
            (self._write, 6),
            (self._set_code, 1),
            (self._change_state, 3),
            (self._block_of_many, 2),
            (self._revert, 2),
            (self._reorganise, 1),
            (self._jump_in_time, 1),
        ]

    def prepare(self, leader: Answering) -> None:
        """Deploy the same contract for both machines."""
        for code in (creation_code(RECORDER_RUNTIME), RECORDER_MODULE):
            sent = leader.call("eth_sendTransaction", {"from": ALICE, "data": "0x" + code.hex()})
            self._contracts.append(leader.call("eth_getTransactionReceipt", sent)["contractAddress"])
            self.recent.append(sent)

    def operate(self, leader: Answering, followers: Sequence[Answering]) -> None:
        """One operation; transactions go to any node. Raises RpcError, and CUT_OFF when a node goes away."""
        steps, weights = zip(*self._operations, strict=True)
        (step,) = self._random.choices(steps, weights)
        self.counts[step.__name__.strip("_")] += 1
        step(leader, self._random.choice((leader, *followers)))

    def checked(self) -> None:
        """All recent transactions have been found."""
        self.kept += self.recent
        self.recent = []

    def _transfer(self, _: Answering, node: Answering) -> None:
        kind = self._random.choice(("0x0", "0x1", "0x2"))
        fields: dict[str, object] = {"type": kind, "to": BOB, "value": hex(self._random.randrange(1, 1 << 32))}
        if kind == "0x2":
            fields |= {"maxFeePerGas": _FEE, "maxPriorityFeePerGas": hex(self._random.randrange(1 << 20))}
        else:
            fields["gasPrice"] = _FEE
        if kind == "0x1":
            fields["accessList"] = [{"address": STRANGER, "storageKeys": [f"0x{7:064x}"]}]
        self._send(node, fields)

    def _write(self, _: Answering, node: Answering) -> None:
        slot, value = self._random.randrange(32), self._random.randrange(1 << 64)
        self._send(node, {"to": self._random.choice(self._contracts), "data": write_data(slot, value)})

    def _set_code(self, _: Answering, node: Answering) -> None:
        """Its authorization is used once; after that, the transaction has none that holds."""
        self._send(node, {"to": BOB, "type": "0x4", "gas": "0x186a0", "authorizationList": [self._authorization]})

    def _change_state(self, leader: Answering, _: Answering) -> None:
        slot, value = f"0x{self._random.randrange(8):x}", f"0x{self._random.randrange(1 << 64):064x}"
        leader.call(
            *self._random.choice(
                (
                    ("anvil_setBalance", STRANGER, hex(self._random.randrange(1 << 64))),
                    ("anvil_setStorageAt", STRANGER, slot, value),
                    ("anvil_setCode", STRANGER, "0x60" + value[-2:] + "00"),
                    ("anvil_setNonce", "0x" + "6b" * 20, hex(self._random.randrange(1, 1 << 16))),
                )
            )
        )

    def _block_of_many(self, leader: Answering, _node: Answering) -> None:
        """A killed node forgets its pool: only what is in a block is acknowledged."""
        before = len(self.recent)
        leader.call("evm_setAutomine", False)
        try:
            for _ in range(self._random.randrange(2, 8)):
                self._transfer(leader, leader)
            leader.call("evm_mine")
        except (*CUT_OFF, RpcError):
            del self.recent[before:]
            raise
        finally:
            with suppress(*CUT_OFF):
                leader.call("evm_setAutomine", True)

    def _revert(self, leader: Answering, node: Answering) -> None:
        """Take back all after a snapshot; if a kill comes between, it may stay."""
        before, snapshot = len(self.recent), leader.call("evm_snapshot")
        try:
            for _ in range(self._random.randrange(1, 4)):
                self._transfer(leader, node)
            leader.call("evm_revert", snapshot)
        finally:
            del self.recent[before:]

    def _reorganise(self, leader: Answering, _: Answering) -> None:
        """Other blocks in place of empty ones."""
        leader.call("anvil_mine", "0x3")
        leader.call("anvil_reorg", 2, [])

    def _jump_in_time(self, leader: Answering, _: Answering) -> None:
        leader.call("evm_increaseTime", hex(self._random.randrange(1, 1_000)))
        leader.call("evm_mine")

    def _send(self, node: Answering, fields: dict[str, object]) -> None:
        self.recent.append(node.call("eth_sendTransaction", {"from": ALICE, **fields}))


def missing(node: Answering, transactions: Sequence[str]) -> list[str]:
    """Those without a receipt at a node."""
    return [sent for sent in transactions if node.call("eth_getTransactionReceipt", sent) is None]


def _signed_authorization() -> dict[str, str]:
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(MNEMONIC, account_path="m/44'/60'/0'/0/5")
    signed = account.sign_authorization({"chainId": CHAIN_ID, "address": bytes.fromhex(BOB[2:]), "nonce": 0})
    return {
        "chainId": hex(signed.chain_id),
        "address": BOB,
        "nonce": hex(signed.nonce),
        "yParity": hex(signed.y_parity),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }
