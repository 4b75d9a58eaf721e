"""Look-ups of names in the chain's name service (ZNS), by executions of its contracts on a block's state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.call import call, failure_of
from zevm.chain.calls.name_changes import call_data
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import InvalidRequestError
from zevm.chain.rules.name_service import (
    ETHER_COIN_TYPE,
    REGISTRY_ADDRESS,
    UNIVERSAL_RESOLVER_ADDRESS,
    dns_form,
    is_normal,
    namehash,
)
from zevm.chain.vm.interface import CallRequest, VmErrorKind
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

_UNDECODABLE = (DecodingError, UnicodeDecodeError, OverflowError)
"""Errors of eth-abi for bytes that are no values of the types; OverflowError for a length of 63 bits and more."""


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """A name that has a resolver.

    owner: of the name's node; None for a name that is answered by the records of `*` above it, or by another contract.
    address, contract: None where the name has none. expires: seconds since 1970, of the name or the nearest one above
    it that expires; None for never. ttl_seconds: how long the answer may be kept.
    """

    name: str
    node: Hash32
    owner: Address | None
    resolver: Address
    address: Address | None
    contract: Address | None
    expires: int | None
    ttl_seconds: int

    @property
    def target(self) -> Address | None:
        """The contract that the name means, else its address."""
        return self.contract or self.address


@dataclass(frozen=True, slots=True)
class NameRecords:
    """A name's records other than its address. addresses: by coin type, without empty ones."""

    texts: dict[str, str]
    addresses: dict[int, bytes]
    content_hash: bytes
    reverse_name: str


class NameReader:
    """Reads names at one place in the chain. Names are normalised ones (ENSIP-15).

    gas_limit: of each execution. Every method raises InvalidRequestError on a chain without a name service,
    ExecutionFailedError and ExecutionTimeoutError.
    """

    def __init__(self, frame: CallFrame, *, gas_limit: int, deadline: Deadline | None = None) -> None:
        self._frame = frame
        self._gas_limit = gas_limit
        self._deadline = deadline

    def resolve(self, name: str) -> ResolvedName | None:
        """A name's owner, resolver, address and contract; None if no resolver answers for it."""
        found = self._call(UNIVERSAL_RESOLVER_ADDRESS, call_data("requireResolver(bytes)", dns_form(name)))
        if found is None:
            return None
        ((_, _, node, resolver, _),) = _decoded(["(bytes,uint256,bytes32,address,bool)"], found)
        return ResolvedName(
            name=name,
            node=Hash32(node),
            owner=self._address(REGISTRY_ADDRESS, call_data("owner(bytes32)", node)),
            resolver=_canonical(resolver) or ZERO_ADDRESS,
            address=self._record(name, "addr(bytes32)", "address"),
            contract=self._record(name, "contractOf(bytes32)", "address"),
            expires=self._expires(name),
            ttl_seconds=self._number(REGISTRY_ADDRESS, call_data("ttl(bytes32)", node)),
        )

    def records(self, name: str, text_keys: Sequence[str], coin_types: Sequence[int]) -> NameRecords:
        """The records of a name that has a resolver."""
        texts = {key: self._record(name, "text(bytes32,string)", "string", key) for key in text_keys}
        coins = {coin: self._record(name, "addr(bytes32,uint256)", "bytes", coin) for coin in coin_types}
        return NameRecords(
            texts={key: value for key, value in texts.items() if value},
            addresses={coin: value for coin, value in coins.items() if value},
            content_hash=self._record(name, "contenthash(bytes32)", "bytes") or b"",
            reverse_name=self._record(name, "name(bytes32)", "string") or "",
        )

    def reverse(self, address: Address) -> str | None:
        """The name that an address has chosen, if it is a normal one (ENSIP-15) that resolves to the address."""
        data = call_data("reverse(bytes,uint256)", address, ETHER_COIN_TYPE)
        output = self._call(UNIVERSAL_RESOLVER_ADDRESS, data)
        if output is None:
            return None
        # anybody can register what is no text, or looks as another's name
        name = _decoded(["bytes", "address", "address"], output)[0].decode(errors="replace")
        return name if name and is_normal(name) else None

    def _expires(self, name: str) -> int | None:
        """When the answer for a name that has a resolver ends: what has ended already has no part in it."""
        labels = name.split(".")
        existing = [above for index in range(len(labels)) if self._exists(above := ".".join(labels[index:]))]
        if existing and existing[0] != name and self._exists(wildcard := f"*.{existing[0]}"):
            existing.append(wildcard)
        times = [self._number(REGISTRY_ADDRESS, call_data("expires(bytes32)", namehash(each))) for each in existing]
        return min((time for time in times if time), default=None)

    def _exists(self, name: str) -> bool:
        return self._number(REGISTRY_ADDRESS, call_data("incarnation(bytes32)", namehash(name))) != 0

    def _record(self, name: str, signature: str, kind: str, *arguments: Any) -> Any:
        """A record of a name; None for none, the zero address, and an answer that is none of that kind."""
        asked = call_data(signature, namehash(name), *arguments)
        output = self._call(UNIVERSAL_RESOLVER_ADDRESS, call_data("resolve(bytes,bytes)", dns_form(name), asked))
        if output is None:
            return None
        try:
            (value,) = decode([kind], decode(["bytes", "address"], output)[0])
        except _UNDECODABLE:
            return None
        return _canonical(value) if kind == "address" else value

    def _address(self, to: Address, data: bytes) -> Address | None:
        output = self._call(to, data)
        return None if output is None else _canonical(_decoded(["address"], output)[0])

    def _number(self, to: Address, data: bytes) -> int:
        output = self._call(to, data)
        number: int = 0 if output is None else _decoded(["uint64"], output)[0]
        return number

    def _call(self, to: Address, data: bytes) -> bytes | None:
        """The data that a contract of the name service returns; None if it reverts."""
        request = CallRequest(sender=ZERO_ADDRESS, to=to, gas_limit=self._gas_limit, data=data)
        outcome = call(self._frame, request, deadline=self._deadline)
        if outcome.error is not None and outcome.error.kind is VmErrorKind.REVERT:
            return None
        failure = failure_of(outcome)
        if failure is not None:
            raise failure
        if not outcome.output:
            raise InvalidRequestError(
                "this chain has no name service: its genesis is older than the contracts, or lacks them"
            )
        return outcome.output


def _decoded(kinds: Sequence[str], output: bytes) -> tuple[Any, ...]:
    """The values that a contract of the name service returns. Raises InvalidRequestError for those of another."""
    try:
        return decode(kinds, output)
    except _UNDECODABLE as error:
        raise InvalidRequestError("this chain has other contracts in the places of the name service") from error


def _canonical(address: str) -> Address | None:
    """An address in eth-abi's form as bytes; None for the zero address."""
    found = Address(bytes.fromhex(address[2:]))
    return None if found == ZERO_ADDRESS else found
