"""Sources that cannot become a contract: a clear message, no traceback, and nothing written or sent."""

import importlib.util
import random
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from testing.contracts import CACHE
from testing.node_process import NodeProcess
from tests.clients.tools import BIN
from tests.node.conftest import Here, Start
from zevm.contracts import toolchain

ZIG = 'const std = @import("std");\nconst covenant = @import("covenant");\n'
END = "\ncomptime {\n    covenant.define(Bad);\n}\n"


def contract(members: str, before: str = "") -> str:
    return f"{ZIG}{before}\npub const Bad = struct {{\n{members}\n}};\n{END}"


NOISE = ", ".join(map(str, random.Random(1).randbytes(200_000)))
TABLE = """
const table = made();
fn made() [2_000_000]u64 {
    @setEvalBranchQuota(400_000_000);
    var out: [2_000_000]u64 = undefined;
    for (&out, 0..) |*item, i| item.* = i * 77;
    return out;
}
"""
SOURCES = {
    "no Zig at all": ("bad.zig", "hello", (), "src/bad.zig:1:1: error: "),
    "a name that is not there": (
        "bad.zig",
        contract("pub fn f() u256 { return absent; }"),
        (),
        "src/bad.zig:5:26: error: use of undeclared identifier 'absent'",
    ),
    "a type that the ABI lacks": ("bad.zig", contract("pub fn f(_: u12) void {}"), (), "u12"),
    "a list of functions with a wrong name": (
        "bad.zig",
        contract('pub const payable = .{"depsit"}; pub fn deposit() void {}'),
        (),
        "depsit",
    ),
    "no contract": ("user_entrypoint.zig", "pub const user_entrypoint = 1;", (), "cannot be deployed: invalid module"),
    "an endless loop at compile time": (
        "bad.zig",
        contract(
            "", "comptime {\n    @setEvalBranchQuota(4_000_000_000);\n    var i: u32 = 0;\n    while (true) i +%= 1;\n}"
        ),
        ("--timeout-seconds", "2"),
        "look for an endless loop at compile time; --timeout-seconds raises the limit",
    ),
    "too many steps at compile time": (
        "bad.zig",
        contract("", "comptime {\n    var i: u32 = 0;\n    while (true) i +%= 1;\n}"),
        (),
        "error: evaluation exceeded 1000 backwards branches",
    ),
    "more memory than allowed": (
        "bad.zig",
        contract("pub fn f(i: u64) u64 { return table[@intCast(i)]; }", TABLE),
        ("--memory-mib", "64"),
        "src/bad.zig: the compiler is out of memory; it may use 64 MiB; --memory-mib raises the limit",
    ),
    "a file of the system": (
        "bad.zig",
        contract('pub fn f() covenant.Bytes { return .{ .data = @embedFile("/etc/passwd") }; }'),
        (),
        "src/bad.zig:5:58: error: ",
    ),
    "a file above the source": (
        "bad.zig",
        contract('pub fn f() covenant.Bytes { return .{ .data = @embedFile("../secret.txt") }; }'),
        (),
        "error: embed of file outside package path: '../secret.txt'",
    ),
    "a source above its folder": (
        "bad.zig",
        contract("pub fn f() void { other.f(); }", 'const other = @import("../other.zig");'),
        (),
        "error: import of file outside module path",
    ),
    "a file that is read when it runs": (
        "bad.zig",
        contract('pub fn f() void { _ = std.posix.openat(0, "/etc/passwd", .{}, 0) catch {}; }'),
        (),
        "error: ",
    ),
    "the network": (
        "bad.zig",
        contract("pub fn f() void { _ = std.posix.socket(2, 1, 0) catch {}; }"),
        (),
        "error: ",
    ),
    "a function that no host has": (
        "bad.zig",
        contract("pub fn f() void { steal(); }", 'extern "env" fn steal() void;'),
        (),
        "cannot be deployed: invalid module (import): there is no function env.steal",
    ),
    "floating point": (
        "bad.zig",
        contract("pub fn f(a: u64) u64 { return @trunc(@as(f64, @floatFromInt(a)) * 1.5); }"),
        (),
        "cannot be deployed: invalid module (",
    ),
    "an oversized module": (
        "bad.zig",
        contract("pub fn f(at: u64) u8 { return noise[@intCast(at)]; }", f"const noise = [_]u8{{ {NOISE} }};"),
        (),
        "cannot be deployed: invalid module (limit): ",
    ),
    "no C": ("bad.c", "int user_entrypoint(", (), "src/bad.c:1:21: error: expected"),
    "C without an entry": ("bad.c", "/* user_entrypoint */ int x;", (), "cannot be deployed: invalid module"),
    "no AssemblyScript": ("bad.ts", "export function user_entrypoint(", (), "src/bad.ts"),
    "no Solidity": ("Bad.sol", "contract {", (), "Expected identifier"),
    "no Vyper": ("bad.vy", "@external\ndef f(", (), "EOF in multi-line statement"),
    "no text": ("bad.zig", b"\xff\xfe", (), "src/bad.zig: not UTF-8 text"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(CACHE))


@pytest.fixture
def node(start: Start, monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    started = start("--memory")
    monkeypatch.setenv("ETH_RPC_URL", started.url)
    return started


@pytest.mark.slow
@pytest.mark.clients
def test_sources_that_cannot_be_built(
    tmp_path: Path, here: Here, node: NodeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    (tmp_path / "secret.txt").write_text("a secret of this machine")
    (tmp_path / "other.zig").write_text("pub fn f() void {}")
    for case, (name, text, flags, message) in SOURCES.items():
        source = tmp_path / "src" / name
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(text if isinstance(text, bytes) else str(text).encode())
        told = here("contract", "build", f"src/{name}", *flags)
        assert told.code == 1, (case, told)
        assert message in told.err, (case, told.err)
        assert "Traceback" not in told.err, case
        assert "root:x" not in told.err, case
        assert "a secret" not in told.err, case
        assert not (tmp_path / "out").exists(), case
        assert here("contract", "deploy").err.startswith("zevm: no artifact in "), case
        source.unlink()
    with node.connect() as connection:
        assert connection.call("eth_blockNumber") == "0x0"


def without_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def found(wanted: str, package: str | None = None) -> ModuleSpec | None:
        return None if wanted == name else find(wanted, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    monkeypatch.setattr("zevm.contracts.compilers.vyper.find_spec", found)
    toolchain.zig.cache_clear()


def without_path(_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


Without = Callable[[str, pytest.MonkeyPatch], None]
MISSING: dict[str, tuple[Without, str, str]] = {
    "bad.zig": (without_package, "ziglang", "Zig and C need the Zig compiler: pip install 'zevm-node[zig]'"),
    "bad.c": (without_package, "ziglang", "Zig and C need the Zig compiler: pip install 'zevm-node[zig]'"),
    "bad.ts": (without_path, "asc", "AssemblyScript needs asc: npm install --save-dev assemblyscript"),
    "Bad.sol": (without_path, "solcjs", "Solidity needs solcjs: npm install --save-dev solc"),
    "bad.vy": (without_package, "vyper", "Vyper needs its compiler: pip install 'zevm-node[vyper]'"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_compiler_is_told_with_the_command_that_installs_it(
    name: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, what, message = MISSING[name]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / name).write_text("// user_entrypoint define(" if name != "bad.vy" else "")
    remove(what, monkeypatch)
    told = here("contract", "build")
    toolchain.zig.cache_clear()
    assert (told.code, told.err) == (1, f"zevm: {message}\n")
    assert not (tmp_path / "out").exists()
