"""The tracers by name, and who makes one."""

import re
from collections.abc import Callable, Mapping

from zevm.chain.tracing.call_tracers import CallTracer, FlatCallTracer, FourByteTracer, NoopTracer
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.mux import MuxTracer
from zevm.chain.tracing.prestate import PrestateTracer
from zevm.chain.tracing.script_tracer import ScriptTracer
from zevm.chain.tracing.settings import Options, TraceContext, json_kind
from zevm.chain.tracing.step_tracers import Erc7562Tracer, KeccakPreimageTracer
from zevm.chain.tracing.struct_log import StructLogTracer
from zevm.chain.tracing.stylus_tracer import StylusTracer
from zevm.chain.tracing.tracer import ResultTracer

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")

TRACERS: dict[str, Callable[[Options, TraceContext], ResultTracer]] = {
    "callTracer": CallTracer,
    "flatCallTracer": FlatCallTracer,
    "prestateTracer": PrestateTracer,
    "4byteTracer": FourByteTracer,
    "noopTracer": NoopTracer,
    "keccak256PreimageTracer": KeccakPreimageTracer,
    "erc7562Tracer": Erc7562Tracer,
    "stylusTracer": StylusTracer,
    "muxTracer": lambda options, context: MuxTracer(options, context, make_tracer),
}
"""Name -> its maker, from the options and the place of the transaction."""


def make_tracer(name: str | None, options: object, context: TraceContext) -> ResultTracer:
    """A tracer by name or by its script, to be closed; struct logs without a name, with `options` its own.

    Raises TraceError, and ExecutionTimeoutError for a script that takes too long to load.
    """
    if options is not None and not isinstance(options, Mapping):
        raise TraceError(f"json: cannot unmarshal {json_kind(options)} into Go value of type tracer config")
    if name is None:
        return StructLogTracer(options or {}, context)
    maker = TRACERS.get(name)
    if maker is not None:
        return maker(options or {}, context)
    if _IDENTIFIER.match(name):
        # geth takes any other name for JavaScript, and this is how that fails
        raise TraceError(f"ReferenceError: {name} is not defined at <eval>:1:2(0)")
    return ScriptTracer(name, options, context)
