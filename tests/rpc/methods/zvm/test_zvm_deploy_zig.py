"""zvm_deployZigContract: sources of clients, compiled in a sandbox; what hostile ones get, and who waits meanwhile."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from testing.sandbox import what_the_sandbox_lacks
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal
from zevm.contracts.artifact import Artifact
from zevm.contracts.errors import SandboxError
from zevm.contracts.options import Guard
from zevm.contracts.sandbox import compiler as sandbox
from zevm.contracts.sandbox.compiler import SandboxedZig, SandboxLimits
from zevm.contracts.sandbox.service import CompileService
from zevm.node.errors import NodeError
from zevm.node.settings import Settings
from zevm.node.zig_compiler import check_compiler, compile_service
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.lengthy

METHOD = "zvm_deployZigContract"
ADDER = """const covenant = @import("covenant");
pub const Adder = struct {
    pub const storage = covenant.layout(struct { base: u256 });
    pub fn constructor(base: u256, owner: covenant.Address) void {
        _ = owner;
        storage.base.set(base);
    }
    pub fn add(number: u256) u256 {
        return storage.base.get() + number;
    }
};
"""
"""Without its last lines, as in the guide: the name says which declaration is the contract."""
OWNER = "0x" + "11" * 20


class Remembering(SandboxedZig):
    """Compiles a source once for all tests whose limits are the same."""

    def __init__(self, limits: SandboxLimits) -> None:
        super().__init__(limits)
        self._artifacts: dict[tuple[str, str, SandboxLimits], Artifact] = {}

    def compile(self, name: str, source: str, guard: Guard = nullcontext) -> Artifact:
        key = (name, source, self.limits)
        if key not in self._artifacts:
            self._artifacts[key] = super().compile(name, source, guard)
        return self._artifacts[key]


@pytest.fixture(scope="module")
def zig() -> Iterator[SandboxedZig]:
    """One for all tests: the first compile fills its cache."""
    if lacking := what_the_sandbox_lacks():
        pytest.skip(lacking)
    compiler = Remembering(SandboxLimits())
    yield compiler
    compiler.close()


@pytest.fixture
def service(zig: SandboxedZig, node: Node) -> Iterator[CompileService]:
    limits, service = zig.limits, CompileService(zig, running=1, waiting=1, of_one_client=2)
    node.services.compiler = service
    yield service
    service._threads.shutdown()
    zig.limits = limits


def adder_call(number: int, address: str) -> dict[str, str]:
    return {"to": address, "input": hexadecimal(keccak256(b"add(uint256)")[:4] + encode(["uint256"], [number]))}


@pytest.mark.usefixtures("service")
async def test_a_source_becomes_a_contract(node: Node) -> None:
    for arguments in ([7, OWNER], ["0x7", OWNER], hexadecimal(encode(["uint256", "address"], [7, OWNER]))):
        answer = await node.call(METHOD, "Adder", ADDER, arguments, {"from": hexadecimal(BOB)})
        assert (answer["status"], answer["name"]) == ("success", "Adder")
        assert [entry.get("name") for entry in answer["abi"] if entry["type"] == "function"] == ["add"]
        assert int(await node.call("eth_call", adder_call(5, answer["address"]), "latest"), 16) == 12
        transaction = await node.call("eth_getTransactionByHash", answer["transactionHash"])
        assert transaction["from"] == hexadecimal(BOB)
    error = await node.fails("eth_call", adder_call(2**256 - 1, answer["address"]), "latest")
    assert error.data == hexadecimal(keccak256(b"Panic(uint256)")[:4] + encode(["uint256"], [0x11]))


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("source", ["", 'const MyToken = covenant.zigContract("MyToken");'])
async def test_the_short_sources_of_the_guide(node: Node, source: str) -> None:
    answer = await node.call(METHOD, "MyToken", source)
    assert (answer["status"], answer["name"]) == ("success", "MyToken")
    request = {
        "to": answer["address"],
        "input": hexadecimal(keccak256(b"balanceOf(address)")[:4] + encode(["address"], [hexadecimal(ALICE)])),
    }
    assert int(await node.call("eth_call", request, "latest"), 16) == 1_000_000 * 10**18


@pytest.mark.usefixtures("service")
async def test_wrong_arguments_and_names_are_refused_before_anything_is_sent(node: Node) -> None:
    nonce = await node.call("eth_getTransactionCount", hexadecimal(ALICE), "pending")
    for arguments in (None, [7], "0x"):
        error = await node.fails(METHOD, "Adder", ADDER, arguments)
        assert error.code == -32602
        assert "the constructor of Adder takes (uint256" in error.message
    for name in ("", "9lives", "../../etc", "a b", "x" * 65, "Größe"):
        assert (await node.fails(METHOD, name, ADDER)).code == -32602
    error = await node.fails(METHOD, "X", EMPTY, [], {"value": "0x5"})
    assert (error.code, "X has no constructor, which would take the 5 wei" in error.message) == (-32602, True)
    assert await node.call("eth_getTransactionCount", hexadecimal(ALICE), "pending") == nonce


EMPTY = "pub const X = struct { pub fn f() void {} };"
HOSTILE = {
    "an unknown name": (
        "pub const X = struct { pub fn f() u256 { return y; } };",
        "X.zig:1:49: error: use of undeclared",
    ),
    "no such contract": ("const y = 1;", "error: use of undeclared identifier 'X'"),
    "an absolute path": ('comptime { @compileLog(@embedFile("/etc/passwd")); }', "embed of file outside package path"),
    "a path upwards": ('comptime { @compileLog(@embedFile("../../../../../etc/passwd")); }', "embed of file outside"),
    "an import by path": ('comptime { _ = @import("/etc/passwd"); }', "no module named '/etc/passwd'"),
    "an import upwards": ('comptime { _ = @import("../../../../etc/x.zig"); }', "outside module path"),
    "a missing file": ('comptime { _ = @embedFile("secret"); }', "FileNotFound"),
    "C": ('const c = @cImport({ @cInclude("/etc/passwd"); });', "invalid builtin function: '@cImport'"),
    "a file of the assembler": (
        'comptime { asm (".incbin \\"/etc/passwd\\""); }\n' + EMPTY,
        "Could not find incbin file '/etc/passwd'",
    ),
    "a text of the assembler": (
        'comptime { asm (".include \\"/etc/passwd\\""); }\n' + EMPTY,
        "Could not find include file '/etc/passwd'",
    ),
    "a file at compile time": (
        'const std = @import("std"); comptime { _ = std.posix.system.open("/etc/passwd", .{}, 0); }',
        "error",
    ),
    "giant output": (
        'comptime { @setEvalBranchQuota(1 << 30); for (0..100_000) |i| @compileLog(i, "text"); }',
        "Compile Log Output",
    ),
}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_source_that_does_not_compile_gets_the_compilers_text(node: Node, zig: SandboxedZig, name: str) -> None:
    source, told = HOSTILE[name]
    zig.limits = replace(zig.limits, seconds=20)
    head = await node.call("eth_blockNumber")
    error = await node.fails(METHOD, "X", source)
    assert error.code == -32050
    assert error.data["error"] == "CompilationFailed"
    assert told in error.data["output"]
    assert len(error.message) < 5_000
    assert len(error.data["output"]) < 100_000
    assert "root:x:" not in error.data["output"]
    assert str(Path(sandbox.__file__).parent.parent) not in error.data["output"]
    assert await node.call("eth_blockNumber") == head
    assert await node.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}


ENDLESS = "comptime { @setEvalBranchQuota(4294967295); var i: u64 = 0; while (true) i = (i + 1) & 1023; }"
GROWING = 'comptime { @setEvalBranchQuota(4294967295); var a: []const u8 = "x"; while (true) a = a ++ a; }'


@pytest.mark.lengthy
@pytest.mark.usefixtures("service")
async def test_an_endless_compile_ends_and_others_are_answered_meanwhile(node: Node, zig: SandboxedZig) -> None:
    zig.limits = replace(zig.limits, seconds=3)
    endless = asyncio.create_task(node.ask(METHOD, "X", ENDLESS))
    slowest = 0.0
    while not endless.done():
        began = time.monotonic()
        await node.call("eth_blockNumber")
        await node.call("eth_getBalance", hexadecimal(ALICE), "latest")
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.wait([endless], timeout=0.1)
    error = (await endless)["error"]
    assert (error["code"], error["data"]["reason"]) == (-32050, "timeout")
    assert "3 seconds; look for an endless loop at compile time; --rpc-zig-seconds raises" in error["message"]
    assert slowest < 1.5


@pytest.mark.lengthy
@pytest.mark.usefixtures("service")
async def test_a_compile_without_bounds_in_memory_ends(node: Node, zig: SandboxedZig) -> None:
    zig.limits = replace(zig.limits, memory_bytes=300 << 20, seconds=20)
    error = await node.fails(METHOD, "X", GROWING)
    assert error.code == -32050
    assert "memory" in error.message.lower()


@pytest.mark.usefixtures("service")
async def test_a_file_beyond_the_limit_ends_the_compile(node: Node, zig: SandboxedZig) -> None:
    zig.limits = replace(zig.limits, file_bytes=1_000)
    assert (await node.fails(METHOD, "Adder", ADDER, [7, OWNER])).code == -32050


@pytest.mark.lengthy
async def test_a_client_that_leaves_ends_its_compile(
    node: Node, zig: SandboxedZig, service: CompileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, launcher = threading.Event(), zig._launcher

    def announce(*arguments: Any) -> tuple[str, ...]:
        begun.set()
        return launcher(*arguments)

    monkeypatch.setattr(zig, "_launcher", announce)
    leaving = asyncio.create_task(node.ask(METHOD, "X", ENDLESS))
    assert await asyncio.to_thread(begun.wait, 60)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    began = time.monotonic()
    # the single thread is free again, long before the limit of time
    answer = await node.call(METHOD, "Adder", ADDER, [7, OWNER])
    assert answer["status"] == "success"
    assert time.monotonic() - began < zig.limits.seconds
    assert service


@pytest.mark.lengthy
async def test_more_than_may_wait_are_refused(node: Node, zig: SandboxedZig, service: CompileService) -> None:
    zig.limits = replace(zig.limits, seconds=1)
    tasks = [asyncio.create_task(node.ask(METHOD, "X", ENDLESS)) for _ in range(3)]
    answers = await asyncio.gather(*tasks)
    assert sorted(answer["error"]["code"] for answer in answers) == [-32050, -32050, -32005]
    (busy,) = [answer["error"] for answer in answers if answer["error"]["code"] == -32005]
    assert "--rpc-zig-compiles and --rpc-zig-waiting" in busy["message"]
    assert service


@pytest.mark.usefixtures("service")
async def test_a_source_beyond_the_limit(node: Node) -> None:
    node.services.limits = replace(node.services.limits, zig_source_bytes=1_000)
    error = await node.fails(METHOD, "Adder", ADDER + "//" + "é" * 500)
    assert error.code == -32602
    assert "--rpc-zig-source-bytes allows 1000" in error.message


async def test_it_is_off_unless_asked_for(node: Node) -> None:
    error = await node.fails(METHOD, "Adder", ADDER)
    assert error.code == -32601
    assert "--zig-compiler" in error.message
    assert Settings().zig_compiler is False


async def test_without_a_sandbox_nothing_is_compiled(
    node: Node, zig: SandboxedZig, service: CompileService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "launch.py"
    refusing.write_text("import sys\nprint('sandbox: Landlock is not available', file=sys.stderr)\nsys.exit(97)\n")
    monkeypatch.setattr(sandbox, "_LAUNCHER", refusing)
    error = await node.fails(METHOD, "Adder", ADDER + "// new", [7, OWNER])
    assert (error.code, error.data) == (-32000, None)
    assert "Landlock is not available" in error.message
    with pytest.raises(SandboxError, match="Landlock is not available"):
        zig.check()
    with pytest.raises(NodeError, match=r"--zig-compiler: .*Landlock is not available"):
        check_compiler(Settings(zig_compiler=True))
    check_compiler(Settings())
    assert service


def test_the_machine_of_the_tests_has_a_sandbox(zig: SandboxedZig) -> None:
    zig.check()
    check_compiler(Settings(zig_compiler=True))


def test_the_limits_are_the_nodes() -> None:
    limits = replace(
        Limits(),
        zig_seconds=2.5,
        zig_memory_bytes=10**9,
        zig_file_bytes=10**7,
        zig_compiles=3,
        zig_waiting=5,
        zig_client_compiles=4,
    )
    with closing(compile_service(limits)) as service:
        assert service._compiler.limits == SandboxLimits(2.5, 10**9, 10**7)
        assert (service._running, service._waiting, service._of_one_client) == (3, 5, 4)
        service.begin()
        began = time.monotonic()
    # a node that stops does not wait for the cache
    assert time.monotonic() - began < 10
