"""The environment: titanoboa's network mode over calls in this process, with the freedom of its local environment."""

import itertools
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from boa.network import ExternalAccount, NetworkEnv
from boa.rpc import RPCError
from boa.util.abi import Address as BoaAddress
from boa.vm.fork import CachingRPC

import zevm
from zevm.chain.errors import RefusalError
from zevm.chain.types import Transaction
from zevm.chain.types.transaction import TransactionType
from zevm.storage.primitives import Address
from zevm_boa.tracers import opcodes_of, plain

REFUSED = -32000
"""The code of a transaction that the node does not take."""

FREE = {"block_base_fee_per_gas": 0, "disable_min_priority_fee": True}
"""Settings of a node that is made here: any sender may send, and gas is free, as in titanoboa's local environment."""

_NUMBERS = itertools.count(1)


class NodeRpc(CachingRPC):  # type: ignore[misc]
    """Calls of a node in this process.

    It is a CachingRPC that stores nothing: titanoboa takes it as it is, and keeps no answer beyond the block that a
    reverted chain gives again with another content. Raises RPCError as titanoboa's own does.
    """

    def __new__(cls, *_: Any) -> "NodeRpc":
        return object.__new__(cls)

    def __init__(self, node: Any, *_: Any) -> None:
        if node is self:
            # titanoboa wraps what it is given, gets the object itself back, and initialises it again
            return
        self.node = node
        self._name = f"zevm-in-process-{next(_NUMBERS)}"
        self._chain_id = node.chain.chain_id

    @property
    def identifier(self) -> str:
        """A name that no other node of the process has."""
        return self._name

    @property
    def name(self) -> str:
        """The same."""
        return self._name

    def fetch(self, method: str, params: Sequence[Any]) -> Any:
        """The result of one call."""
        try:
            return self.node.request(method, *params)
        except zevm.CallFailedError as error:
            raise RPCError(str(error).removeprefix(f"{method}: "), error.code) from error

    def fetch_uncached(self, method: str, params: Sequence[Any]) -> Any:
        """The same."""
        return self.fetch(method, params)

    def fetch_multi(self, payload: Sequence[tuple[str, Any]]) -> list[Any]:
        """The results of several calls, in their order."""
        return [self.fetch(method, params) for method, params in payload]


class FreeAccount:
    """An account that sends without a signature and without a price, which no call of the RPC lets it do."""

    def __init__(self, node: Any, address: Any) -> None:
        self.address = BoaAddress(address)
        self._node = node

    def send_transaction(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Put a transaction into a block; its hash, as a wallet in a browser answers. Raises RPCError."""
        chain = self._node.chain
        transaction = Transaction(
            type=TransactionType.DYNAMIC_FEE,
            chain_id=chain.chain_id,
            nonce=int(fields["nonce"], 16),
            gas_limit=int(fields["gas"], 16),
            to=Address(bytes.fromhex(fields["to"][2:])) if "to" in fields else None,
            value=int(fields.get("value", "0x0"), 16),
            data=bytes.fromhex(fields.get("data", "0x")[2:]),
        ).impersonating(self.address.canonical_address)
        try:
            sent = chain.writer.run(partial(chain.send_transaction, transaction, local=True))
        except RefusalError as error:
            raise RPCError(str(error), REFUSED) from error
        return {"hash": "0x" + sent.hex()}


class ZevmEnv(NetworkEnv):  # type: ignore[misc]
    """An environment for `boa.set_env`, on a node in this process.

    node: an open zevm.Node, whose rules and prices hold and which stays open. Without one the environment opens its
    own, closed by `close` or with the environment: it takes `settings`, any parameter of zevm.Node, and lets any
    address send for free. nickname: how titanoboa calls it.
    """

    def __init__(self, node: Any = None, nickname: str | None = None, **settings: Any) -> None:
        if node is not None and settings:
            raise TypeError(f"{', '.join(settings)}: give settings to the node, or no node")
        self.is_free = node is None
        self.node = zevm.Node(**{**FREE, **settings}).open() if node is None else node
        self._closing = weakref.finalize(self, self.node.close) if node is None else None
        rpc = NodeRpc(self.node)
        super().__init__(rpc, nickname=nickname or rpc.name)
        for account in self.node.accounts:
            self.add_account(self._account(account.address))

    def close(self) -> None:
        """Close the node that the environment has opened. Idempotent."""
        if self._closing is not None:
            self._closing()

    def get_eip1559_fee(self) -> tuple[str, str, str, str]:
        """Base fee, tip, fee cap and chain id; nothing to pay on a node of the environment's own."""
        base_fee, tip, cap, chain_id = super().get_eip1559_fee()
        return ("0x0", "0x0", "0x0", chain_id) if self.is_free else (base_fee, tip, cap, chain_id)

    def set_balance(self, addr: Any, value: int) -> None:
        """Set the wei of an account."""
        self._change("anvil_setBalance", addr, hex(value))

    def set_code(self, address: Any, code: bytes) -> None:
        """Set the code of an account."""
        self._change("anvil_setCode", address, "0x" + code.hex())

    def set_storage(self, address: Any, slot: int, value: int) -> None:
        """Set a slot of a contract."""
        self._change("anvil_setStorageAt", address, f"0x{slot:064x}", f"0x{value:064x}")

    def time_travel(self, seconds: int | None = None, blocks: int | None = None, block_delta: int = 12) -> None:
        """Make blocks, `block_delta` seconds apart; the last of them is `seconds`, or that many blocks, ahead."""
        if (seconds is None) == (blocks is None):
            raise ValueError("time_travel: give one of seconds and blocks")
        if blocks is None:
            assert seconds is not None
            blocks = max(1, seconds // block_delta)
            end = seconds
        else:
            end = blocks * block_delta
        start = self.node.chain.head.header.timestamp
        if blocks > 1:
            self.node.request("anvil_mine", hex(blocks - 1), hex(block_delta))
        self.node.request("evm_setNextBlockTimestamp", hex(max(start + end, self.node.chain.head.header.timestamp)))
        self.node.request("evm_mine")
        self._reset_fork()

    def _account(self, address: Any) -> Any:
        return FreeAccount(self.node, address) if self.is_free else ExternalAccount(_rpc=self._rpc, address=address)

    def _change(self, method: str, address: Any, *values: str) -> None:
        self.node.request(method, str(BoaAddress(address)), *values)
        self._reset_fork()

    def _send_txn(self, from_: Any, *arguments: Any, **named: Any) -> Any:
        if from_ not in self._accounts and (self.is_free or self.node.chain.auto_impersonate):
            self._accounts[from_] = self._account(from_)
        return super()._send_txn(from_, *arguments, **named)

    def _reset_fork(self, block_identifier: Any = "latest") -> None:
        super()._reset_fork(block_identifier)
        # titanoboa wraps its tracers into each other at every block, until Python's stack ends
        table = opcodes_of(self)
        for value, opcode in tuple(table.items()):
            inner = plain(opcode)
            if inner is not opcode:
                table[value] = type(opcode)(inner, self)
