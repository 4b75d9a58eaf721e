"""Host functions that report each call to a tracer. Runs without a tracer use the functions themselves."""

from collections.abc import Mapping
from types import MappingProxyType

from zevm.chain.vm.tracer import HostCall
from zevm.chain.zvm.faults import ExitError, HostTrapError
from zevm.chain.zvm.host.context import HostContext
from zevm.chain.zvm.host.functions import HostCallbacks
from zevm.chain.zvm.host_table import ALL_HOST_FUNCTIONS
from zevm.chain.zvm.module.instrument import PROBE
from zevm.chain.zvm.price_table import INK_PER_GAS
from zevm.chain.zvm.runtime.instance import HostCallback, Instance

_TABLES: dict[int, HostCallbacks] = {}
"""By the identity of the table that was wrapped: tables are constants, and bindings go by their functions."""


def observed(callbacks: HostCallbacks) -> HostCallbacks:
    """The same table with every function watched; always the same one for a table."""
    table = _TABLES.get(id(callbacks))
    if table is None:
        wrapped: Mapping[tuple[str, str], HostCallback] = {
            key: _observe(key, callback) for key, callback in callbacks.items()
        } | {PROBE: _probe}
        table = _TABLES.setdefault(id(callbacks), MappingProxyType(wrapped))
    return table


def _probe(instance: Instance, offset: int) -> None:
    """A block of a probed module begins."""
    context: HostContext = instance.context
    tracer = context.frame.transaction_context.host_tracer
    assert tracer is not None
    tracer.on_program_block(context.frame, offset, instance.ink_left, instance.stack_words_left)


def _observe(key: tuple[str, str], callback: HostCallback) -> HostCallback:
    function, name = ALL_HOST_FUNCTIONS[key], key[1]

    def call(instance: Instance, *arguments: int) -> int | None:
        context: HostContext = instance.context
        frame = context.frame
        tracer = frame.transaction_context.host_tracer
        assert tracer is not None

        def peek(pointer: int, length: int) -> bytes | None:
            try:
                return instance.read(pointer, length)
            except HostTrapError:
                return None

        fixed_ink = function.static_ink(context.scope.price_table)
        tracer.on_host_call(frame, HostCall(name, arguments, instance.ink_left, fixed_ink, INK_PER_GAS, peek))
        error = None
        result = None
        try:
            result = callback(instance, *arguments)
        except ExitError:
            raise
        except Exception as fault:
            error = str(fault)
            raise
        finally:
            tracer.on_host_return(frame, result, instance.ink_left, error)
        return result

    return call
