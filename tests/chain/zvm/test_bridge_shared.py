"""What the frames of one transaction share over both machines: memory, stack words, logs, refunds, reentrancy."""

from tests.chain.vm.support import CONTRACT, FakeAccount, assemble
from tests.chain.zvm.contracts import (
    OTHER,
    RELAYS,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    path,
    relay_accounts,
    request_to,
    returning,
    send,
    slots,
    unwrapped,
    word,
)
from tests.chain.zvm.zvm_modules import on_thread
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import Log
from zevm.chain.types.receipt import logs_bloom
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import FrameStart
from zevm.chain.zvm.scope import FRAME_STACK_WORDS, TRANSACTION_STACK_WORDS
from zevm.storage.keccak import keccak256

WASM_WHO = returning(
    invoke("contract_address", 12) + invoke("msg_sender", 44) + invoke("msg_value", 64) + invoke("tx_origin", 108),
    128,
)


def runner_of(codes: dict[bytes, bytes], **options: object) -> Executor:
    return executor(relay_accounts() | accounts_of(codes), **options)


def call(runner: Executor, *way: bytes, payload: bytes = b"", **request: object) -> tuple[list[int], bytes]:
    """eth_call through relays to the last address: the relays' success words and the last output."""
    outcome = runner.call(request_to(way[0], path(*way[1:], payload=payload), **request))
    assert outcome.error is None, outcome.error
    return unwrapped(outcome.output, len(way) - 1)


# Shared by the transaction

REENTRANT = returning(f"(i32.store8 (i32.const 31) {invoke('msg_reentrant')})")


def test_reentrancy_counts_the_accounts_own_frames() -> None:
    """A relay that calls itself, directly and through others, is open twice; one that is delegated to is not."""
    runner = runner_of({TARGET: REENTRANT})
    relay, delegating = RELAYS["wasm", "CALL"], RELAYS["evm", "DELEGATECALL"]
    assert call(runner, TARGET)[1] == word(0)
    assert call(runner, relay, TARGET)[1] == word(0)
    # TARGET's code runs on the account of `delegating`, which has one frame of its own open
    assert call(runner, delegating, TARGET)[1] == word(0)
    # a call back to it, made by code that it delegates to, opens a second one
    assert call(runner, delegating, relay, delegating, TARGET)[1] == word(1)
    # relay -> evm -> relay -> (delegates) is open twice
    both = RELAYS["wasm", "DELEGATECALL"]
    assert call(runner, both, RELAYS["evm", "CALL"], both, TARGET)[1] == word(1)
    # a static call back counts as well
    assert call(runner, both, RELAYS["evm", "STATICCALL"], both, TARGET)[1] == word(1)


def test_open_pages_are_summed_over_the_frames_of_a_transaction() -> None:
    """Stylus: two free pages. A callee of one page is free below a caller of one, and not below one of two."""
    used = []
    for pages in ("1 1", "2 2", "3 3"):
        code = contract(f"(drop {invoke('static_call_contract', 64, 0, 0, -1, 0)})", memory=pages, data={64: TARGET})
        runner = runner_of({CONTRACT: code, TARGET: contract("")}, schedule="stylus")
        used.append(runner.call(request_to(CONTRACT)).gas_used)
    assert [later - used[0] for later in used] == [0, 1_000, 2_000]
    # pages of a frame that has ended are free for the next one
    call_twice = f"(drop {invoke('static_call_contract', 64, 0, 0, -1, 0)})" * 2
    one = contract(f"(drop {invoke('static_call_contract', 64, 0, 0, -1, 0)})", data={64: TARGET})
    two = contract(call_twice, data={64: TARGET})
    costs = []
    for code in (one, two):
        runner = runner_of({CONTRACT: code, TARGET: contract("", memory="2 2")}, schedule="stylus")
        costs.append(runner.call(request_to(CONTRACT)).gas_used)
    assert 1_000 < costs[1] - costs[0] < 1_000 + 100 + 352 + 146 + 20


LOCALS = "(local " + "i32 " * 1_000 + ")"


def test_stack_words_are_shared_by_the_frames_of_a_transaction() -> None:
    """A contract that uses 61,683 words and then calls itself gets as far as they last, and the last call fails."""
    # each of 61 levels of $down takes 1,011 words: 6 operands, 1,001 locals, 4
    functions = f"""(func $down (param $k i32) (result i32) {LOCALS}
      (if (result i32) (local.get $k)
        (then (call $down (i32.sub (local.get $k) (i32.const 1))))
        (else (drop {invoke("call_contract", 64, 0, 0, 128, -1, 200)}) (drop {invoke("read_return_data", 0, 0, 32)})
          (i32.const 0))))"""
    code = returning(
        "(drop (call $down (i32.const 60)))" + invoke("math_add_mod", 0, 256, 288),
        functions=functions,
        data={64: CONTRACT, 256: word(1), 288: b"\xff" * 32},
    )
    runner = runner_of({CONTRACT: code})
    outcome = on_thread(lambda: runner.call(request_to(CONTRACT, gas_limit=10**12)))
    assert outcome.error is None, outcome  # type: ignore[attr-defined]
    frames = int.from_bytes(outcome.output, "big")  # type: ignore[attr-defined]
    words_each = 61 * (6 + 1_001 + 4) + 3 + 5 + 4
    assert (frames, words_each < FRAME_STACK_WORDS) == (TRANSACTION_STACK_WORDS // words_each, True)


def deep(action: str) -> bytes:
    """A contract that does `action` with 61,683 of its stack words in use."""
    functions = f"""(func $down (param $k i32) (result i32) {LOCALS}
      (if (result i32) (local.get $k)
        (then (call $down (i32.sub (local.get $k) (i32.const 1))))
        (else {action} (i32.const 0))))"""
    return contract("(drop (call $down (i32.const 60)))", functions=functions, data={64: TARGET})


def test_stack_words_come_back_after_every_call() -> None:
    """20 callees in a row, each of which needs as many words as their caller has in use."""
    calls = f"(if {invoke('call_contract', 64, 0, 0, 128, -1, 200)} (then (unreachable)))" * 20
    callee = deep(f"(drop {invoke('call_contract', 1_000, 0, 0, 128, -1, 200)})")
    runner = runner_of({CONTRACT: deep(calls), TARGET: callee})
    assert runner.call(request_to(CONTRACT, gas_limit=50_000_000)).error is None


def test_stack_words_come_back_after_a_host_call_that_failed() -> None:
    """Creation code over the limit ends the frame in the middle of its call to the host."""
    failing = deep(invoke("create1", 0, 49_153, 128, 200, 220))
    call_once = f"0 0 0 0 0 0x{CONTRACT.hex()} 300000 CALL POP "
    caller = assemble(call_once * 20 + f"0 0 0 0 0 0x{TARGET.hex()} GAS CALL 0 MSTORE 32 0 RETURN")
    runner = runner_of({CONTRACT: failing, TARGET: deep(""), OTHER: caller})
    assert runner.call(request_to(OTHER, gas_limit=50_000_000)).output == word(1)


def test_logs_of_both_machines_keep_their_order() -> None:
    """WebAssembly logs, calls EVM code that logs, and logs again."""
    code = contract(
        invoke("emit_log", 0, 1, 0)
        + f"(drop {invoke('call_contract', 64, 0, 0, 128, -1, 200)})"
        + invoke("emit_log", 1, 1, 0),
        data={0: b"ab", 64: TARGET},
    )
    runner = runner_of({CONTRACT: code, TARGET: assemble("7 1 0 LOG1")})
    outcome = send(runner, CONTRACT)
    expected = (Log(CONTRACT, (), b"a"), Log(TARGET, (word(7),), b"\0"), Log(CONTRACT, (), b"b"))
    assert outcome.logs == expected
    assert logs_bloom(outcome.logs) == logs_bloom(expected)


def test_refunds_of_both_machines_add_up() -> None:
    clearing = contract(
        invoke("storage_cache_bytes32", 64, 0)
        + invoke("storage_flush_cache", 0)
        + f"(drop {invoke('delegate_call_contract', 96, 0, 0, -1, 200)})",
        data={64: word(1), 96: TARGET},
    )
    accounts = {
        CONTRACT: FakeAccount(1, 0, clearing, {1: 5, 2: 5}),
        TARGET: FakeAccount(1, 0, assemble("0 2 SSTORE")),
    }
    runner = executor(accounts, schedule="stylus")
    outcome = send(runner, CONTRACT)
    expected = min(2 * 4_800, outcome.gas_used_before_refund // 5)
    assert outcome.gas_used_before_refund - outcome.gas_used == expected
    assert slots(runner, CONTRACT, [1, 2]) == [0, 0]


def test_a_tracer_sees_the_frames_of_both_machines() -> None:
    seen: list[tuple[str, int, bytes]] = []

    class Watcher(QuietTracer):
        def on_enter(self, start: FrameStart) -> None:
            seen.append((start.kind, start.depth, start.address))

        def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
            seen.append(("end", gas_used, output if error is None else b""))

    runner = runner_of({TARGET: WASM_WHO})
    runner.call(request_to(RELAYS["wasm", "CALL"], path(RELAYS["evm", "STATICCALL"], TARGET)), tracer=Watcher())
    assert [row for row in seen if row[0] != "end"] == [
        ("CALL", 0, RELAYS["wasm", "CALL"]),
        ("CALL", 1, RELAYS["evm", "STATICCALL"]),
        ("STATICCALL", 2, TARGET),
    ]
    assert len(seen) == 6


def test_webassembly_is_plain_bytes_where_the_chain_has_none() -> None:
    """`\\0asm` is STOP to the EVM."""
    runner = executor(accounts_of({TARGET: WASM_WHO}), schedule=None)
    outcome = runner.call(request_to(TARGET))
    assert (outcome.error, outcome.output, outcome.gas_used) == (None, b"", 21_000)
    assert keccak256(WASM_WHO) == runner.state.get_code_hash(TARGET)


def test_a_call_of_what_only_looks_like_a_module_burns_its_gas_alone() -> None:
    """State overrides and a genesis can hold such code."""
    runner = runner_of({TARGET: b"\0asm\x01\0\0\0garbage", OTHER: evm_relay("CALL", gas="50000")})
    outcome = runner.call(request_to(OTHER, path(TARGET)))
    assert unwrapped(outcome.output, 1) == ([0], b"")
    assert 50_000 < outcome.gas_used - 21_000 < 54_000
    direct = runner.call(request_to(TARGET))
    assert direct.error is not None
    assert (direct.error.kind, direct.gas_used) == (VmErrorKind.INVALID_MODULE, 5_000_000)
