"""WebAssembly contracts in text, EVM and WebAssembly relays, and chains in memory, for tests of ZVM on the chain."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from wasmtime import wat2wasm

from tests.chain.vm.support import (
    CONTRACT,
    SENDER,
    FakeAccount,
    assemble,
    environment_of,
    state_of,
    transaction_of,
)
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import PRICE_TABLES

TARGET = b"\x44" * 20
OTHER = b"\x55" * 20
NOBODY = b"\x66" * 20
INTRINSIC_GAS = 21_000

_TYPES = {"i": "i32", "I": "i64", "": ""}


def module(body: str, *, imports: str = "", memory: str = "1 1", data: Mapping[int, bytes] | None = None) -> bytes:
    """A module with this body. Host functions that it calls by their names are imported, data goes to its offsets."""
    used = set(re.findall(r"\$(\w+)", body))
    imports += "\n".join(
        f'(import "{place}" "{name}" (func ${name} {_parameters(row.parameters)} {_result(row.result)}))'
        for (place, name), row in HOST_FUNCTIONS.items()
        if name in used
    )
    segments = "\n".join(
        f'(data (i32.const {offset}) "{_escaped(content)}")' for offset, content in (data or {}).items()
    )
    text = f'(module {imports} (memory (export "memory") {memory}) {segments} {body})'
    return bytes(wat2wasm(text))


def contract(instructions: str, *, status: int = 0, functions: str = "", **parts: object) -> bytes:
    """A contract whose entry point runs these instructions and returns `status`; see `module` for the parts.

    It has the locals $n (length of the call data), $a, $b (i32), $x and $y (i64).
    """
    entry = f"""{functions} (func (export "user_entrypoint") (param $n i32) (result i32)
      (local $a i32) (local $b i32) (local $x i64) (local $y i64)
      {instructions} (i32.const {status}))"""
    return module(entry, **parts)


def returning(instructions: str, size: int = 32, at: int = 0, **parts: object) -> bytes:
    """A contract that returns `size` bytes of memory from `at` after these instructions."""
    return contract(f"{instructions} {invoke('write_result', at, size)}", **parts)


def invoke(name: str, *arguments: int | str) -> str:
    """The text of a call; integers are constants of the types that the host function has."""
    row = next(row for (_, known), row in HOST_FUNCTIONS.items() if known == name)
    texts = [
        f"({_TYPES[kind]}.const {argument})" if isinstance(argument, int) else argument
        for kind, argument in zip(row.parameters, arguments, strict=True)
    ]
    return f"(call ${name} {' '.join(texts)})"


def _parameters(kinds: str) -> str:
    return f"(param {' '.join(_TYPES[kind] for kind in kinds)})" if kinds else ""


def _result(kind: str) -> str:
    return f"(result {_TYPES[kind]})" if kind else ""


def _escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def word(value: int) -> bytes:
    """32 bytes, big endian."""
    return value.to_bytes(32, "big")


def padded(address: bytes) -> int:
    """An address as the number that a word holds."""
    return int.from_bytes(address, "big")


def entry_gas(code: bytes, schedule: str = "zvm") -> int:
    """What entering this code costs, for a module without data."""
    return {"stylus": 352, "zvm": 700}[schedule] + prepare(code, PRICE_TABLES[schedule]).activation_gas // 256


# Measuring in ink

HEADER, CONSTANT, CALL, LOCAL_GET, LOCAL_SET, DROP, I64_SUB, I64_STORE = 2_450, 1, 3_800, 75, 210, 9, 100, 950
HOST_CALL = 8_400
SURCHARGE = {"stylus": 0, "zvm": 30_000}

_RESULTS = 32_768


def measuring(steps: Sequence[str], **parts: object) -> bytes:
    """A contract that returns the ink that each step took, as 8 bytes little endian each.

    A step is one host call with constant arguments, in parentheses; `(drop (call ...))` where it has a result.
    """
    body = "".join(
        f"(local.set $x (call $evm_ink_left)) {step} (local.set $y (call $evm_ink_left))"
        f"(i64.store (i32.const {_RESULTS + 8 * index}) (i64.sub (local.get $x) (local.get $y)))"
        for index, step in enumerate(steps)
    )
    return returning(body, 8 * len(steps), _RESULTS, **parts)


def measured(output: bytes, steps: Sequence[str], schedule: str = "stylus") -> list[int]:
    """What each host call of `measuring` costs by itself: without the blocks around it and the second reading."""
    return [
        int.from_bytes(output[8 * index : 8 * index + 8], "little") - _overhead(step, schedule)
        for index, step in enumerate(steps)
    ]


def _overhead(step: str, schedule: str) -> int:
    first = HEADER + LOCAL_SET + CONSTANT * step.count(".const") + CALL
    second = HEADER + DROP * step.count("(drop") + CALL + HOST_CALL + SURCHARGE[schedule]
    return first + second


# Chains in memory


@cache
def machine(schedule: str = "zvm") -> ZvmMachine:
    """One machine for all tests of a process: its compiled programs are kept."""
    return ZvmMachine(schedule)


def executor(
    accounts: Mapping[bytes, FakeAccount],
    *,
    schedule: str | None = "zvm",
    fork: Fork = Fork.OSAKA,
    **environment: object,
) -> Executor:
    """An executor over these accounts and SENDER's; schedule None: a chain without WebAssembly."""
    wasm_machine = None if schedule is None else machine(schedule)
    return Executor(environment_of(fork, wasm_machine=wasm_machine, **environment), state_of(dict(accounts)))


def accounts_of(codes: Mapping[bytes, bytes]) -> dict[bytes, FakeAccount]:
    """An account of nonce 1 for each code."""
    return {address: FakeAccount(nonce=1, code=code) for address, code in codes.items()}


def run_wasm(
    code: bytes, *, schedule: str = "zvm", others: Mapping[bytes, FakeAccount] | None = None, **request: object
) -> Outcome:
    """eth_call of CONTRACT with this code, a million gas unless the request says otherwise."""
    values: dict[str, object] = {"sender": SENDER, "to": CONTRACT, "gas_limit": 1_000_000}
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=code)} | dict(others or {}), schedule=schedule)
    return runner.call(CallRequest(**(values | request)))


def request_to(to: bytes | None, data: bytes = b"", **changes: object) -> CallRequest:
    """An eth_call by SENDER with 5 million gas."""
    values: dict[str, object] = {"sender": SENDER, "to": to, "data": data, "gas_limit": 5_000_000}
    return CallRequest(**(values | changes))


def send(runner: Executor, to: bytes | None, data: bytes = b"", **changes: object) -> Outcome:
    """A transaction by SENDER with the next nonce."""
    nonce = runner.state.get_nonce(SENDER)
    transaction = transaction_of(to=to, data=data, nonce=nonce, **({"gas_limit": 10_000_000} | changes))
    return runner.apply(transaction, 60_000_000)


def code_gas(outcome: Outcome, data: bytes = b"") -> int:
    """Gas of a call before refunds, without the transaction's intrinsic gas."""
    calldata = sum(16 if byte else 4 for byte in data)
    return outcome.gas_used_before_refund - INTRINSIC_GAS - calldata


# Relays: the first 20 bytes of the call data are the address that the rest is passed on to.
# The output is a word, 1 where the call succeeded, and the call's output.

_PASS_ON = "20 CALLDATASIZE SUB 20 0 CALLDATACOPY 0 0 20 CALLDATASIZE SUB 0"
_GIVE_BACK = "RETURNDATASIZE 0 32 RETURNDATACOPY 0 MSTORE RETURNDATASIZE 32 ADD 0 RETURN"
_EVM_TARGET = "0 CALLDATALOAD 96 SHR"


def evm_relay(kind: str, value: int | None = None, gas: str = "GAS") -> bytes:
    """Passes on by CALL, CALLCODE, DELEGATECALL or STATICCALL; value None: what it was sent itself."""
    amount = ("CALLVALUE" if value is None else str(value)) if kind in ("CALL", "CALLCODE") else ""
    return assemble(f"{_PASS_ON} {amount} {_EVM_TARGET} {gas} {kind} {_GIVE_BACK}")


_WASM_KINDS = {"CALL": "call_contract", "DELEGATECALL": "delegate_call_contract", "STATICCALL": "static_call_contract"}
_WASM_DATA, _WASM_VALUE, _WASM_LENGTH, _WASM_OUTPUT = 1_024, 512, 600, 16_384


def wasm_relay(kind: str, value: int | None = None, gas: int = -1, before: str = "", after: str = "") -> bytes:
    """The same as a WebAssembly contract. before, after: instructions around the call; $b is 0 where it succeeded."""
    amount = str(_WASM_VALUE) if kind == "CALL" else None
    arguments: list[int | str] = [
        _WASM_DATA,
        f"(i32.const {_WASM_DATA + 20})",
        "(i32.sub (local.get $n) (i32.const 20))",
    ]
    if amount is not None:
        arguments.append(_WASM_VALUE)
    arguments += [gas, _WASM_LENGTH]
    name = _WASM_KINDS[kind]
    shown = invoke("msg_value", _WASM_VALUE) if value is None and kind == "CALL" else ""
    return contract(
        f"""{invoke("read_args", _WASM_DATA)} {shown} {before}
        (local.set $b {invoke(name, *arguments)}) {after}
        (i32.store8 (i32.const {_WASM_OUTPUT + 31}) (i32.eqz (local.get $b)))
        (local.set $a {invoke("read_return_data", _WASM_OUTPUT + 32, 0, "(call $return_data_size)")})
        {invoke("write_result", _WASM_OUTPUT, "(i32.add (local.get $a) (i32.const 32))")}""",
        data={_WASM_VALUE: word(value)} if value is not None else {},
    )


RELAYS = {
    ("evm", "CALL"): b"\xe0" + b"\x01" * 19,
    ("evm", "DELEGATECALL"): b"\xe1" + b"\x01" * 19,
    ("evm", "STATICCALL"): b"\xe2" + b"\x01" * 19,
    ("evm", "CALLCODE"): b"\xe3" + b"\x01" * 19,
    ("wasm", "CALL"): b"\xa0" + b"\x01" * 19,
    ("wasm", "DELEGATECALL"): b"\xa1" + b"\x01" * 19,
    ("wasm", "STATICCALL"): b"\xa2" + b"\x01" * 19,
}


RELAY_MAKERS: dict[str, Callable[..., bytes]] = {"evm": evm_relay, "wasm": wasm_relay}


@cache
def relay_accounts() -> dict[bytes, FakeAccount]:
    """An account for each of RELAYS."""
    return {
        address: FakeAccount(nonce=1, code=RELAY_MAKERS[machine_name](kind))
        for (machine_name, kind), address in RELAYS.items()
    }


def path(*addresses: bytes, payload: bytes = b"") -> bytes:
    """Call data for the first of some relays: the rest of the way, and what the last address gets."""
    return b"".join(addresses) + payload


def unwrapped(output: bytes, layers: int) -> tuple[list[int], bytes]:
    """The relays' success words, outermost first, and the innermost output."""
    words = []
    for _ in range(layers):
        words.append(int.from_bytes(output[:32], "big"))
        output = output[32:]
    return words, output


def evm_returning(*sources: str) -> bytes:
    """EVM code that returns the words that these expressions leave on the stack."""
    stores = " ".join(f"{source} {32 * index} MSTORE" for index, source in enumerate(sources))
    return assemble(f"{stores} {32 * len(sources)} 0 RETURN")


def deployed(code: bytes) -> bytes:
    """EVM creation code that returns `code`, of any length below 2**24."""
    prefix = assemble(f"0x{len(code):06x} DUP1 13 0 CODECOPY 0 RETURN")
    assert len(prefix) == 13
    return prefix + code


def slots(runner: Executor, address: bytes, keys: Iterable[int]) -> list[int]:
    """Values in the state."""
    return [runner.state.get_storage(address, key) for key in keys]
