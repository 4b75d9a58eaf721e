"""A transaction's calls with names: contracts, functions, arguments, results, events and reasons, for every language.

The tree is made of callTracer's result (docs/tracing.md); `withLog` adds the events, each before the call that it
precedes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zevm.analysis.abi_values import UndecodableError, decode_values, show_bytes, show_text, show_values
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.well_known import IS_PRECOMPILE
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.message import CREATIONS
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.contracts.artifact import Entry
from zevm.contracts.calls import input_types, output_types
from zevm.contracts.revert_reasons import ERROR_SELECTOR, PANIC_SELECTOR, Decoder
from zevm.storage.primitives import Address

CODES_LIMIT: Final = 1_000
"""Accounts of one tree whose code is looked at; further ones have no names."""
_SOLIDITY_ERRORS = Decoder()

CodeOf = Callable[[bytes], bytes]
"""20-byte address -> runtime code."""


@dataclass(slots=True)
class Event:
    """An event. contract: its emitter's name, None if unknown. name: None for one that no ABI declares.

    arguments: (name, value as text); of an unknown event the topics and the data.
    """

    address: bytes
    contract: str | None
    name: str | None
    arguments: list[tuple[str, str]]


@dataclass(slots=True)
class Call:
    """A frame. kind: as geth names it, "CALL", "CREATE2", ...

    contract: the name of the code's contract, None if unknown. address: of the account that is called, or that a
    creation makes; None where that failed. function: its name, None if unknown; "fallback" and "receive" too.
    arguments, results: (name, value as text); of an unknown function the bytes, of an empty result nothing.
    value_wei: sent with it. error: why it failed, None for success. reason: of a revert with data, decoded or as hex.
    items: calls and events in their order. code_bytes: length of a created contract's code.
    """

    kind: str
    contract: str | None
    address: bytes | None
    sender: bytes
    function: str | None
    selector: bytes
    arguments: list[tuple[str, str]]
    value_wei: int
    gas_limit: int
    gas_used: int
    results: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None
    reason: str | None = None
    code_bytes: int = 0
    items: list["Call | Event"] = field(default_factory=list)

    def walk(self) -> Iterator["Call"]:
        """This call and all calls in it, each before its own."""
        waiting = [self]
        while waiting:
            call = waiting.pop()
            yield call
            waiting.extend(item for item in reversed(call.items) if isinstance(item, Call))


def decode_call_tree(trace: Mapping[str, Any], catalogue: Catalogue, code_of: CodeOf) -> Call:
    """The tree of callTracer's result. Raises ValueError for what is none."""
    try:
        return _TreeDecoder(catalogue, code_of).decode(trace)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a result of callTracer: {error!r}") from None


class _TreeDecoder:
    """Decodes one tree: accounts are named once."""

    def __init__(self, catalogue: Catalogue, code_of: CodeOf) -> None:
        self._catalogue = catalogue
        self._code_of = code_of
        self._contracts: dict[bytes, KnownContract | None] = {}

    def decode(self, trace: Mapping[str, Any]) -> Call:
        self._name_creations(trace)
        root = self._call(trace)
        waiting = [(trace, root)]
        while waiting:
            frame, call = waiting.pop()
            for child in self._fill(frame, call):
                waiting.append(child)
        return root

    def _name_creations(self, trace: Mapping[str, Any]) -> None:
        """Contracts that the transaction makes, by their creation code; the account may be gone by now."""
        waiting = [trace]
        while waiting:
            frame = waiting.pop()
            waiting.extend(frame.get("calls", ()))
            if frame["type"] in CREATIONS and "to" in frame and "error" not in frame:
                found = self._catalogue.of_creation(_bytes(frame["input"]))
                if found is not None:
                    self._contracts.setdefault(_bytes(frame["to"]), found[0])

    def _fill(self, frame: Mapping[str, Any], call: Call) -> Iterator[tuple[Mapping[str, Any], Call]]:
        """Put the frame's calls and events into its call, in their order."""
        calls, logs = frame.get("calls", []), list(frame.get("logs", []))
        for position in range(len(calls) + 1):
            while logs and int(logs[0].get("position", "0x0"), 16) <= position:
                call.items.append(self._event(logs.pop(0)))
            if position < len(calls):
                child = self._call(calls[position])
                call.items.append(child)
                yield calls[position], child
        call.items.extend(self._event(log) for log in logs)

    def _call(self, frame: Mapping[str, Any]) -> Call:
        address = _bytes(frame["to"]) if frame.get("to") else None
        data, output = _bytes(frame.get("input", "0x")), _bytes(frame.get("output", "0x"))
        call = Call(
            frame["type"], None, address, _bytes(frame["from"]), None, data[:4], [], int(frame.get("value", "0x0"), 16),
            int(frame["gas"], 16), int(frame["gasUsed"], 16), error=frame.get("error"),
        )  # fmt: skip
        if call.kind in CREATIONS:
            contract = self._creation(call, data, output)
        else:
            contract = self._known(address)
            call.contract = self._label(address) if address is not None else None
            self._function(call, contract, data, output)
        if call.error is not None and output:
            call.results = []
            call.reason = self._reason(contract, output) or show_bytes(output)
        return call

    def _creation(self, call: Call, data: bytes, output: bytes) -> KnownContract | None:
        """Name a creation, and decode its constructor's arguments."""
        call.code_bytes = len(output) if call.error is None else 0
        found = self._catalogue.of_creation(data)
        if found is None:
            call.contract = self._label(call.address) if call.address is not None else None
            return None
        contract, arguments = found
        call.contract, call.function = contract.name, "constructor"
        if contract.constructor is not None:
            call.arguments = self._inputs(contract.constructor, arguments) or []
        return contract

    def _function(self, call: Call, contract: KnownContract | None, data: bytes, output: bytes) -> None:
        """Name the function of a call, and decode what goes in and out."""
        if call.address == CONSOLE_ADDRESS:
            call.function, call.arguments = "log", [("", show_text(decode_console(data)))]
            return
        if call.address in IS_PRECOMPILE:
            call.function = str(call.contract).lower()
            call.arguments, call.results = [("", show_bytes(data))], _raw(output)
            return
        entry = self._entry(contract, data)
        arguments = None if entry is None else self._inputs(entry, data[4:])
        if entry is None or arguments is None:
            call.function = _unnamed_function(contract, data)
            call.arguments, call.results = _raw(data[4:] if call.function is None else data), _raw(output)
            return
        call.function, call.arguments = entry["name"], arguments
        results = self._values(output_types(entry), entry.get("outputs", []), output) if call.error is None else None
        call.results = _raw(output) if results is None else results

    def _entry(self, contract: KnownContract | None, data: bytes) -> Entry | None:
        if len(data) < 4:
            return None
        own = None if contract is None else contract.functions.get(data[:4])
        # a proxy has the functions of what it stands before
        return own or self._catalogue.function(data[:4])

    def _inputs(self, entry: Entry, data: bytes) -> list[tuple[str, str]] | None:
        return self._values(input_types(entry), entry.get("inputs", []), data)

    def _values(self, types: tuple[str, ...], parameters: list[Entry], data: bytes) -> list[tuple[str, str]] | None:
        """(name, text) of ABI-encoded values; None where they do not fit the types."""
        try:
            shown = show_values(types, decode_values(types, data), self._label)
        except UndecodableError:
            return None
        return list(zip([str(parameter.get("name", "")) for parameter in parameters], shown, strict=True))

    def _event(self, log: Mapping[str, Any]) -> Event:
        address, data = _bytes(log["address"]), _bytes(log["data"])
        topics = [_bytes(topic) for topic in log["topics"]]
        contract = self._known(address)
        entry = None
        if topics:
            own = None if contract is None else contract.events.get(topics[0])
            entry = own or self._catalogue.event(topics[0])
        arguments = None if entry is None else self._event_arguments(entry, topics[1:], data)
        if entry is None or arguments is None:
            raw = [(f"topic {index}", "0x" + topic.hex()) for index, topic in enumerate(topics)]
            return Event(address, self._label(address), None, [*raw, ("data", show_bytes(data))])
        return Event(address, self._label(address), entry["name"], arguments)

    def _event_arguments(self, entry: Entry, topics: list[bytes], data: bytes) -> list[tuple[str, str]] | None:
        """The fields in the order of the declaration; an indexed one of a dynamic type is its hash."""
        inputs = entry.get("inputs", [])
        types = input_types(entry)
        indexed = [bool(item.get("indexed")) for item in inputs]
        if indexed.count(True) != len(topics):
            return None
        plain = [index for index, is_indexed in enumerate(indexed) if not is_indexed]
        body = self._values(tuple(types[index] for index in plain), [inputs[index] for index in plain], data)
        if body is None:
            return None
        rest, left = iter(body), iter(topics)
        found = []
        for item, kind, is_indexed in zip(inputs, types, indexed, strict=True):
            found.append((str(item.get("name", "")), self._topic(kind, next(left))) if is_indexed else next(rest))
        return found

    def _topic(self, kind: str, topic: bytes) -> str:
        if kind.endswith("]") or kind.startswith("(") or kind in ("string", "bytes"):
            return "0x" + topic.hex()
        return show_values((kind,), decode_values((kind,), topic), self._label)[0]

    def _reason(self, contract: KnownContract | None, output: bytes) -> str | None:
        if output[:4] in (ERROR_SELECTOR, PANIC_SELECTOR):
            return _SOLIDITY_ERRORS.revert_reason(output)
        own = None if contract is None else contract.errors.get(output[:4])
        entry = own or self._catalogue.error(output[:4])
        arguments = None if entry is None else self._inputs(entry, output[4:])
        if entry is None or arguments is None:
            return None
        return f"{entry['name']}({', '.join(text for _, text in arguments)})"

    def _label(self, address: bytes) -> str | None:
        """The name of an account."""
        known = self._catalogue.well_known(address)
        if known is not None:
            return known
        contract = self._known(address)
        return None if contract is None else contract.name

    def _known(self, address: bytes | None) -> KnownContract | None:
        """The contract of an account; of a delegating one, or of a minimal proxy, that of the code that runs."""
        if address is None:
            return None
        if address not in self._contracts:
            code = self._code_of(address) if len(self._contracts) < CODES_LIMIT else b""
            self._contracts[address] = self._catalogue.contract_at(Address(address), code, self._code_of)
        return self._contracts[address]


def _unnamed_function(contract: KnownContract | None, data: bytes) -> str | None:
    """The special function of a contract without one of this selector."""
    kinds = set() if contract is None else {entry.get("type") for entry in contract.abi}
    if not data:
        return "receive" if "receive" in kinds else "fallback"
    return "fallback" if "fallback" in kinds else None


def _raw(data: bytes) -> list[tuple[str, str]]:
    return [("", show_bytes(data))] if data else []


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
