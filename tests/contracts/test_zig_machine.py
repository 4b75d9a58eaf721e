"""The test machine of the Zig library, `covenant.testing`: its own tests, and what a failing test says."""

import subprocess
import sys
from pathlib import Path

import pytest

from testing.contracts import CACHE, CONTRACTS
from tests.clients.tools import run_tool

pytestmark = pytest.mark.slow

LIBRARY = CONTRACTS / "zig" / "covenant"
FOLDER = Path(__file__).parent / "zig"

FAILING = """
const std = @import("std");
const covenant = @import("covenant");

const Strict = struct {
    pub fn open() void {
        covenant.revert("closed on Sundays");
    }
};

test "it opens" {
    var vm: covenant.testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const strict = try vm.deploy(Strict, .{}, .{});
    try strict.call(.open, .{}, .{});
}

test "it leaks" {
    _ = try std.testing.allocator.alloc(u8, 3);
}

test "it is skipped" {
    return error.SkipZigTest;
}
"""


def zig_test(source: Path, *, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run the tests of a source as a contract's build.zig does."""
    runner = ("--test-runner", LIBRARY / "testing" / "runner.zig")
    modules = ("--dep", "covenant", f"-Mroot={source}", f"-Mcovenant={LIBRARY / 'covenant.zig'}")
    caches = {"ZIG_LOCAL_CACHE_DIR": str(CACHE), "ZIG_GLOBAL_CACHE_DIR": str(CACHE)}
    return run_tool(sys.executable, "-m", "ziglang", "test", *runner, *modules, check=check, **caches)


@pytest.mark.parametrize(
    "source",
    [
        *(FOLDER / name for name in ("machine_tests.zig", "guide_tests.zig", "guide_names_tests.zig")),
        *(CONTRACTS / "zig" / name for name in ("escrow.zig", "exchange.zig", "managed_token.zig")),
    ],
    ids=lambda source: source.name,
)
def test_contracts_run_natively(source: Path) -> None:
    finished = zig_test(source)
    count = source.read_text().count('\ntest "')
    assert f"{count} of {count} tests passed" in finished.stderr


def test_a_failing_test_says_how_the_contract_refused(tmp_path: Path) -> None:
    source = tmp_path / "failing.zig"
    source.write_text(FAILING)
    finished = zig_test(source, check=False)
    assert finished.returncode != 0
    assert "Strict.open failed with 0x08c379a0" in finished.stderr
    assert '= "closed on Sundays"' in finished.stderr
    assert "LEAK  failing.test.it leaks" in finished.stderr
    assert "0 of 3 tests passed, 1 skipped" in finished.stderr
