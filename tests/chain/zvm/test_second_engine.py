"""The same instrumented modules in V8: results, traps and ink are those of wasmtime, to the last."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chain.zvm.metered_programs import CASES, INSTRUCTIONS, Case, prepared
from zevm.chain.zvm.module.prepare import Prepared
from zevm.chain.zvm.price_table import COVENANT, STYLUS, ZVM, PriceTable
from zevm.chain.zvm.runtime.engine import shared_engine
from zevm.chain.zvm.runtime.runtime import End, Engine, HostCallback, Instance, run

RUNNER = Path(__file__).with_name("run_in_v8.mjs")
MERGED = {"call of a null function": "no such function", "indirect call type mismatch": "no such function"}
"""V8 has one message for both."""


class Run(NamedTuple):
    """One run of a case."""

    case: Case
    schedule: PriceTable
    ink: int
    words: int

    @property
    def prepared(self) -> Prepared:
        return prepared(self.case, self.schedule)


def all_runs() -> list[Run]:
    runs = [Run(case, ZVM, 10**9, 65_536) for case in INSTRUCTIONS]
    for case in CASES:
        runs += [Run(case, schedule, 2**64 - 1, 65_536) for schedule in (ZVM, STYLUS, COVENANT)]
        runs += [Run(case, ZVM, ink, 65_536) for ink in (0, case.ink // 2, case.ink - 1, case.ink, case.ink + 1)]
        runs += [Run(case, ZVM, 10**9, words) for words in (0, 4, 5, 6, 7, 8, 12, 16)]
    runs += [Run(LOOP, ZVM, ink, 100) for ink in range(0, 60_000, 991)]
    return runs + [Run(RECURSION, ZVM, 10**12, words) for words in (50, 51, 52, 1000, 2000)]


LOOP = Case(
    "mix",
    """(loop (i64.store (i32.and (local.get 0) (i32.const 0xff8))
         (i64.rotl (global.get $I) (i64.extend_i32_u (local.get 0))))
       (global.set $I (i64.add (i64.mul (global.get $I) (i64.const 6364136223846793005)) (i64.load (i32.const 8))))
       (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
     (i64.xor (global.get $I) (i64.load (i32.const 0)))""",
    0,
    values=(0,),
    argument=9,
)
RECURSION = Case("recursion", "(call $f (i32.add (local.get 0) (i32.const 1)))", 0)


def nothing(_: Instance, __: int) -> None:
    """A host function that does nothing."""


def five(_: Instance) -> int:
    return 5


HOST_FUNCTIONS: Sequence[HostCallback] = (nothing, five)


@pytest.fixture(scope="module")
def in_v8() -> list[tuple[str, str | None, str]]:
    """What each of all runs gives, from one process."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    requests = [
        {
            "code": base64.b64encode(entry.prepared.instrumented).decode(),
            "imports": [[module, name, name == "chainid"] for module, name in entry.prepared.imports],
            "entry": "f",
            "arguments": [["i", str(entry.case.argument)]],
            "ink": str(entry.ink),
            "words": entry.words,
        }
        for entry in all_runs()
    ]
    done = subprocess.run([node, str(RUNNER)], input=json.dumps(requests), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


def in_wasmtime(engine: Engine, entry: Run) -> tuple[str, str | None, str]:
    result = run(
        engine.compile(entry.prepared, optimise=False),
        HOST_FUNCTIONS,
        context=None,
        ink=entry.ink,
        stack_words=entry.words,
        entry="f",
        arguments=(entry.case.argument,),
    )
    end = result.end.value if result.end is not End.TRAPPED else str(result.trap)
    return MERGED.get(end, end), str(result.values[0]) if result.values else None, str(result.ink_left)


@pytest.mark.lengthy
def test_both_engines_agree_on_every_run(in_v8: list[tuple[str, str | None, str]]) -> None:
    engine = shared_engine(pooled=True)
    runs = all_runs()
    assert len(in_v8) == len(runs)
    for entry, found in zip(runs, in_v8, strict=True):
        assert found == in_wasmtime(engine, entry), (entry.case.name, entry.schedule.name, entry.ink, entry.words)
    assert {end for end, _, _ in in_v8} >= {
        "returned",
        "out of ink",
        "out of stack",
        "unreachable",
        "integer divide by zero",
        "integer overflow",
        "out of bounds memory access",
        "out of bounds table access",
        "no such function",
    }
