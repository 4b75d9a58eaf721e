"""The recipe for Rust: the counter, built where there is a compiler, does what the one in C does."""

import pytest
from eth_abi.abi import encode

from testing.contracts import CONTRACTS, module_of
from testing.rust import has_rust, rust_counter
from tests.chain.vm.support import CONTRACT, SENDER
from tests.chain.zvm.contracts import accounts_of, executor, send, slots, word
from zevm.chain.zvm.inspection import inspect_module
from zevm.chain.zvm.price_table import ZVM
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.skipif(not has_rust(), reason="no rustc with the target wasm32-unknown-unknown")


def asking(signature: str, *values: object) -> bytes:
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return keccak256(signature.encode())[:4] + encode(types, values)


CALLS = [
    b"",
    b"\1\2",
    asking("number()"),
    asking("setNumber(uint256)", 999_999),
    asking("increment()"),
    asking("increment()"),
    asking("setNumber(uint256)", 2**256 - 1),
    asking("divide(uint256,uint256)", 100, 7),
    asking("divide(uint256,uint256)", 100, 0),
    asking("changes(address)", "0x" + SENDER.hex()),
    asking("changes(address)", "0x" + SENDER.hex())[:-1],
    asking("refuse()"),
    asking("LIMIT()"),
    asking("nothing()"),
    asking("setNumber(uint256)", 5) + bytes(70_000),
]


def test_the_counter_in_rust_is_the_counter_in_c() -> None:
    assert inspect_module(rust_counter(), ZVM).refusal is None
    count = int.from_bytes(keccak256(bytes(12) + SENDER + word(1)), "big")
    seen = []
    for module in (rust_counter(), module_of(CONTRACTS / "c" / "counter.c")):
        runner = executor(accounts_of({CONTRACT: module}))
        outcomes = [send(runner, CONTRACT, data) for data in CALLS]
        shown = [(outcome.error and outcome.error.status, outcome.output, outcome.logs) for outcome in outcomes]
        seen.append((shown, slots(runner, CONTRACT, [0, count])))
    assert seen[0] == seen[1]
    assert seen[0][1] == [5, 3]
