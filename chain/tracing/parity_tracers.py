"""Results of the trace_ methods: Parity's flat frames, state differences, and replays."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from zevm.chain.tracing.call_tracers import FlatCallTracer
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.mux import MuxTracer
from zevm.chain.tracing.prestate import Before, PrestateTracer
from zevm.chain.tracing.settings import TraceContext
from zevm.chain.tracing.tracer import Json
from zevm.chain.tracing.vm_trace import VmTracer
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart
from zevm.storage.primitives import Address

KINDS = ("trace", "vmTrace", "stateDiff")
"""The kinds of a replay."""


class ParityTracer(FlatCallTracer):
    """flatCallTracer's frames as Parity has them: the outermost one's gas is its code's alone, errors are Parity's.

    context.transaction_hash: None leaves out where the transaction stands, as in a replay.
    """

    def __init__(self, context: TraceContext) -> None:
        super().__init__({"convertParityErrors": True}, context)
        self._code_gas = self._code_gas_used = 0

    def on_enter(self, start: FrameStart) -> None:
        """Remember the outermost frame's own gas."""
        if self.root is None:
            self._code_gas = start.gas_limit
        super().on_enter(start)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """The outermost frame ends last."""
        self._code_gas_used = gas_used
        super().on_exit(gas_used, output, error)

    def frames(self) -> list[dict[str, Any]]:
        """The frames, each before its calls; failed ones have no result."""
        if self.root is None:
            raise TraceError("invalid number of calls")
        self.root.gas_limit, self.root.gas_used = self._code_gas, self._code_gas_used
        return [self._shape(self._encode(node, path)) for node, path in self._walk(self.root)]

    def _shape(self, frame: dict[str, Any]) -> dict[str, Any]:
        if "error" in frame:
            frame.pop("result", None)
        else:
            frame.setdefault("result", None)
        if self.context.transaction_hash is None:
            for name in ("blockHash", "blockNumber", "transactionHash", "transactionPosition"):
                del frame[name]
        return frame

    def result(self) -> Json:
        """The list of frames."""
        return orjson.Fragment(orjson.dumps(self.frames()))


class StateDiffTracer(PrestateTracer):
    """{address: {balance, nonce, code, storage}} of accounts that changed: "=", {"*": {from, to}}, {"+"} or {"-"}."""

    def __init__(self) -> None:
        super().__init__({}, TraceContext(lambda _: None))
        self._differences: dict[str, Any] = {}

    def on_end(self, outcome: Outcome) -> None:
        """Compare, while the state is at hand."""
        for address, before in sorted(self.accounts.items()):
            difference = self._compare(address, before)
            if difference is not None:
                self._differences["0x" + address.hex()] = difference

    def _compare(self, address: Address, before: Before) -> dict[str, Any] | None:
        state = self.state
        after = Before(state, address)
        after.slots = {slot: state.get_storage(address, slot) for slot in before.slots}
        fields_before, fields_after = _fields(before), _fields(after)
        pairs = {slot: (value, after.slots[slot]) for slot, value in before.slots.items()}
        changed = {slot: pair for slot, pair in pairs.items() if pair[0] != pair[1]}
        if fields_before == fields_after and not changed:
            return None
        born, died = before.is_empty, after.is_empty
        difference: dict[str, Any] = {
            name: _difference(value, fields_after[name], born=born, died=died) for name, value in fields_before.items()
        }
        difference["storage"] = {
            f"0x{slot:064x}": _difference(f"0x{old:064x}", f"0x{new:064x}", born=born, died=died)
            for slot, (old, new) in sorted(changed.items())
        }
        return difference

    def result(self) -> Json:
        """The differences by address."""
        return self._differences


def _fields(account: Before) -> dict[str, str]:
    return {"balance": hex(account.balance), "code": "0x" + account.code.hex(), "nonce": hex(account.nonce)}


def _difference(old: str, new: str, *, born: bool, died: bool) -> Any:
    if born:
        return {"+": new}
    if died:
        return {"-": old}
    return "=" if old == new else {"*": {"from": old, "to": new}}


class ReplayTracer(MuxTracer):
    """{output, stateDiff, trace, vmTrace}: what was not asked for is null, but for `trace`, which then is empty."""

    def __init__(self, kinds: Collection[str], context: TraceContext) -> None:
        makers = {
            "trace": lambda: ParityTracer(context),
            "vmTrace": VmTracer,
            "stateDiff": StateDiffTracer,
        }
        super().__init__({kind: {} for kind in kinds}, context, lambda name, _options, _context: makers[name]())
        self._outcome: Outcome | None = None

    def on_end(self, outcome: Outcome) -> None:
        """Keep the output."""
        super().on_end(outcome)
        self._outcome = outcome

    def parts(self) -> dict[str, Any]:
        """The result as a dict of encoded parts."""
        if self._outcome is None:
            raise TraceError("the transaction has not ended")
        found = super().result()
        assert isinstance(found, Mapping)
        absent: dict[str, Any] = {"stateDiff": None, "trace": [], "vmTrace": None}
        return {"output": "0x" + self._outcome.output.hex()} | absent | found

    def result(self) -> Json:
        """See the class."""
        return self.parts()
