"""A call tree as text, in the form of Foundry's traces (`forge test -vvvv`)."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from eth_utils.address import to_checksum_address

from zevm.analysis.call_tree import Call, Event
from zevm.analysis.printable import printable
from zevm.chain.vm.interface import VmErrorKind
from zevm.chain.vm.message import CREATIONS

LINES_LIMIT: Final = 10_000
"""Lines of one tree."""

_SUFFIXES = {"STATICCALL": " [staticcall]", "DELEGATECALL": " [delegatecall]", "CALLCODE": " [callcode]"}
_RESET = "\x1b[0m"
_COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "event": "\x1b[36m", "new": "\x1b[33m", "quiet": "\x1b[2m"}

_Paint = Callable[[str, str], str]
"""(kind, text) -> text in the colour of the kind."""


def render(call: Call, *, colours: bool = False, lines_limit: int = LINES_LIMIT) -> str:
    """The tree in lines, without a newline at the end; what is over the limit is counted."""
    lines = list(islice(tree_lines(call, colours=colours), lines_limit + 1))
    if len(lines) > lines_limit:
        lines[lines_limit:] = [f"... more than {lines_limit:,} lines"]
    return "\n".join(lines)


def tree_lines(call: Call, *, colours: bool = False) -> Iterator[str]:
    """The lines of a tree, one at a time."""
    paint = _coloured if colours else _plain
    yield f"  {_head(call, paint)}"
    waiting = [(call, "    ", 0)]
    while waiting:
        parent, indent, position = waiting.pop()
        if position == len(parent.items):
            yield f"{indent}└─ ← {_end(parent, paint)}"
            continue
        waiting.append((parent, indent, position + 1))
        item = parent.items[position]
        if isinstance(item, Event):
            yield f"{indent}├─ {_event(item, paint)}"
        elif item.kind == "SELFDESTRUCT":
            yield f"{indent}├─ {_destruction(item, paint)}"
        else:
            yield f"{indent}├─ {_head(item, paint)}"
            waiting.append((item, indent + "│   ", 0))


def head_of(call: Call) -> str:
    """`Token::transfer(0x7099..., 5)`, without gas and colours."""
    value = f"{{value: {call.value_wei}}}" if call.value_wei and call.kind != "DELEGATECALL" else ""
    if call.kind in CREATIONS:
        place = "" if call.address is None else f"@{to_checksum_address(call.address)}"
        arguments = f"({_listed(call.arguments)})" if call.arguments else ""
        return printable(f"→ new {call.contract or '<unknown>'}{place}{value}{arguments}")
    contract = call.contract or str(to_checksum_address(call.address or bytes(20)))
    function = call.function or (call.selector.hex() if len(call.selector) == 4 else "fallback")
    return printable(f"{contract}::{function}{value}({_listed(call.arguments)}){_SUFFIXES.get(call.kind, '')}")


def end_of(call: Call) -> str:
    """`[Return] true`, `[Stop]`, `[Revert] Insufficient(5)`."""
    if call.error is not None:
        reverted = call.error == VmErrorKind.REVERT.value
        return printable(f"[Revert] {call.reason or 'without a reason'}" if reverted else f"[Failed] {call.error}")
    if call.kind in CREATIONS:
        return f"[Return] {call.code_bytes:,} bytes of code"
    return printable(f"[Return] {_listed(call.results)}") if call.results else "[Stop]"


def _head(call: Call, paint: _Paint) -> str:
    kind = "bad" if call.error is not None else "new" if call.kind in CREATIONS else "good"
    return f"{paint('quiet', f'[{call.gas_used}]')} {paint(kind, head_of(call))}"


def _end(call: Call, paint: _Paint) -> str:
    return paint("good" if call.error is None else "bad", end_of(call))


def _event(event: Event, paint: _Paint) -> str:
    name = event.name or "<unknown>"
    return paint("event", printable(f"emit {name}({', '.join(_named(pair) for pair in event.arguments)})"))


def _destruction(call: Call, paint: _Paint) -> str:
    target = "" if call.address is None else f" to {to_checksum_address(call.address)}"
    return paint("bad", f"selfdestruct{target}{f' with {call.value_wei} wei' if call.value_wei else ''}")


def _named(pair: tuple[str, str]) -> str:
    return f"{pair[0]}: {pair[1]}" if pair[0] else pair[1]


def _listed(pairs: list[tuple[str, str]]) -> str:
    return ", ".join(text for _, text in pairs)


def _plain(_kind: str, text: str) -> str:
    return text


def _coloured(kind: str, text: str) -> str:
    return f"{_COLOURS[kind]}{text}{_RESET}"
