"""zvm_: running functions of modules, and deploying them."""

from typing import Any

import brotli
import pytest
from eth_abi import encode

from testing.wasm_modules import REVERT_DATA, box, floats, maths, selector, unknown
from tests.rpc.methods.memory_node import (
    ALICE,
    BOB,
    CAROL,
    ETHER,
    STRANGER,
    Node,
    hexadecimal,
    start_node,
    stop_node,
)
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256

BOX_WASM, MATHS = hexadecimal(box()), hexadecimal(maths())


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


async def run(node: Node, *block: object, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await node.call("zvm_executeFunction", fields, *block)
    return answer


def status(answer: dict[str, Any]) -> tuple[str, int]:
    return answer["status"], answer["statusCode"]


# zvm_executeFunction


async def test_a_function_of_a_contract(node: Node) -> None:
    address = await deploy(node)
    answer = await run(node, address=address, function="get()")
    assert status(answer) == ("success", 0)
    assert (answer["returnValue"], answer["error"], answer["logs"], answer["modifiedState"]) == (word(7), None, [], {})
    called = await node.call("eth_call", {"to": address, "data": hexadecimal(selector("get()"))})
    assert called == answer["returnValue"]
    assert 0 < int(answer["gasUsed"], 16) < 10_000
    assert answer["executionTimeMs"] > 0
    raw = await run(node, address=address, arguments=hexadecimal(selector("get()")))
    assert raw["returnValue"] == word(7)


async def test_what_it_would_change_is_told_and_not_kept(node: Node) -> None:
    address = await deploy(node)
    sender = hexadecimal(ALICE)
    fields = {"address": address, "function": "set(uint256)", "arguments": words(9), "from": sender, "value": "0x5"}
    answer = await run(node, **fields)
    assert status(answer) == ("success", 0), answer
    assert answer["logs"] == [{"address": address, "topics": [word(9)], "data": "0x"}]
    balance = int(await node.call("eth_getBalance", sender), 16)
    assert answer["modifiedState"] == {
        address: {
            "balance": {"before": "0x0", "after": "0x5"},
            "storage": {word(0): {"before": word(7), "after": word(9)}},
        },
        sender: {"balance": {"before": hex(balance), "after": hex(balance - 5)}},
    }
    assert (await run(node, address=address, function="get()"))["returnValue"] == word(7)
    assert await node.call("eth_getBalance", sender) == hex(balance)


async def test_the_state_of_a_past_block(node: Node) -> None:
    address = await deploy(node)
    await node.send(to=address, data=hexadecimal(selector("set(uint256)") + encode(["uint256"], [8])))
    for block, value in (("0x1", 7), ("latest", 8), ("pending", 8)):
        assert (await run(node, block, address=address, function="get()"))["returnValue"] == word(value)
    assert status(await run(node, "0x0", address=address, function="get()")) == ("invalid_function", 4)
    error = await node.fails("zvm_executeFunction", {"address": address}, "0x64")
    assert (error.code, error.message) == (-32000, "header not found")


async def test_a_module_that_is_nowhere(node: Node) -> None:
    answer = await run(node, module=BOX_WASM, function="set(uint256)", arguments=words(3))
    home = hexadecimal(keccak256(box())[12:])
    assert answer["modifiedState"] == {home: {"storage": {word(0): {"before": word(0), "after": word(3)}}}}
    answer = await run(node, module=MATHS, function="gcd", arguments=[12, "0x12"])
    assert (status(answer), answer["returnValue"]) == (("success", 0), word(6))
    assert await node.call("eth_getCode", home) == "0x"


async def test_integers_of_either_sign(node: Node) -> None:
    for given, result in (
        ([-5, 3], 2**64 - 2),
        (["-5", "8"], 3),
        ([2**63 - 1, 0], 2**63 - 1),
        ([hex(2**64 - 1), "1"], 0),
    ):
        answer = await run(node, module=BOX_WASM, function="add", arguments=given)
        assert answer["returnValue"] == word(result), given
    assert (await run(node, module=BOX_WASM, function="divide", arguments=[-9, 2]))["returnValue"] == word(2**32 - 4)
    copied = await run(node, module=BOX_WASM, function="copy", arguments="0x0102")
    assert copied["returnValue"] == "0x0102"


@pytest.mark.parametrize(
    ("fields", "expected", "error"),
    [
        ({"function": "nothing()"}, ("invalid_function", 4), "execution reverted"),
        ({"function": "absent", "arguments": [1]}, ("invalid_function", 4), "no such function: absent; the module"),
        ({"function": "add", "arguments": [1]}, ("invalid_function", 4), "no such function: add for 1 integers"),
        ({"function": "divide", "arguments": [1, 0]}, ("runtime_error", 5), "wasm trap: "),
        ({"function": "set(uint256)", "arguments": word(0)}, ("runtime_error", 5), "execution reverted: box is shut"),
        ({"function": "get()", "gasLimit": 100}, ("out_of_gas", 1), "out of gas"),
        ({"function": "get()", "memoryLimit": "0xffff"}, ("out_of_memory", 2), "out of wasm memory: 1 pages in one"),
        ({"function": "get()", "memoryLimit": 65_536}, ("success", 0), None),
        ({"function": "spin", "arguments": [], "timeoutMs": 20}, ("timeout", 3), "execution aborted"),
        ({"function": "get()", "timeoutMs": hex(2**250)}, ("success", 0), None),
        ({"module": hexadecimal(floats())}, ("invalid_module", 6), "invalid module ("),
        ({"module": "0x6001"}, ("invalid_module", 6), "invalid module (malformed): begins with 6001"),
        (
            {"module": None, "address": hexadecimal(STRANGER)},
            ("invalid_function", 4),
            "no WebAssembly contract at 0xd0",
        ),
    ],
)
async def test_every_status_of_a_run(fields: dict[str, Any], expected: tuple[str, int], error: str | None) -> None:
    # so much gas that a loop meets its time limit first
    node = await start_node(limits=Limits(call_gas=10**13))
    try:
        answer = await run(node, **({"module": BOX_WASM} | fields))
        assert status(answer) == expected, answer
        assert (answer["error"] is None) is (error is None)
        assert (answer["error"] or "").startswith(error or ""), answer
        assert (answer["logs"], answer["modifiedState"] if expected[1] else {}) == ([], {})
    finally:
        await stop_node(node)


async def test_revert_data_is_the_return_value(node: Node) -> None:
    answer = await run(node, module=BOX_WASM, function="set(uint256)", arguments=words(0))
    assert answer["returnValue"] == hexadecimal(REVERT_DATA)


async def test_gas_and_time_are_capped_by_the_server() -> None:
    node = await start_node(limits=Limits(call_gas=50_000))
    try:
        answer = await run(node, module=BOX_WASM, function="spin", arguments=[], gasLimit=10**12)
        assert (status(answer), answer["gasUsed"]) == (("out_of_gas", 1), hex(50_000))
    finally:
        await stop_node(node)
    node = await start_node(limits=Limits(call_gas=10**13, evm_timeout_seconds=0.05))
    try:
        answer = await run(node, module=BOX_WASM, function="spin", arguments=[], timeoutMs=60_000)
        assert status(answer) == ("timeout", 3)
        assert answer["executionTimeMs"] < 10_000
    finally:
        await stop_node(node)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "missing field 'module' or 'address' for a function call"),
        ({"module": "0x0"}, "field module: hex string of odd length"),
        ({"address": "0x01"}, "field address: hex string has length 2"),
        ({"address": BOX_WASM[:42], "arguments": [2**70]}, "field arguments: "),
        (
            {"address": BOX_WASM[:42], "arguments": [hex(2**64)]},
            f"field arguments: {2**64} is not an integer of 64 bits",
        ),
        ({"address": BOX_WASM[:42], "arguments": ["-0x8000000000000001"]}, "field arguments: -9223372036854775809 is"),
        ({"address": BOX_WASM[:42], "arguments": ["-"]}, "field arguments: "),
        ({"address": BOX_WASM[:42], "arguments": [1.5]}, "field arguments: "),
        ({"address": BOX_WASM[:42], "arguments": [0] * 256}, "field arguments: too many items: have 256, want at most"),
        ({"address": BOX_WASM[:42], "arguments": {}}, "field arguments: expected hex or an array of integers"),
        ({"address": BOX_WASM[:42], "gasLimit": -1}, "field gasLimit: "),
    ],
)
async def test_ill_formed_function_calls(node: Node, fields: dict[str, Any], message: str) -> None:
    error = await node.fails("zvm_executeFunction", fields)
    assert error.code == -32602
    assert error.message.startswith(f"invalid argument 0: {message}"), error.message


async def test_a_sender_without_the_value(node: Node) -> None:
    address = await deploy(node)
    fields = {"address": address, "function": "set(uint256)", "arguments": words(1), "value": hex(ETHER)}
    error = await node.fails("zvm_executeFunction", fields | {"from": hexadecimal(STRANGER)})
    assert error.code == -32000
    assert error.message.startswith("insufficient funds")


# zvm_deployContract


async def test_deployment_of_every_form(node: Node) -> None:
    forms: list[dict[str, Any]] = [
        {},
        {"constructorArguments": words(5)},
        {"initPayload": hexadecimal(selector("set(uint256)") + encode(["uint256"], [5])), "compress": True},
        {"module": hexadecimal(b"\xef\xf0\0\0" + brotli.compress(box())), "constructorArguments": words(5)},
    ]
    for nonce, fields in enumerate(forms):
        answer = await node.call("zvm_deployContract", {"module": BOX_WASM, "from": hexadecimal(BOB)} | fields)
        assert status(answer) == ("success", 0), answer
        assert (answer["error"], answer["rule"], answer["returnValue"]) == (None, None, "0x")
        receipt = await node.call("eth_getTransactionReceipt", answer["transactionHash"])
        assert (receipt["contractAddress"], receipt["gasUsed"]) == (answer["address"], answer["gasUsed"])
        sent = await node.call("eth_getTransactionByHash", answer["transactionHash"])
        assert (sent["gas"], sent["from"], sent["nonce"]) == (answer["gasLimit"], hexadecimal(BOB), hex(nonce))
        value = 5 if "constructorArguments" in fields or "initPayload" in fields else 0
        assert (await run(node, address=answer["address"], function="get()"))["returnValue"] == word(value)
        code = await node.call("eth_getCode", answer["address"])
        assert code[:8] == ("0xeff000" if nonce >= 2 else "0x006173")


async def test_a_refused_module_is_not_sent(node: Node) -> None:
    for module, rule in ((unknown(), "import"), (maths(), "memory"), (b"\xef\xf0\0\0no brotli", "compression")):
        for fields in ({}, {"constructorArguments": "0x"}):
            answer = await node.call("zvm_deployContract", {"module": hexadecimal(module)} | fields)
            assert (status(answer), answer["rule"]) == (("invalid_module", 6), rule)
            assert answer["error"].startswith(f"invalid module ({rule}): ")
            assert (answer["transactionHash"], answer["address"]) == (None, None)
    assert await node.call("eth_getTransactionCount", hexadecimal(ALICE), "pending") == "0x0"


async def test_a_constructor_that_fails(node: Node) -> None:
    shut = {"module": BOX_WASM, "constructorArguments": words(0)}
    answer = await node.call("zvm_deployContract", shut)
    assert (status(answer), answer["transactionHash"]) == (("runtime_error", 5), None)
    assert answer["returnValue"] == hexadecimal(REVERT_DATA)
    # with a gas limit nothing is tried before, as with eth_sendTransaction
    answer = await node.call("zvm_deployContract", shut | {"gas": hex(2_000_000)})
    assert status(answer) == ("runtime_error", 5)
    assert (answer["address"], answer["returnValue"]) == (None, hexadecimal(REVERT_DATA))
    receipt = await node.call("eth_getTransactionReceipt", answer["transactionHash"])
    assert (receipt["status"], receipt["gasUsed"]) == ("0x0", answer["gasUsed"])
    answer = await node.call("zvm_deployContract", {"module": BOX_WASM, "gas": hex(200_000)})
    assert (status(answer), answer["gasUsed"]) == (("out_of_gas", 1), hex(200_000))
    answer = await node.call("zvm_deployContract", {"module": BOX_WASM, "initPayload": "0x00000000"})
    assert status(answer) == ("invalid_function", 4)


async def test_a_deployment_that_no_transaction_can_pay_for() -> None:
    node = await start_node(limits=Limits(call_gas=200_000))
    try:
        answer = await node.call("zvm_deployContract", {"module": BOX_WASM})
        assert (status(answer), answer["transactionHash"]) == (("out_of_gas", 1), None)
    finally:
        await stop_node(node)


async def test_authentication(node: Node) -> None:
    await node.send(to=hexadecimal(BOB))
    fields = {"module": BOX_WASM, "gas": hex(2_000_000)}
    for change, error in (
        ({"from": hexadecimal(STRANGER)}, "unknown account"),
        ({"from": hexadecimal(CAROL)}, "unknown account"),
        ({"nonce": "0x0"}, "nonce too low: next nonce 1, tx nonce 0"),
        ({"chainId": "0x5"}, "chainId does not match node's (have=5, want=31337)"),
    ):
        answer = await node.call("zvm_deployContract", fields | change)
        assert (status(answer), answer["error"]) == (("authentication_failed", 7), error)
        assert answer["transactionHash"] is None
    await node.call("anvil_impersonateAccount", hexadecimal(CAROL))
    assert status(await node.call("zvm_deployContract", fields | {"from": hexadecimal(CAROL)})) == ("success", 0)


async def test_a_deployment_that_waits(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    answer = await node.call("zvm_deployContract", {"module": BOX_WASM})
    assert (answer["status"], answer["statusCode"], answer["gasUsed"]) == (None, None, None)
    await node.call("evm_mine")
    receipt = await node.call("eth_getTransactionReceipt", answer["transactionHash"])
    assert (receipt["status"], receipt["contractAddress"]) == ("0x1", answer["address"])


async def test_deployments_that_are_errors(node: Node) -> None:
    for fields, code, message in (
        ({}, -32602, "invalid argument 0: missing field 'module' for a deployment"),
        ({"module": BOX_WASM, "constructorArguments": "0x", "initPayload": "0x"}, -32602, "invalid argument 0: cannot"),
        ({"module": BOX_WASM, "compress": 1}, -32602, "invalid argument 0: field compress: expected a boolean"),
        ({"module": BOX_WASM, "gasPrice": "0x1", "maxFeePerGas": "0x1"}, -32000, "both gasPrice and"),
        ({"module": BOX_WASM, "value": hex(10**24)}, -32000, "insufficient funds"),
        ({"module": BOX_WASM, "gas": hex(30_000)}, -32000, "intrinsic gas too low"),
    ):
        error = await node.fails("zvm_deployContract", fields)
        assert (error.code, error.message[: len(message)]) == (code, message)
