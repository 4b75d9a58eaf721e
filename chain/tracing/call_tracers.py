"""callTracer, flatCallTracer and 4byteTracer: frames alone, so that the code runs at full speed."""

from collections.abc import Collection, Iterator
from typing import Any

import orjson

from zevm.chain.tracing.call_tree import CallNode, CallTree, encode_tree
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.settings import RECORDING, RECORDING_WITH_LOGS, Options, TraceContext, flag
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.types.selectors import SELECTOR_BYTES
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import TransactionStart


class CallTracer(CallTree):
    """The tree of frames. Options: onlyTopCall, withLog."""

    def __init__(self, options: Options, context: TraceContext) -> None:
        owner = "callTracerConfig"
        super().__init__(
            context, with_log=flag(options, "withLog", owner), only_top_call=flag(options, "onlyTopCall", owner)
        )
        self.recording = RECORDING_WITH_LOGS if self._with_log else RECORDING

    def result(self) -> Json:
        """The outermost frame with its calls."""
        if self.root is None:
            raise TraceError("incorrect number of top-level calls")
        return encode_tree(self.root, CallNode.to_json)


_PARITY_WORDS = {
    VmErrorKind.CODE_STORE_OUT_OF_GAS: "Out of gas",
    VmErrorKind.OUT_OF_GAS: "Out of gas",
    VmErrorKind.CODE_SIZE: "Out of gas",
    VmErrorKind.INVALID_JUMP: "Bad jump destination",
    VmErrorKind.INVALID_OPCODE: "Bad instruction",
    VmErrorKind.REVERT: "Reverted",
    VmErrorKind.RETURN_DATA_OUT_OF_BOUNDS: "Out of bounds",
    VmErrorKind.STACK_OVERFLOW: "Out of stack",
    VmErrorKind.STACK_UNDERFLOW: "Stack underflow",
    VmErrorKind.PRECOMPILE_INPUT_LENGTH: "Built-in failed",
}
"""Parity's words for a fault, as geth translates them; for any other fault geth's own stay."""


class FlatCallTracer(CallTree):
    """The frames in a row, as Parity's trace_ methods show them. Options: convertParityErrors, includePrecompiles."""

    recording = RECORDING

    def __init__(self, options: Options, context: TraceContext) -> None:
        owner = "flatCallTracerConfig"
        super().__init__(context)
        self._convert_errors = flag(options, "convertParityErrors", owner)
        self._include_precompiles = flag(options, "includePrecompiles", owner)
        self._precompiles: Collection[bytes] = ()

    def on_begin(self, start: TransactionStart) -> None:
        """Remember the precompiles."""
        super().on_begin(start)
        self._precompiles = start.precompiles

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Parity does not show plain calls of precompiles."""
        super().on_exit(gas_used, output, error)
        if self.open and not self._include_precompiles:
            calls = self.open[-1].calls
            if calls[-1].kind in ("CALL", "STATICCALL") and calls[-1].target in self._precompiles:
                calls.pop()

    def result(self) -> Json:
        """The list of frames, each before its calls."""
        if self.root is None:
            raise TraceError("invalid number of calls")
        return orjson.Fragment(orjson.dumps([self._encode(node, path) for node, path in self._walk(self.root)]))

    @staticmethod
    def _walk(root: CallNode) -> Iterator[tuple[CallNode, tuple[int, ...]]]:
        waiting: list[tuple[CallNode, tuple[int, ...]]] = [(root, ())]
        while waiting:
            node, path = waiting.pop()
            yield node, path
            waiting.extend((node.calls[index], (*path, index)) for index in range(len(node.calls) - 1, -1, -1))

    def _encode(self, node: CallNode, path: tuple[int, ...]) -> dict[str, Any]:
        context = self.context
        # a path takes as many numbers as the frame is deep
        self._budget.take(8 * len(path))
        encoded: dict[str, Any] = {
            "action": _flat_action(node),
            "blockHash": None if context.block_hash is None else "0x" + context.block_hash.hex(),
            "blockNumber": context.block_number,
        }
        error = node.error
        if error is not None:
            encoded["error"] = _parity_error(error) if self._convert_errors else error.message
        if node.kind != "SELFDESTRUCT" and (error is None or error.kind is VmErrorKind.REVERT):
            encoded["result"] = _flat_result(node)
        return encoded | {
            "subtraces": len(node.calls),
            "traceAddress": path,
            "transactionHash": None if context.transaction_hash is None else "0x" + context.transaction_hash.hex(),
            "transactionPosition": context.transaction_index,
            "type": _flat_type(node),
        }


def _flat_type(node: CallNode) -> str:
    if node.kind in CREATIONS:
        return "create"
    return "suicide" if node.kind == "SELFDESTRUCT" else "call"


def _flat_action(node: CallNode) -> dict[str, Any]:
    sender, value = "0x" + node.sender.hex(), hex(node.value or 0)
    target = None if node.target is None else "0x" + node.target.hex()
    if node.kind == "SELFDESTRUCT":
        return {"address": sender, "balance": value, "refundAddress": target}
    action: dict[str, Any] = {"from": sender, "gas": hex(node.gas_limit), "value": value}
    if node.kind in CREATIONS:
        return action | {"creationMethod": node.kind.lower(), "init": "0x" + node.data.hex()}
    return action | {"callType": node.kind.lower(), "input": "0x" + node.data.hex(), "to": target}


def _flat_result(node: CallNode) -> dict[str, Any]:
    used, output = hex(node.gas_used), "0x" + node.output.hex()
    if node.kind not in CREATIONS:
        return {"gasUsed": used, "output": output}
    address = {} if node.target is None else {"address": "0x" + node.target.hex()}
    return address | {"code": output, "gasUsed": used}


def _parity_error(error: VmError) -> str:
    return _PARITY_WORDS.get(error.kind, error.message)


class FourByteTracer(ResultTracer):
    """How often each function was called: "0x<selector>-<bytes of arguments>" -> count. No options."""

    recording = RECORDING

    def __init__(self, options: Options, context: TraceContext) -> None:  # noqa: ARG002  one signature
        self._counts: dict[str, int] = {}
        self._precompiles: Collection[bytes] = ()

    def on_begin(self, start: TransactionStart) -> None:
        """Remember the precompiles, which have no functions."""
        self._precompiles = start.precompiles

    def on_enter(self, start: FrameStart) -> None:
        """Count a call with a selector."""
        data = start.data
        if len(data) < SELECTOR_BYTES or start.kind in CREATIONS or start.target in self._precompiles:
            return
        key = f"0x{data[:SELECTOR_BYTES].hex()}-{len(data) - SELECTOR_BYTES}"
        self._counts[key] = self._counts.get(key, 0) + 1

    def result(self) -> Json:
        """The counts, by selector."""
        return dict(sorted(self._counts.items()))


class NoopTracer(ResultTracer):
    """Nothing at all, for measuring. No options."""

    recording = RECORDING

    def __init__(self, options: Options, context: TraceContext) -> None:  # noqa: ARG002  one signature
        return

    def result(self) -> Json:
        """An empty object."""
        return {}
