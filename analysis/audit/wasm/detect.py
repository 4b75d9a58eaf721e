"""Suspicions about a module by its imports and the order of its calls."""

from collections.abc import Iterator

from zevm.analysis.audit import rules
from zevm.analysis.audit.finding import Finding, Place, Severity
from zevm.analysis.audit.wasm.walk import Walk
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.module.binary import Module, decode
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.module.prepare import decompress

LOCK = "msg_reentrant"


def opened(code: bytes) -> Module | Finding:
    """The decoded module; a finding for one that no chain accepts."""
    try:
        return decode(decompress(code) if code[:3] == COMPRESSED_PREFIX else code)
    except ModuleRefusedError as error:
        return Finding(rules.IMPORTS, Severity.HIGH, Place(), f"the module cannot be deployed: {error.message}")


def forbidden(module: Module) -> Iterator[Finding]:
    """Imports that the host does not have."""
    for row in module.imports:
        if (row.module, row.name) not in ALL_HOST_FUNCTIONS:
            reason = f"the module imports {row.module}.{row.name}, which the host does not have"
            yield Finding(rules.IMPORTS, Severity.HIGH, Place(f"import {row.module}.{row.name}"), reason)


def suspicions(walk: Walk) -> Iterator[Finding]:
    """Weaknesses that the order of calls makes likely."""
    used = {walk.host_name(index) for index in walk.reachable()}
    if walk.late and LOCK not in used:
        offset = min(walk.late)
        yield Finding(
            rules.REENTRANCY, Severity.HIGH, Place("", offset),
            "storage is written after a call of another contract, and the module never asks whether it is reentered",
        )  # fmt: skip
    if "tx_origin" in used:
        reason = "the module reads the transaction's sender; any contract that it calls passes a check of it"
        yield Finding(rules.TX_ORIGIN, Severity.MEDIUM, Place("", _first(walk, "tx_origin")), reason)
    if "selfdestruct" in used:
        reason = "the module can destroy itself"
        yield Finding(rules.SELFDESTRUCT, Severity.LOW, Place("", _first(walk, "selfdestruct")), reason)
    for offset in walk.dropped:
        reason = "the result of a call is dropped: a failed call goes unnoticed"
        yield Finding(rules.UNCHECKED_CALL, Severity.MEDIUM, Place("", offset), reason)


def _first(walk: Walk, name: str) -> int | None:
    calls = (call for index in walk.reachable() for call in walk.calls_of(index))
    return min((offset for offset, target in calls if walk.host_name(target) == name), default=None)
