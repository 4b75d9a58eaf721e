"""All rules over EVM bytecode."""

import time
from collections.abc import Mapping

from zevm.analysis.audit.evm import calls, control, numbers
from zevm.analysis.audit.evm.contract import EvmContract, explored
from zevm.analysis.audit.evm.explorer import Bounds
from zevm.analysis.audit.finding import Finding, in_order
from zevm.chain.concurrency.deadline import Deadline


def examine(
    raw: bytes, names: Mapping[bytes, str], *, bounds: Bounds | None = None, deadline: Deadline | None = None
) -> tuple[EvmContract, tuple[Finding, ...]]:
    """The contract of deployed bytecode, and what its code makes suspect. Raises AuditError."""
    half = None if deadline is None else deadline.sooner(time.monotonic() + deadline.remaining() / 2)
    contract = explored(raw, dict(names), bounds=bounds, deadline=half)
    found: list[Finding] = []
    for rule in (calls, control, numbers):
        for finding in rule.find(contract):
            if deadline is not None and deadline.expired():
                contract.is_late = True
                return contract, in_order(found)
            found.append(finding)
    return contract, in_order(found)
