"""Pages of one transaction: what it did, its calls with their gas, and what it changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zevm.analysis.call_tree import Call, Event
from zevm.analysis.tree_text import end_of, head_of
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS
from zevm.contracts.source_maps import Place
from zevm.rpc.errors import RpcError
from zevm.rpc.explorer import formats, traces
from zevm.rpc.explorer.flame import ROW_PIXELS, boxes
from zevm.rpc.explorer.names import hash_named
from zevm.rpc.explorer.page import NotFoundError, Page, PageRequest, PageText
from zevm.rpc.explorer.paging import paged
from zevm.rpc.explorer.traces import Mined
from zevm.storage.primitives import Hash32

INDENTED = 20
"""Levels of the tree that are indented; deeper ones stand below each other."""
ARGUMENTS = 64
"""Arguments of a call or an event that are listed; further ones are in its data."""
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class CallInWords:
    """A call as a page shows it. function: its name, its selector if unknown. All text is cut."""

    contract: str | None
    function: str
    arguments: Pairs
    error: str | None


@dataclass(frozen=True, slots=True)
class EventInWords:
    """A log as a page shows it. index: in its transaction."""

    index: int
    address: bytes
    contract: str | None
    name: str | None
    arguments: Pairs


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A line of the call tree. kind: "call", "event" or "failed". number: of a call. place: where a call failed."""

    depth: int
    kind: str
    text: str
    number: int | None = None
    gas_used: int | None = None
    end: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after."""

    what: str
    before: str
    after: str


def overview(request: PageRequest) -> Page:
    """A transaction: its outcome, its fees, its call and its logs."""
    mined, text = find(request), request.text()
    receipt, count = mined.receipt, 0 if mined.receipt is None else len(mined.receipt.logs)
    chosen, pager = paged(request, count, f"/tx/0x{mined.transaction.hash.hex()}", "logs", "#logs")
    call = traces.named_calls(request.services, _frame(request, mined, chosen.start), mined)
    values = about(mined, "overview") | {
        "call": _call_in_words(call, text),
        "data": text.data(mined.transaction.data),
        "events": [
            _event_in_words(chosen.start + index, event, text)
            for index, event in enumerate(item for item in call.items if isinstance(item, Event))
        ],
        "fee_wei": None if receipt is None else _fee_wei(mined),
        "access_list": mined.transaction.access_list[: request.rows],
        "authorizations": mined.transaction.authorization_list[: request.rows],
        "blob_hashes": mined.transaction.blob_versioned_hashes,
        "pager": pager,
    }
    return Page("transaction.html", title(mined), values)


def calls(request: PageRequest) -> Page:
    """The calls of a mined transaction: a tree, a flame graph of their gas, and what they print."""
    mined, text = find(request), request.text()
    frame = _again(request, mined, "callTracer", withLog=True)
    root = traces.named_calls(request.services, frame, mined)
    most = request.services.limits.explorer_calls
    has_failed = any(call.error is not None for call in root.walk())
    places = traces.failure_places(request, mined) if has_failed else {}
    lines = list(_lines(root, places, text, most))
    graph = boxes(root, most)
    values = about(mined, "calls") | {
        "lines": lines,
        "is_cut": len(lines) == most,
        "boxes": [(box, text.of(box.title), text.of(box.label)) for box in graph],
        "graph_pixels": ROW_PIXELS * (1 + max(box.depth for box in graph)),
        "row_pixels": ROW_PIXELS,
        "console": [text.of(line) for line in _console(root, request.rows)],
    }
    return Page("calls.html", title(mined), values)


def state(request: PageRequest) -> Page:
    """The changes of a mined transaction: balances, nonces, codes and slots."""
    mined, text = find(request), request.text()
    changed = _again(request, mined, "prestateTracer", diffMode=True)
    before, after = changed["pre"], changed["post"]
    most = request.services.limits.explorer_calls
    accounts: list[tuple[str, list[Change]]] = []
    left = most
    for name in sorted({*before, *after}):
        found = list(_changes(before.get(name, {}), after.get(name, {}), text))[:left]
        left -= len(found)
        accounts.append((formats.address(bytes.fromhex(name[2:])), found))
        if not left:
            break
    values = about(mined, "state") | {"accounts": accounts, "is_cut": not left}
    return Page("state.html", title(mined), values)


def find(request: PageRequest) -> Mined:
    """The transaction of a page's path. Raises NotFoundError."""
    name = request.arguments[0]
    found = traces.find(request.services, hash_named(name))
    if found is None:
        raise NotFoundError(f"Neither the chain nor the pool has a transaction {name}.")
    return found


def _again(request: PageRequest, mined: Mined, tracer: str, **options: bool) -> Any:
    traces.position_of(mined)
    return traces.run_again(request, Hash32(mined.transaction.hash), tracer, **options)


def _frame(request: PageRequest, mined: Mined, first: int) -> Mapping[str, Any]:
    """The outermost call. Of a failed transaction as it is run again: only then its reason is known."""
    if mined.failed:
        try:
            frame: dict[str, Any] = _again(request, mined, "callTracer", onlyTopCall=True)
        except RpcError:
            return traces.frame_of(mined)
        return frame
    return traces.log_frame(mined, first, request.rows)


def about(mined: Mined, tab: str) -> dict[str, Any]:
    """The values that all pages of a transaction begin with."""
    position = mined.position
    return {
        "tab": tab,
        "path": f"/tx/0x{mined.transaction.hash.hex()}",
        "transaction": mined.transaction,
        "sender": mined.sender,
        "receipt": mined.receipt,
        "header": None if position is None else position.block.header,
        "index": None if position is None else position.index,
    }


def title(mined: Mined) -> str:
    """The title of its pages."""
    return f"Transaction {formats.short('0x' + mined.transaction.hash.hex())}"


def _fee_wei(mined: Mined) -> int:
    receipt = mined.receipt
    assert receipt is not None
    blob_fee_wei = (receipt.blob_gas_used or 0) * (receipt.blob_gas_price or 0)
    return receipt.gas_used * receipt.effective_gas_price + blob_fee_wei


def _pairs(arguments: Sequence[tuple[str, str]], text: PageText) -> Pairs:
    return [(text.of(name), text.of(value)) for name, value in arguments[:ARGUMENTS]]


def _call_in_words(call: Call, text: PageText) -> CallInWords:
    unknown = formats.hexadecimal(call.selector) if call.selector else "receive"
    return CallInWords(
        contract=None if call.contract is None else text.of(call.contract),
        function=text.of(unknown if call.function is None else call.function),
        arguments=_pairs(call.arguments, text),
        error=None if call.error is None else text.of(f"{call.error}: {call.reason}" if call.reason else call.error),
    )


def _event_in_words(index: int, event: Event, text: PageText) -> EventInWords:
    return EventInWords(
        index=index,
        address=event.address,
        contract=None if event.contract is None else text.of(event.contract),
        name=None if event.name is None else text.of(event.name),
        arguments=_pairs(event.arguments, text),
    )


def _lines(root: Call, places: Mapping[int, Place], text: PageText, limit: int) -> Iterator[TreeLine]:
    """The tree from above, each call before what is in it. places: of failures, by the calls' numbers."""
    waiting: list[tuple[Call | Event, int]] = [(root, 0)]
    shown = calls_before = 0
    while waiting and shown < limit:
        item, depth = waiting.pop()
        shown += 1
        level = min(depth, INDENTED)
        if isinstance(item, Event):
            arguments = ", ".join(f"{name}: {value}" if name else value for name, value in item.arguments)
            yield TreeLine(level, "event", text.of(f"emit {item.name or '<unknown>'}({arguments})"))
            continue
        kind = "call" if item.error is None else "failed"
        found = places.get(calls_before)
        place = "" if found is None else text.of(f"{found.function} ({found.file}:{found.line})")
        yield TreeLine(level, kind, text.of(head_of(item)), calls_before, item.gas_used, text.of(end_of(item)), place)
        calls_before += 1
        waiting.extend((each, depth + 1) for each in reversed(item.items))


def _console(root: Call, limit: int) -> list[str]:
    printed = (call for call in root.walk() if call.address == CONSOLE_ADDRESS and call.arguments)
    return [call.arguments[0][1] for call, _ in zip(printed, range(limit), strict=False)]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], text: PageText) -> Iterator[Change]:
    for what, show in (("balance", _wei), ("nonce", str), ("code", _size)):
        if what in after or (what in before and not after):
            yield Change(what, show(before.get(what, 0)), show(after.get(what, 0)))
    slots = before.get("storage", {}), after.get("storage", {})
    for slot in sorted({*slots[0], *slots[1]}):
        old, new = (text.of(hex(int(side.get(slot, "0x0"), 16))) for side in slots)
        yield Change(f"slot {hex(int(slot, 16))}", old, new)


def _wei(value: Any) -> str:
    return formats.ether(int(value, 16) if isinstance(value, str) else value)


def _size(value: Any) -> str:
    return formats.plural(len(value) // 2 - 1 if isinstance(value, str) else 0, "byte")
