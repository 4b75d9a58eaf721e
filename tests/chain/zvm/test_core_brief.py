"""WebAssembly in the core on a thread that others wait for: calls end as on any other thread, or are given back."""

import time

import pytest

from testing.memory_state import MemoryReader
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount, environment_of
from tests.chain.zvm.contracts import (
    OTHER,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    machine,
    request_to,
    returning,
    wasm_relay,
)
from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import off_chain
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.brief_runs import BRIEF_GAS, BRIEF_PAGES
from zevm.chain.zvm.machine import ZvmMachine
from zevm.core import CORE

pytestmark = pytest.mark.skipif(CORE.library is None, reason="there is no core")

GAS = 10_000_000
GAS_LEFT = returning(
    f"(i64.store (i32.const 0) {invoke('evm_gas_left')}) (i64.store (i32.const 8) {invoke('evm_ink_left')})"
)
KEPT = returning(
    invoke("storage_load_bytes32", 0, 64)
    + invoke("storage_cache_bytes32", 0, 32)
    + invoke("storage_flush_cache", 0)
    + invoke("emit_log", 0, 64, 1),
    64,
    32,
    data={32: b"\1" * 32},
)
ENDLESS = contract("(loop $again (br $again))")


def counting(rounds: int) -> bytes:
    """A contract that works in proportion."""
    return returning(
        f"""(local.set $a (i32.const {rounds}))
        (loop $again (br_if $again (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))"""
    )


def brief(seconds: float = 60) -> BriefDeadline:
    """One whose time is so far away."""
    return BriefDeadline(time.monotonic() + seconds, Cancellation())


class Calls:
    """Calls off the chain in the core, of a contract and of two that it may call."""

    def __init__(
        self, code: bytes, *, other: bytes = b"", target: bytes = b"", wasm_machine: ZvmMachine | None = None
    ) -> None:
        self.accounts = accounts_of({CONTRACT: code, OTHER: other})
        self.accounts[TARGET] = FakeAccount(nonce=1, code=target, storage={0: 5})
        self._reader = MemoryReader({SENDER: FakeAccount(balance=10**18)} | self.accounts)
        self._environment = environment_of(
            Fork.OSAKA, wasm_machine=wasm_machine or machine("zvm"), engine=Engine.NATIVE
        )

    def run(self, deadline: Deadline, request: CallRequest) -> Outcome | None:
        """None: it is given back."""
        return off_chain.run(self._environment, self._reader, request, deadline)

    def is_brief(self, data: bytes = OTHER + TARGET, gas: int = GAS) -> bool:
        """Whether it ends on a thread that others wait for; it must then end as on a worker, which runs it first."""
        request = request_to(CONTRACT, data, gas_limit=gas)
        whole, found = self.run(Deadline.after(60), request), self.run(brief(), request)
        assert whole == executor(self.accounts, engine=Engine.PY_EVM).call(request)
        assert found is None or found == whole
        return found is not None


INNER = {
    "gas left": GAS_LEFT,
    "storage": KEPT,
    "trap": contract("(unreachable)"),
    "revert": contract("", status=3),
    "work": counting(9),
}
OUTER = {"EVM": evm_relay("CALL"), "WebAssembly": wasm_relay("CALL"), "static": wasm_relay("STATICCALL")}


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
def test_short_calls_end_as_on_a_worker(outer: bytes, inner: bytes) -> None:
    calls = Calls(outer, other=outer, target=inner)
    assert calls.is_brief()
    assert Calls(inner).is_brief()
    for gas in (100_000, 60_000, 30_000, 25_000, 23_000):
        calls.is_brief(gas=gas)


def test_long_calls_are_given_back_at_any_depth() -> None:
    assert not Calls(ENDLESS).is_brief()
    for relay in (evm_relay("CALL"), wasm_relay("CALL")):
        assert not Calls(relay, other=ENDLESS).is_brief(OTHER)
    # with as little gas the contract ends by itself
    assert Calls(ENDLESS).is_brief(gas=21_000 + BRIEF_GAS // 2)


def test_work_is_bounded_for_all_frames_together() -> None:
    """A contract that works for two thirds of what is allowed may be called once, and not twice."""
    found = [rounds for rounds in range(5_000, 100_000, 5_000) if Calls(counting(rounds)).is_brief()]
    most = found[-1]
    assert found == [*range(5_000, most + 1, 5_000)]
    assert most < 95_000
    two_thirds = counting(2 * most // 3)
    assert Calls(wasm_relay("CALL"), other=two_thirds).is_brief(OTHER)
    twice = contract(
        f"""(drop {invoke("call_contract", 1_024, 0, 0, 1_100, -1, 200)})
        (drop {invoke("call_contract", 1_024, 0, 0, 1_100, -1, 200)})""",
        data={1_024: OTHER},
    )
    assert not Calls(twice, other=two_thirds).is_brief()
    assert Calls(twice, other=counting(most // 3)).is_brief()


def test_much_work_of_a_host_function_is_given_back() -> None:
    hashes = "".join(invoke("native_keccak256", 0, 65_536, 0) for _ in range(3))
    assert not Calls(contract(hashes)).is_brief()
    assert Calls(contract(invoke("native_keccak256", 0, 4_096, 0))).is_brief()


def test_a_run_that_asks_the_state_looks_at_the_clock() -> None:
    loads = "".join(
        f"(i32.store (i32.const 0) (i32.const {slot})) {invoke('storage_load_bytes32', 0, 32)}" for slot in range(8)
    )
    calls, request = Calls(contract(loads)), request_to(CONTRACT, gas_limit=GAS)
    assert calls.is_brief()
    looks = []

    class Late(BriefDeadline):
        """One that has passed when it is looked at for the third time."""

        def check(self, message: str = "") -> None:
            looks.append(message)
            if len(looks) > 2:
                raise NotBriefError

    with pytest.raises(NotBriefError):
        calls.run(Late(0, Cancellation()), request)


def test_large_memories_and_programs_that_no_worker_has_run_are_given_back() -> None:
    assert Calls(returning("", memory=f"{BRIEF_PAGES} {BRIEF_PAGES}")).is_brief()
    assert not Calls(returning("", memory=f"{BRIEF_PAGES + 1} {BRIEF_PAGES + 1}")).is_brief()
    wasm_machine = ZvmMachine("zvm")
    loaded, new = Calls(GAS_LEFT, wasm_machine=wasm_machine), Calls(KEPT, wasm_machine=wasm_machine)
    # nor does it load what runs WebAssembly
    assert loaded.run(brief(), request_to(CONTRACT, gas_limit=GAS)) is None
    assert loaded.is_brief()
    with pytest.raises(NotBriefError):
        new.run(brief(), request_to(CONTRACT, gas_limit=GAS))
    assert new.is_brief()
