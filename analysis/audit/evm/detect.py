"""All rules over EVM bytecode."""

from collections.abc import Mapping

from zevm.analysis.audit.evm import calls, control, numbers
from zevm.analysis.audit.evm.contract import EvmContract, explored
from zevm.analysis.audit.evm.explorer import Bounds
from zevm.analysis.audit.finding import Finding, in_order
from zevm.chain.concurrency.deadline import Deadline


def examine(
    raw: bytes, names: Mapping[bytes, str], *, bounds: Bounds | None = None, deadline: Deadline | None = None
) -> tuple[EvmContract, tuple[Finding, ...]]:
    """The contract of deployed bytecode, and what its code makes suspect. Raises ExecutionTimeoutError."""
    contract = explored(raw, dict(names), bounds=bounds, deadline=deadline)
    found = [finding for rule in (calls, control, numbers) for finding in rule.find(contract)]
    return contract, in_order(found)
