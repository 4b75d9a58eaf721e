"""WebAssembly's own test scripts through the checks and the instrumentation.

A script is a `.wast` file of the specification's suite; wabt's `wast2json` turns it into modules and assertions.
An instance lives through its script here, so wasmtime's own bindings run it and not `zevm.chain.zvm.runtime.runtime`.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wasmtime

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import ZVM

INK = 10**15
STACK_WORDS = 65_536
OUT_OF_STACK = 2

BEYOND = ("simd", "i8x16", "i16x8", "i32x4", "relaxed")
"""Names of scripts that hold vectors alone begin so."""
NO_SCRIPT = ".fail.wast"
"""Older suites have files of this name that are not to be read."""
FAULTY_RULES = {"magic", "malformed", "index", "validation", "compression"}
"""Rules that no valid module may be refused by. The others tell what ZVM does not run."""

TRAPS = {
    "undefined element": "out of bounds table access",
    "uninitialized element": "call of a null function",
    "undefined": "out of bounds table access",
}
"""The suite's words for a trap, where wasmtime has others."""
CODES = {
    wasmtime.TrapCode.UNREACHABLE: "unreachable",
    wasmtime.TrapCode.INTEGER_DIVISION_BY_ZERO: "integer divide by zero",
    wasmtime.TrapCode.INTEGER_OVERFLOW: "integer overflow",
    wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS: "out of bounds memory access",
    wasmtime.TrapCode.TABLE_OUT_OF_BOUNDS: "out of bounds table access",
    wasmtime.TrapCode.INDIRECT_CALL_TO_NULL: "call of a null function",
    wasmtime.TrapCode.BAD_SIGNATURE: "indirect call type mismatch",
}


@dataclass
class Tally:
    """What came of the scripts."""

    scripts: int = 0
    unread: int = 0
    """Scripts that wast2json of this version does not understand."""
    modules: int = 0
    """Accepted, instrumented and instantiated."""
    refused: Counter[str] = field(default_factory=Counter)
    """Valid modules by the rule that ZVM refuses them by."""
    passed: Counter[str] = field(default_factory=Counter)
    """Assertions by kind."""
    skipped: int = 0
    """Assertions about refused modules, text, and memory beyond ZVM's limit."""
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.passed.items()))
        return (
            f"{self.scripts} scripts, {self.modules:,} modules run, {sum(self.refused.values()):,} refused by rule; "
            f"{sum(self.passed.values()):,} assertions hold ({kinds}), {len(self.failures)} fail, {self.skipped:,} "
            f"skipped, {self.unread} scripts unread"
        )


class Instance:
    """An instance of an instrumented module."""

    def __init__(self, engine: wasmtime.Engine, prepared: Prepared) -> None:
        self.store = wasmtime.Store(engine)
        module = wasmtime.Module(engine, prepared.instrumented)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)

    def invoke(self, name: str, arguments: list[int]) -> int | None:
        """Call a function with plenty of ink and one instance's stack."""
        self._global("zvm_ink").set_value(self.store, wasmtime.Val.i64(INK))
        self._global("zvm_stack").set_value(self.store, wasmtime.Val.i32(STACK_WORDS))
        self._global("zvm_fault").set_value(self.store, wasmtime.Val.i32(0))
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        result: int | None = function(self.store, *arguments)
        if int(self._global("zvm_ink").value(self.store)) >= INK:
            raise AssertionError("it cost nothing")
        if int(self._global("zvm_stack").value(self.store)) != STACK_WORDS:
            raise AssertionError("stack words are missing")
        return result

    def fault(self) -> int:
        """Why the last call stopped itself."""
        return int(self._global("zvm_fault").value(self.store))

    def _global(self, name: str) -> wasmtime.Global:
        found = self.exports[name]
        assert isinstance(found, wasmtime.Global)
        return found


def signed(argument: dict[str, str]) -> int:
    """A value of a script, as wasmtime's bindings want it."""
    bits = {"i32": 32, "i64": 64}[argument["type"]]
    value = int(argument["value"])
    return value - (value >> (bits - 1) << bits)


class Script:
    """One script as wast2json wrote it."""

    def __init__(self, document: Path, engine: wasmtime.Engine, tally: Tally) -> None:
        self.folder, self.engine, self.tally = document.parent, engine, tally
        self.name = document.stem
        self.commands: list[dict[str, Any]] = json.loads(document.read_text())["commands"]
        self.current: Instance | None = None
        self.named: dict[str, Instance | None] = {}
        self.registered: list[Instance] = []

    def run(self) -> None:
        """Every command in order."""
        for command in self.commands:
            handler = HANDLERS.get(command["type"], Script.skip)
            try:
                handler(self, command)
            except (AssertionError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
                text = " ".join(str(error).split())[:200]
                self.tally.failures.append(f"{self.name}:{command['line']} {command['type']}: {text}")

    def skip(self, _: dict[str, Any]) -> None:
        """Nothing that can be asked of ZVM."""
        self.tally.skipped += 1

    def module(self, command: dict[str, Any]) -> None:
        """A valid module: it runs, or a rule of ZVM's own refuses it."""
        self.current = None
        try:
            prepared = prepare(self._bytes(command), ZVM, library=True)
        except ModuleRefusedError as error:
            if error.rule in FAULTY_RULES:
                raise AssertionError(str(error)) from error
            self._refuse(error.rule)
        else:
            if prepared.imports:
                self._refuse("import")
            else:
                self.current = Instance(self.engine, prepared)
                self.tally.modules += 1
        if "name" in command:
            self.named[command["name"]] = self.current

    def _refuse(self, rule: str) -> None:
        """It might have changed what the registered ones share with it, so they are of no use from now on."""
        self.tally.refused[rule] += 1
        self.named = {name: kept for name, kept in self.named.items() if kept not in self.registered}
        self.registered.clear()

    def register(self, command: dict[str, Any]) -> None:
        """Other modules may import from this instance."""
        kept = self.named.get(command["name"]) if "name" in command else self.current
        if kept is not None:
            self.registered.append(kept)

    def action(self, command: dict[str, Any]) -> None:
        """A call for its effects."""
        self._act(command["action"])

    def returns(self, command: dict[str, Any]) -> None:
        """A call with a result."""
        found = self._act(command["action"])
        if found is None:
            return
        expected = [signed(value) for value in command["expected"]]
        assert found[0] == (expected[0] if expected else None), f"{found[0]} in place of {expected}"
        self._pass(command)

    def traps(self, command: dict[str, Any]) -> None:
        """A call that traps, with every ink paid and no fault recorded."""
        self._trap(command, lambda trap, instance: self._check_trap(command["text"], trap, instance))

    def exhausts(self, command: dict[str, Any]) -> None:
        """Endless recursion: stack words run out, not the native stack."""

        def check(_: wasmtime.Trap, instance: Instance) -> None:
            assert instance.fault() == OUT_OF_STACK, "the native stack ran out"

        self._trap(command, check)

    def refuses(self, command: dict[str, Any]) -> None:
        """Bytes that are no valid module."""
        if command["module_type"] != "binary":
            self.tally.skipped += 1
            return
        try:
            prepare(self._bytes(command), ZVM, library=True)
        except ModuleRefusedError:
            self._pass(command)
        else:
            raise AssertionError(f"accepted, though {command['text']}")

    def never_starts(self, command: dict[str, Any]) -> None:
        """A valid module whose segments or start function trap: ZVM refuses it."""
        try:
            prepared = prepare(self._bytes(command), ZVM, library=True)
        except ModuleRefusedError as error:
            self._refuse(error.rule)
            self._pass(command)
        else:
            raise AssertionError(f"accepted with imports {prepared.imports}, though {command['text']}")

    def _bytes(self, command: dict[str, Any]) -> bytes:
        return (self.folder / command["filename"]).read_bytes()

    def _pass(self, command: dict[str, Any]) -> None:
        self.tally.passed[command["type"].removeprefix("assert_")] += 1

    def _instance(self, action: dict[str, Any]) -> Instance | None:
        return self.named.get(action["module"]) if "module" in action else self.current

    def _act(self, action: dict[str, Any]) -> tuple[int | None] | None:
        """(result,) of an invocation, or None where the module was refused."""
        instance = self._instance(action)
        if instance is None or action["type"] != "invoke":
            self.tally.skipped += 1
            return None
        arguments = [signed(value) for value in action["args"]]
        if action["field"].startswith("grow") and arguments and arguments[0] > ZVM.pages.instance_pages_limit:
            self.tally.skipped += 1
            return None
        return (instance.invoke(action["field"], arguments),)

    def _trap(self, command: dict[str, Any], check: Callable[[wasmtime.Trap, Instance], None]) -> None:
        instance = self._instance(command["action"])
        try:
            if self._act(command["action"]) is not None:
                raise AssertionError("it returned")
        except wasmtime.Trap as trap:
            assert instance is not None
            check(trap, instance)
            self._pass(command)

    def _check_trap(self, expected: str, trap: wasmtime.Trap, instance: Instance) -> None:
        assert instance.fault() == 0, "it stopped itself"
        found = CODES.get(trap.trap_code) if trap.trap_code is not None else None
        words = next((word for text, word in TRAPS.items() if expected.startswith(text)), expected)
        assert found == words, f"{trap.trap_code} in place of {expected}"


HANDLERS: dict[str, Callable[[Script, dict[str, Any]], None]] = {
    "module": Script.module,
    "register": Script.register,
    "action": Script.action,
    "assert_return": Script.returns,
    "assert_trap": Script.traps,
    "assert_exhaustion": Script.exhausts,
    "assert_uninstantiable": Script.never_starts,
    "assert_invalid": Script.refuses,
    "assert_malformed": Script.refuses,
}


def run_scripts(folder: Path, wast2json: str, work: Path) -> Tally:
    """Run every script of a folder; `work` takes what wast2json writes."""
    tally, engine = Tally(), wasmtime.Engine()
    for source in sorted(folder.glob("*.wast")):
        if source.name.startswith(BEYOND) or source.name.endswith(NO_SCRIPT):
            continue
        document = work / f"{source.stem}.json"
        done = subprocess.run([wast2json, "--enable-all", str(source), "-o", str(document)], capture_output=True)
        if done.returncode:
            tally.unread += 1
            continue
        tally.scripts += 1
        Script(document, engine, tally).run()
    return tally
