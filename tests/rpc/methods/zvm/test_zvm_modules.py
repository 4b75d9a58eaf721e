"""zvm_: what modules and contracts are and cost, the price tables, the state of the machine."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import brotli
import pytest
from eth_abi import encode
from wasmtime import wat2wasm

from testing.wasm_modules import REVERT_DATA, box, maths, unknown
from tests.rpc.methods.assembly import BOX
from tests.rpc.methods.memory_node import (
    ALICE,
    Node,
    hexadecimal,
    start_node,
    stop_node,
)
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis
from zevm.chain.vm.engines.engine import EVM
from zevm.chain.zvm.module.mnemonics import MNEMONICS
from zevm.chain.zvm.price_table import PRICE_TABLES, STYLUS, ZVM
from zevm.core import CORE
from zevm.storage.keccak import keccak256

BOX_WASM = hexadecimal(box())


def word(number: int) -> str:
    return f"0x{number:064x}"


def words(*numbers: int) -> str:
    return hexadecimal(encode(["uint256"] * len(numbers), numbers))


async def deploy(node: Node, value: int | None = 7, **fields: Any) -> str:
    """A box with a value; its address."""
    arguments = {} if value is None else {"constructorArguments": words(value)}
    answer = await node.call("zvm_deployContract", {"module": BOX_WASM} | arguments | fields)
    assert answer["status"] == "success", answer
    address: str = answer["address"]
    return address


# zvm_validateModule, zvm_estimateGasUsage, zvm_getContract


async def test_a_sound_module(node: Node) -> None:
    answer = await node.call("zvm_validateModule", BOX_WASM)
    assert (answer["valid"], answer["rule"], answer["message"], answer["library"]) == (True, None, None, False)
    size = len(box())
    assert answer["estimate"] == hex(10_000 + 10 * size)
    assert answer["size"] == {"given": size, "module": size, "stored": size, "data": len(REVERT_DATA)}
    assert answer["memory"] == {"initialPages": 1, "maximumPages": 1}
    assert (answer["compressed"], answer["schedule"], answer["constructorCallData"]) == (False, "zvm", None)
    assert answer["imports"][0] == {
        "module": "vm_hooks",
        "name": "read_args",
        "parameters": ["i32"],
        "results": [],
        "ink": 43_440,
    }
    exports = {item["name"]: item for item in answer["exports"]}
    assert exports["add"] == {"name": "add", "kind": "function", "parameters": ["i64", "i64"], "results": ["i64"]}
    assert exports["memory"] == {"name": "memory", "kind": "memory"}
    stylus = await node.call("zvm_validateModule", BOX_WASM, "stylus")
    assert (stylus["schedule"], stylus["imports"][0]["ink"]) == ("stylus", 13_440)


async def test_modules_that_are_refused(node: Node) -> None:
    for module, rule, is_library in (
        (unknown(), "import", False),
        (maths(), "memory", True),
        (b"", "magic", False),
        (b"\xef\xf0\0\x01", "compression", False),
        (b"\0asm\1\0\0\0\xff", "malformed", False),
    ):
        answer = await node.call("zvm_validateModule", hexadecimal(module))
        assert (answer["valid"], answer["rule"], answer["library"]) == (False, rule, is_library)
        assert answer["message"].startswith(f"invalid module ({rule}): ")
    told = await node.call("zvm_validateModule", hexadecimal(unknown()))
    assert told["imports"] == [{"module": "vm_hooks", "name": "steal", "parameters": [], "results": [], "ink": None}]
    error = await node.fails("zvm_validateModule", BOX_WASM, "gold")
    assert (error.code, error.message) == (
        -32602,
        "invalid argument 1: no schedule 'gold', there are stylus, zvm, covenant",
    )
    assert (await node.fails("zvm_validateModule", "0x0")).code == -32602


async def test_the_price_is_what_a_deployment_pays(node: Node) -> None:
    for module in (BOX_WASM, hexadecimal(b"\xef\xf0\0\0" + brotli.compress(box()))):
        price = await node.call("zvm_estimateGasUsage", module)
        assert price["estimate"] == hex(10_000 + 10 * (len(module) // 2 - 1))
        receipt = await node.send(data=module, gas=hex(2_000_000))
        assert (receipt["status"], receipt["gasUsed"]) == ("0x1", price["total"])
        assert int(price["deposit"], 16) == 200 * (len(module) // 2 - 1)
        parts = sum(int(price[name], 16) for name in ("intrinsic", "activation", "deposit"))
        assert int(price["total"], 16) == max(parts, int(price["floor"], 16))
        validated = await node.call("zvm_validateModule", module)
        assert validated["activationGas"] == price["activation"]


async def test_no_price_for_a_refused_module(node: Node) -> None:
    error = await node.fails("zvm_estimateGasUsage", hexadecimal(unknown()))
    assert (error.code, error.message[:24]) == (-32000, "invalid module (import):")
    assert error.data == {"status": "invalid_module", "statusCode": 6, "rule": "import"}
    assert (await node.fails("zvm_estimateGasUsage", 5)).code == -32602


async def test_z14_a_contract_that_an_account_delegates_to_is_seen(node: Node) -> None:
    address = await deploy(node)
    delegated = await node.place(bytes.fromhex("ef0100" + address[2:]), b"\xc2" * 20)
    answer, own = await node.call("zvm_getContract", delegated), await node.call("zvm_getContract", address)
    assert answer == own | {"address": delegated, "delegate": address}
    assert own["delegate"] is None
    called = {"function": "get()", "arguments": "0x"}
    results = [await node.call("zvm_executeFunction", called | {"address": place}) for place in (address, delegated)]
    # the delegate's code on the account's own storage
    assert [(result["status"], int(result["returnValue"], 16)) for result in results] == [
        ("success", 7),
        ("success", 0),
    ]
    other = await node.place(bytes.fromhex("ef0100" + hexadecimal(ALICE)[2:]), b"\xc3" * 20)
    assert await node.call("zvm_getContract", other) is None


async def test_a_contract_as_it_stands(node: Node) -> None:
    raw, compressed = await deploy(node), await deploy(node, compress=True)
    for address, form in ((raw, "raw"), (compressed, "compressed")):
        answer = await node.call("zvm_getContract", address)
        code = await node.call("eth_getCode", address)
        assert (answer["address"], answer["format"], answer["valid"]) == (address, form, True)
        assert answer["codeHash"] == hexadecimal(keccak256(bytes.fromhex(code[2:])))
        assert answer["size"]["given"] == answer["size"]["stored"] == len(code) // 2 - 1
        assert answer["size"]["module"] == len(box())
        assert answer["memory"]["initialPages"] == 1
        assert len(answer["imports"]) == 6
        assert int(answer["activationGas"], 16) > 30_000
    assert await node.call("zvm_getContract", raw, "0x0") is None
    assert await node.call("zvm_getContract", hexadecimal(ALICE)) is None
    assert await node.call("zvm_getContract", await node.place(BOX)) is None
    broken = await node.place(b"\0asm\1\0\0\0\xff", b"\xc1" * 20)
    assert (await node.call("zvm_getContract", broken))["rule"] == "malformed"
    error = await node.fails("zvm_getContract", raw, "0x64")
    assert (error.code, error.message) == (-32000, "header not found")
    assert (await node.fails("zvm_getContract", "0x01")).code == -32602


# zvm_gasSchedule, zvm_status


def test_every_mnemonic_is_the_text_of_its_opcode() -> None:
    """wasmtime's assembler knows the opcodes: each name gives the byte that it is listed under."""
    assert MNEMONICS.keys() == ZVM.operations.keys()
    plain = {code: name for code, name in MNEMONICS.items() if 0x45 <= code <= 0xC4}
    assert len(plain) == 66
    for code, name in plain.items():
        converts = "wrap_" in name or "extend_" in name
        operand = f"({'i64' if 'wrap' in name else 'i32'}.const 0)" if converts else f"({name[:3]}.const 0)"
        unary = re.search("eqz|clz|ctz|popcnt|extend|wrap", name)
        text = f"(module (func (drop ({name} {operand if unary else operand * 2}))))"
        # the function ends with the operation, drop and end
        assert bytes(wat2wasm(text))[-3] == code, name


@pytest.mark.parametrize("name", list(PRICE_TABLES))
async def test_a_schedule_is_told_whole(node: Node, name: str) -> None:
    answer, table = await node.call("zvm_gasSchedule", name), PRICE_TABLES[name]
    assert (answer["name"], answer["inkPerGas"], answer["blockHeader"]) == (name, 10_000, 2_450)
    assert len(answer["operations"]) == len(table.operations) == 111
    for mnemonic, ink in (("i32.add", 70), ("i64.div_s", 1_270), ("memory.copy", 950), ("call_indirect", 13_610)):
        assert answer["operations"][mnemonic] == ink
    assert answer["hooks"]["vm_hooks.read_args"] == (13_440 if table is STYLUS else 43_440)
    assert answer["pages"]["curveGas"] == list(table.pages.curve)
    assert answer["entry"] == {
        "gas": table.entry.gas,
        "dataBytesPerGas": table.entry.data_bytes_per_gas,
        "activationGasPerGas": 256,
    }
    flat = {
        "storageLoadGas": 800,
        "storageStoreGas": 5_000,
        "callGas": 700,
        "createGas": 32_000,
        "transferGas": 21_000,
    }
    assert answer["state"] == (flat if name == "covenant" else None)


async def test_the_chains_own_schedule(node: Node) -> None:
    assert (await node.call("zvm_gasSchedule"))["name"] == "zvm"
    assert (await node.fails("zvm_gasSchedule", "gold")).code == -32602


async def test_status_counts_programs(tmp_path: Path) -> None:
    running = await start_node(options=ChainOptions(zvm_directory=tmp_path / "zvm"))
    try:
        before = await running.call("zvm_status")
        assert (before["enabled"], before["schedule"]) == (True, "zvm")
        assert before["programs"] == {
            "memory": {"count": 0, "moduleBytes": 0},
            "disk": {"count": 0, "bytes": 0},
        }
        await deploy(running)
        after = (await running.call("zvm_status"))["programs"]
        files = list((tmp_path / "zvm").glob("*"))
        assert after["disk"] == {"count": len(files), "bytes": sum(file.stat().st_size for file in files)}
        assert after["memory"]["count"] >= 1
        assert before["limits"]["module"]["module bytes"] == 262_144
        assert (before["limits"]["instancePages"], before["limits"]["timeoutMs"]) == (1_024, 5_000)
        assert before["wasmtime"].count(".") == 2
        native = CORE.library is not None
        assert before["core"] == {"native": native, "kernel": CORE.kernel, "reason": CORE.reason or None}
        assert before["evm"] == os.environ.get(EVM, "native" if native else "py-evm")
    finally:
        await stop_node(running)


async def test_a_chain_without_webassembly() -> None:
    running = await start_node(Genesis.default(accounts=[ALICE], zvm=False))
    try:
        answer = await running.call("zvm_status")
        assert (answer["enabled"], answer["schedule"], answer["programs"]) == (False, None, None)
        for name, parameter in (
            ("zvm_executeFunction", {"module": BOX_WASM}),
            ("zvm_deployContract", {"module": BOX_WASM}),
            ("zvm_validateModule", BOX_WASM),
            ("zvm_estimateGasUsage", BOX_WASM),
            ("zvm_getContract", hexadecimal(ALICE)),
        ):
            error = await running.fails(name, parameter)
            assert (error.code, error.message) == (
                -32000,
                "this chain has no WebAssembly contracts: its genesis lacks config.zvm",
            )
        assert (await running.fails("zvm_gasSchedule")).code == -32000
        assert (await running.call("zvm_gasSchedule", "stylus"))["name"] == "stylus"
        assert (await running.call("zvm_validateModule", BOX_WASM, "zvm"))["valid"] is True
    finally:
        await stop_node(running)


@pytest.mark.lengthy
def test_the_methods_are_there_without_wasmtime() -> None:
    code = "import sys, zevm.node.app, zevm.rpc.methods; zevm.rpc.methods.load(); sys.exit('wasmtime' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4], timeout=60)
