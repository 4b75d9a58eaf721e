"""Calls of the name service's contracts that change names: what a transaction carries, for methods and commands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from zevm.chain.rules.name_service import namehash
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

DEFAULT_DURATION_SECONDS = 365 * 86_400
"""Of a registration that says nothing else: a year."""


@dataclass(frozen=True, slots=True)
class RecordChanges:
    """Records to set for a name; None and empty tables leave what is there. addresses: by coin type."""

    address: Address | None = None
    contract: Address | None = None
    content_hash: bytes | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[int, bytes] = field(default_factory=dict)


def call_data(signature: str, *arguments: Any) -> bytes:
    """The call data of a function such as `addr(bytes32)` with arguments."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak256(signature.encode())[:4] + encode(types.split(",") if types else [], arguments)


def record_calls(name: str, changes: RecordChanges) -> list[bytes]:
    """The calls of the public resolver that set the records of a normalised name."""
    return list(_record_calls(namehash(name), changes))


def _record_calls(node: bytes, changes: RecordChanges) -> Iterator[bytes]:
    if changes.address is not None:
        yield call_data("setAddr(bytes32,address)", node, changes.address)
    if changes.contract is not None:
        yield call_data("setContract(bytes32,address)", node, changes.contract)
    if changes.content_hash is not None:
        yield call_data("setContenthash(bytes32,bytes)", node, changes.content_hash)
    for key, value in changes.texts.items():
        yield call_data("setText(bytes32,string,string)", node, key, value)
    for coin_type, address in changes.addresses.items():
        yield call_data("setAddr(bytes32,uint256,bytes)", node, coin_type, address)


def records_call(name: str, changes: RecordChanges) -> bytes:
    """One call of the public resolver that sets all of them."""
    return call_data("multicall(bytes[])", record_calls(name, changes))


def registration_call(name: str, owner: Address, duration_seconds: int, changes: RecordChanges) -> bytes:
    """The call of the registrar that registers a normalised name with records."""
    records = record_calls(name, changes)
    return call_data("register(string,address,uint64,bytes[])", name, owner, duration_seconds, records)
