"""Transactions of every type of the fork, and of contracts in both machines; each is sent until it is in a block."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address

from deploy.consensus.network import CHAIN_ID, NetworkError, Pair
from testing.load import (
    DEPLOYMENT_GAS,
    MNEMONIC,
    RECORDER_MODULE,
    RECORDER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    contract_address,
    creation_code,
    write_data,
)

MAX_FEE_WEI = 10**11
TIP_WEI = 10**9
RECEIVER = to_checksum_address(f"0x{0x2E57A3:040x}")
KINDS = ("legacy", "access list", "dynamic fee", "write in EVM", "write in WebAssembly")
TYPES = frozenset({0, 1, 2})
"""Of Shanghai."""


@dataclass(slots=True)
class Traffic:
    """One sender's transactions. waiting: hash to raw bytes, oldest first; block_hash: of those in blocks."""

    account: LocalAccount
    nonce: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    _kinds: Iterator[str] = field(default_factory=lambda: cycle(KINDS))

    @classmethod
    def of_development_account(cls, index: int = 0) -> "Traffic":
        """The traffic of an account that genesis funds; its first two transactions deploy the contracts."""
        Account.enable_unaudited_hdwallet_features()
        traffic = cls(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}"))
        for code in (creation_code(RECORDER_RUNTIME), RECORDER_MODULE):
            traffic._sign({"type": 2, "gas": DEPLOYMENT_GAS, "data": code})
        return traffic

    def add(self) -> None:
        """One more transaction, of the next kind."""
        kind = next(self._kinds)
        fields: dict[str, Any] = {"to": RECEIVER, "value": 1, "gas": TRANSFER_GAS, "type": 2}
        if kind == "legacy":
            fields["type"] = 0
        elif kind == "access list":
            listed = {"address": RECEIVER, "storageKeys": [f"0x{7:064x}"]}
            fields |= {"type": 1, "gas": WRITE_GAS, "accessList": [listed]}
        elif kind.startswith("write"):
            contract = to_checksum_address(contract_address(self.account.address, int("WebAssembly" in kind)))
            data = write_data(self.nonce, self.nonce + 1)
            fields |= {"to": contract, "value": 0, "gas": WRITE_GAS, "data": data}
        self._sign(fields)

    def send(self, pairs: list[Pair]) -> None:
        """Send what none of the given nodes has, oldest first and to each in turn, and forget what is in a block.

        The nodes forward to each other. One that was killed has lost its pool, so what was in it alone is sent again.
        """
        for transaction_hash in list(self.waiting):
            if any(pair.call("eth_getTransactionReceipt", transaction_hash) is not None for pair in pairs):
                del self.waiting[transaction_hash]
        for place, (transaction_hash, raw) in enumerate(self.waiting.items()):
            if all(pair.call("eth_getTransactionByHash", transaction_hash) is None for pair in pairs):
                _send(pairs[place % len(pairs)], raw)

    def _sign(self, fields: dict[str, Any]) -> None:
        is_dynamic = fields["type"] == 2
        dynamic_price = {"maxFeePerGas": MAX_FEE_WEI, "maxPriorityFeePerGas": TIP_WEI}
        price = dynamic_price if is_dynamic else {"gasPrice": MAX_FEE_WEI}
        whole = fields | price | {"chainId": CHAIN_ID, "nonce": self.nonce}
        if fields["type"] == 0:
            del whole["type"]
        signed = self.account.sign_transaction(whole)
        transaction_hash = f"0x{bytes(signed.hash).hex()}"
        self.waiting[transaction_hash] = f"0x{bytes(signed.raw_transaction).hex()}"
        self.sent.append(transaction_hash)
        self.nonce += 1


_KNOWN = ("already known", "nonce too low")
"""Refusals of what has entered the node's pool, or a block, since it was asked."""


def _send(pair: Pair, raw: str) -> None:
    try:
        pair.call("eth_sendRawTransaction", raw)
    except NetworkError as error:
        if not any(text in str(error) for text in _KNOWN):
            raise
