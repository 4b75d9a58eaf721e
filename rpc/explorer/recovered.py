"""Functions of an unknown contract, recovered from its bytecode: selectors, parameters' types, whether they write."""

import time
from collections.abc import Mapping
from importlib.util import find_spec

from zevm.analysis.audit.evm.dispatcher import EntryPoint, dispatch_of
from zevm.contracts.abi_text import split_types
from zevm.contracts.artifact import Entry
from zevm.contracts.calls import input_types
from zevm.contracts.errors import AbiTextError
from zevm.rpc.explorer.page import PageRequest

_NO_BYTECODE = (b"\0asm", b"\xef\xf0\x00\x00")
"""The first bytes of WebAssembly, plain and compressed."""


def can_recover(code: bytes) -> bool:
    """Whether code may have functions to be recovered: bytecode, where evmole is installed."""
    return bool(code) and code[:4] not in _NO_BYTECODE and find_spec("evmole") is not None


def recovered(request: PageRequest, code: bytes) -> Mapping[bytes, Entry]:
    """Selector -> an entry as of an ABI, without results; none where the time of a trace does not suffice.

    The name is that of a function of the catalogue with this selector, else the selector itself.
    """
    deadline = request.deadline.sooner(time.monotonic() + request.services.limits.explorer_trace_seconds)
    found = dispatch_of(code, deadline)
    return {} if found is None else {each.selector: _entry(request, each) for each in found.entries}


def _entry(request: PageRequest, point: EntryPoint) -> Entry:
    known = request.services.catalogue.function(point.selector)
    try:
        types = split_types(point.arguments)
    except AbiTextError:
        types = ()
    if known is not None and input_types(known) == types:
        return known
    return {
        "type": "function",
        "name": f"0x{point.selector.hex()}",
        "inputs": [{"type": kind} for kind in types],
        "outputs": [],
        "stateMutability": point.mutability,
    }
