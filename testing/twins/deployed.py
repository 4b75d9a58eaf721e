"""Contracts on a node in this process, called through JSON-RPC by their ABI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode

import zevm
from zevm.chain.calls.name_changes import RecordChanges, registration_call
from zevm.chain.rules.name_service import REGISTRAR_ADDRESS
from zevm.chain.types.selectors import signature_selector
from zevm.node.client import CallFailedError
from zevm.storage.primitives import Address

Json = dict[str, Any]

GAS_LIMIT = 16_000_000
"""Below Osaka's limit of a transaction."""

DAY_SECONDS = 86_400

FIRST_TIMESTAMP = 1_900_000_000
"""The time of the first block of `new_node`, in seconds."""


def new_node() -> zevm.Node:
    """A node on which equal requests have equal results: fixed times, and no fees, which depend on the gas used.

    Not opened yet.
    """
    return zevm.Node(timestamp=FIRST_TIMESTAMP, block_base_fee_per_gas=0)


@dataclass(frozen=True, slots=True)
class Code:
    """A compiled contract: its ABI, its creation data without arguments, and its `storageLayout` as solc writes it."""

    abi: list[Json]
    creation: bytes
    storage_layout: Json


@dataclass(frozen=True, slots=True)
class Log:
    """An event: the address (lower case), the topics, and the data."""

    address: str
    topics: tuple[str, ...]
    data: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message's end: whether it succeeded, what it returned or reverted with, and its logs if it was mined."""

    succeeded: bool
    data: bytes
    logs: tuple[Log, ...] = ()


class RevertedError(Exception):
    """A message that was expected to succeed reverted; `data` is what with."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


def type_of(entry: Json) -> str:
    """The type of an ABI entry's parameter as signatures have it, such as `(address,uint64)[]`."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(type_of(part) for part in entry['components'])}){kind[len('tuple') :]}"


def signature_of(entry: Json) -> str:
    """`name(type,...)` of an ABI entry."""
    return f"{entry['name']}({','.join(type_of(part) for part in entry['inputs'])})"


def error_data(signature: str, *values: object) -> bytes:
    """The revert data of an error such as `NotOwner(address)`."""
    types = signature[signature.index("(") + 1 : -1]
    return signature_selector(signature) + encode(split_types(types), values)


def panic_data(code: int) -> bytes:
    """The revert data of Solidity's Panic(uint256)."""
    return error_data("Panic(uint256)", code)


def reason_data(text: str) -> bytes:
    """The revert data of `revert("text")`."""
    return error_data("Error(string)", text)


def split_types(types: str) -> list[str]:
    """Types at the top of a list: `address,(bool,uint8)[]` has two."""
    parts, depth = [""], 0
    for character in types:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


class Deployed:
    """A contract at an address of a node. Functions are named `transfer`, or `f(uint256)` where there are several."""

    def __init__(self, node: zevm.Node, address: str, abi: Sequence[Json]) -> None:
        self.node = node
        self.address = address
        self.abi = list(abi)

    @cached_property
    def _functions(self) -> dict[str, Json]:
        functions = [entry for entry in self.abi if entry["type"] == "function"]
        by_signature = {signature_of(entry): entry for entry in functions}
        by_name = {str(entry["name"]): entry for entry in functions}
        return {**by_name, **by_signature}

    def function(self, name: str) -> Json:
        """The ABI entry of a function."""
        return self._functions[name]

    def call_data(self, name: str, *arguments: object) -> bytes:
        """The call data of a function with arguments."""
        entry = self.function(name)
        selector = signature_selector(signature_of(entry))
        return selector + encode([type_of(part) for part in entry["inputs"]], arguments)

    def result(self, name: str, data: bytes) -> Any:
        """The value that a function returned; a tuple if there are several, None if there is none."""
        values = decode([type_of(part) for part in self.function(name)["outputs"]], data)
        return values if len(values) > 1 else next(iter(values), None)

    def call(self, name: str, *arguments: object, **message: Any) -> Any:
        """The value of eth_call. Raises RevertedError."""
        outcome = self.try_call(self.call_data(name, *arguments), **message)
        if not outcome.succeeded:
            raise RevertedError(outcome.data)
        return self.result(name, outcome.data)

    def send(self, name: str, *arguments: object, **message: Any) -> Outcome:
        """Mine a call in a block of its own. Raises RevertedError."""
        outcome = self.try_send(self.call_data(name, *arguments), **message)
        if not outcome.succeeded:
            raise RevertedError(outcome.data)
        return outcome

    def refusal(self, name: str, *arguments: object, **message: Any) -> bytes:
        """The revert data of a call, which must revert."""
        outcome = self.try_call(self.call_data(name, *arguments), **message)
        assert not outcome.succeeded, f"{name} did not revert"
        return outcome.data

    def try_call(self, data: bytes, **message: Any) -> Outcome:
        """eth_call with bytes; `sender` and `value` (wei) are of the message."""
        try:
            answer = self.node.request("eth_call", self._message(data, **message), "latest")
        except CallFailedError as error:
            return Outcome(False, _revert_data(error))
        return Outcome(True, bytes.fromhex(answer[2:]))

    def try_send(self, data: bytes, **message: Any) -> Outcome:
        """The same, and if it would succeed, mined in a block of its own."""
        called = self.try_call(data, **message)
        if not called.succeeded:
            return called
        return Outcome(True, called.data, mined(self.node, self._message(data, **message)))

    def slots(self) -> dict[str, str]:
        """All storage: value by hash of the slot, both in hex."""
        block = self.node.request("eth_getBlockByNumber", "latest", False)
        found: dict[str, str] = {}
        start: str | None = "0x" + "00" * 32
        while start is not None:
            position = (block["hash"], len(block["transactions"]), self.address, start, 1_024)
            page = self.node.request("debug_storageRangeAt", *position)
            found |= {key: entry["value"] for key, entry in page["storage"].items()}
            start = page["nextKey"]
        return found

    def slot(self, number: int) -> int:
        """One slot's content."""
        return int(self.node.request("eth_getStorageAt", self.address, hex(number), "latest"), 16)

    def balance(self) -> int:
        """Wei of the contract."""
        return int(self.node.request("eth_getBalance", self.address, "latest"), 16)

    def _message(self, data: bytes, sender: str | None = None, value: int = 0) -> Json:
        fields = {"from": sender or self.node.accounts[0].address, "to": self.address, "data": "0x" + data.hex()}
        return {**fields, "value": hex(value), "gas": hex(GAS_LIMIT), "gasPrice": "0x0"}


def mined(node: zevm.Node, transaction: Json) -> tuple[Log, ...]:
    """The logs of a transaction in a block of its own, at the next second. Raises AssertionError if it fails."""
    latest = node.request("eth_getBlockByNumber", "latest", False)
    node.request("evm_setNextBlockTimestamp", hex(int(latest["timestamp"], 16) + 1))
    receipt = _receipt(node, transaction)
    assert receipt["status"] == "0x1", f"a transaction failed whose eth_call succeeds: {transaction}"
    return tuple(Log(log["address"].lower(), tuple(log["topics"]), log["data"]) for log in receipt["logs"])


def deploy(node: zevm.Node, code: Code, *arguments: object, sender: str | None = None, value: int = 0) -> Deployed:
    """A new contract. Raises RevertedError."""
    constructor: Json = next((entry for entry in code.abi if entry["type"] == "constructor"), {"inputs": []})
    encoded = encode([type_of(part) for part in constructor["inputs"]], arguments)
    transaction = {
        "from": sender or node.accounts[0].address,
        "data": "0x" + (code.creation + encoded).hex(),
        "value": hex(value),
        "gas": hex(GAS_LIMIT),
        "gasPrice": "0x0",
    }
    try:
        node.request("eth_call", transaction, "latest")
    except CallFailedError as error:
        raise RevertedError(_revert_data(error)) from None
    receipt = _receipt(node, transaction)
    assert receipt["status"] == "0x1", "the deployment failed"
    return Deployed(node, receipt["contractAddress"], code.abi)


def _receipt(node: zevm.Node, transaction: Json) -> Json:
    sent = node.request("eth_sendTransaction", transaction)
    receipt: Json = node.request("eth_getTransactionReceipt", sent)
    return receipt


def _revert_data(error: CallFailedError) -> bytes:
    """Raises the error if it is no revert."""
    if error.code == 3 and isinstance(error.data, str):
        return bytes.fromhex(error.data[2:])
    if "execution reverted" in str(error):
        return b""
    raise error


def register_name(node: zevm.Node, name: str, owner: str) -> None:
    """Register a name with the chain's name service for 30 days, free of charge."""
    data = registration_call(name, Address(bytes.fromhex(owner[2:])), 30 * DAY_SECONDS, RecordChanges())
    fields = {"from": owner, "to": "0x" + REGISTRAR_ADDRESS.hex(), "data": "0x" + data.hex(), "gasPrice": "0x0"}
    sent = node.request("eth_sendTransaction", fields)
    assert node.request("eth_getTransactionReceipt", sent)["status"] == "0x1"


def pass_time(node: zevm.Node, seconds: int) -> None:
    """Mine a block that many seconds after the latest one."""
    latest = node.request("eth_getBlockByNumber", "latest", False)
    node.request("evm_setNextBlockTimestamp", hex(int(latest["timestamp"], 16) + max(seconds, 1)))
    node.request("evm_mine")
