"""Host calls of WebAssembly contracts as Stylus' tools read them: the bytes that go in and come out, without pointers.

The members and the order of their fields are what `cargo stylus replay` reads (stylus-tools, core/tracing/frame.rs,
Apache-2.0 or MIT): numbers are big-endian, in as many bytes as their type has. The functions of `zvm` follow the same
rules.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from zevm.chain.vm.tracer import HostCall
from zevm.chain.zvm.module.rules import ENTRYPOINT

RETURNED = "user_returned"
"""Out: the status. A program ended by itself."""


class Hostio(NamedTuple):
    """One host call that was done. start_ink, end_ink: before its fixed price, and after it."""

    name: str
    inputs: bytes
    outputs: bytes
    start_ink: int
    end_ink: int


class _View(NamedTuple):
    """A host call that fields are read from. data_size: of its call data. result: None until the function has run."""

    call: HostCall
    data_size: int
    result: int | None = None

    def memory(self, pointer: int, size: int) -> bytes:
        """Memory as it is now; nothing where the call is about to fail."""
        return self.call.peek(pointer, size) or b""


_Field = Callable[[_View], bytes]


def _fixed(index: int, size: int) -> _Field:
    """`size` bytes of memory at a pointer."""
    return lambda view: view.memory(view.call.arguments[index], size)


def _word(index: int) -> _Field:
    return _fixed(index, 32)


def _address(index: int) -> _Field:
    return _fixed(index, 20)


def _data(pointer: int, length: int) -> _Field:
    """Memory at a pointer, as long as another argument says."""
    return lambda view: view.memory(view.call.arguments[pointer], view.call.arguments[length])


def _number(index: int, size: int) -> _Field:
    """An argument that is no pointer, cut to `size` bytes."""
    return lambda view: (view.call.arguments[index] & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def _length(index: int) -> _Field:
    """The u32 that the function has stored at a pointer."""
    return lambda view: view.memory(view.call.arguments[index], 4)[::-1]


def _result(size: int) -> _Field:
    return lambda view: (view.result or 0).to_bytes(size, "big")


def _copied(index: int) -> _Field:
    """Memory that the function has stored at a pointer, as many bytes as it returned."""
    return lambda view: view.memory(view.call.arguments[index], view.result or 0)


def _call_data(index: int) -> _Field:
    return lambda view: view.memory(view.call.arguments[index], view.data_size)


def _decimal(bits: int) -> _Field:
    """A printed number: its text."""

    def text(view: _View) -> bytes:
        value = view.call.arguments[0]
        return str(value - (1 << bits) if value >> (bits - 1) else value).encode()

    return text


class Layout(NamedTuple):
    """The fields of a function. name: None for its own."""

    inputs: tuple[_Field, ...] = ()
    outputs: tuple[_Field, ...] = ()
    name: str | None = None


_WORD_OUT = Layout((), (_word(0),))
_ADDRESS_OUT = Layout((), (_address(0),))
_U32_OUT = Layout((), (_result(4),))
_U64_OUT = Layout((), (_result(8),))
_DIVISION = Layout((_word(0), _word(1)), (_word(0),))
_MODULAR = Layout((_word(0), _word(1), _word(2)), (_word(0),))
_PLAIN_CALL = Layout((_address(0), _number(3, 8), _data(1, 2)), (_length(4), _result(1)))
_PRINTED_I32 = Layout((_decimal(32),), name="console_log")
_PRINTED_I64 = Layout((_decimal(64),), name="console_log")

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "read_args": Layout((), (_call_data(0),)),
        "write_result": Layout((_data(0, 1),)),
        "exit_early": Layout((_number(0, 4),)),
        "storage_load_bytes32": Layout((_word(0),), (_word(1),)),
        "storage_cache_bytes32": Layout((_word(0), _word(1))),
        "storage_flush_cache": Layout((_number(0, 1),)),
        "transient_load_bytes32": Layout((_word(0),), (_word(1),)),
        "transient_store_bytes32": Layout((_word(0), _word(1))),
        "call_contract": Layout((_address(0), _number(4, 8), _word(3), _data(1, 2)), (_length(5), _result(1))),
        "delegate_call_contract": _PLAIN_CALL,
        "static_call_contract": _PLAIN_CALL,
        "create1": Layout((_word(2), _data(0, 1)), (_address(3), _length(4))),
        "create2": Layout((_word(2), _word(3), _data(0, 1)), (_address(4), _length(5))),
        "read_return_data": Layout((_number(1, 4), _number(2, 4)), (_copied(0),)),
        "return_data_size": _U32_OUT,
        "emit_log": Layout((_number(2, 4), _data(0, 1))),
        "account_balance": Layout((_address(0),), (_word(1),)),
        "account_codehash": Layout((_address(0),), (_word(1),)),
        "account_code": Layout((_address(0), _number(1, 4), _number(2, 4)), (_copied(3),)),
        "account_code_size": Layout((_address(0),), (_result(4),)),
        "evm_gas_left": _U64_OUT,
        "evm_ink_left": _U64_OUT,
        "chainid": _U64_OUT,
        "block_gas_limit": _U64_OUT,
        "block_number": _U64_OUT,
        "block_timestamp": _U64_OUT,
        "block_basefee": _WORD_OUT,
        "block_coinbase": _ADDRESS_OUT,
        "contract_address": _ADDRESS_OUT,
        "msg_sender": _ADDRESS_OUT,
        "msg_value": _WORD_OUT,
        "tx_gas_price": _WORD_OUT,
        "tx_origin": _ADDRESS_OUT,
        "msg_reentrant": _U32_OUT,
        "tx_ink_price": _U32_OUT,
        "native_keccak256": Layout((_data(0, 1),), (_word(2),)),
        "math_div": _DIVISION,
        "math_mod": _DIVISION,
        "math_pow": _DIVISION,
        "math_add_mod": _MODULAR,
        "math_mul_mod": _MODULAR,
        "pay_for_memory_grow": Layout((_number(0, 2),)),
        "selfdestruct": Layout((_address(0),)),
        "blockhash": Layout((_number(0, 8),), (_word(1),)),
        "blobbasefee": _WORD_OUT,
        "prevrandao": _WORD_OUT,
        "is_constructing": _U32_OUT,
        "code_address": _ADDRESS_OUT,
        "log_txt": Layout((_data(0, 1),), name="console_log_text"),
        "log_i32": _PRINTED_I32,
        "log_i64": _PRINTED_I64,
        "tee_i32": _PRINTED_I32,
        "tee_i64": _PRINTED_I64,
    }
)
"""By host function."""


def _encode(fields: tuple[_Field, ...], view: _View) -> bytes:
    return b"".join([field(view) for field in fields])


class HostioReader:
    """Makes a Hostio of a host call's two events, and of a program's begin and end."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._calls: list[tuple[_View, bytes]] = []

    def start(self, size: int, ink_left: int) -> Hostio:
        """A program begins with call data of `size` bytes."""
        self._sizes.append(size)
        return Hostio(ENTRYPOINT, size.to_bytes(4, "big"), b"", ink_left, ink_left)

    def end(self, status: int | None, ink_left: int) -> Hostio | None:
        """The innermost program ended; None if it trapped."""
        self._sizes.pop()
        if status is None:
            return None
        return Hostio(RETURNED, b"", status.to_bytes(4, "big"), ink_left, ink_left)

    def called(self, call: HostCall) -> None:
        """A host function begins."""
        view = _View(call, self._sizes[-1])
        self._calls.append((view, _encode(LAYOUTS[call.name].inputs, view)))

    def returned(self, result: int | None, ink_left: int, error: str | None) -> Hostio | None:
        """The innermost host function ended; None if it ended the contract with a fault."""
        view, inputs = self._calls.pop()
        if error is not None:
            return None
        call, layout = view.call, LAYOUTS[view.call.name]
        outputs = _encode(layout.outputs, view._replace(result=result))
        return Hostio(layout.name or call.name, inputs, outputs, call.ink_left + call.fixed_ink, ink_left)
