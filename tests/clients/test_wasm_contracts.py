"""WebAssembly contracts as clients see them: web3.py, ethers, cast and bare JSON-RPC, beside contracts in Solidity."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError, ContractLogicError, ContractPanicError
from web3.logs import DISCARD

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, RpcError, zevm_command
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, BIN, CLIENTS, EXAMPLES, KEYS, Artifact, artifact, run_tool
from tests.clients.wasm_contracts import FORMS, compile_module, creation, stored, without_constructor
from zevm.storage.keccak import keccak256

SENDER, OTHER = ACCOUNTS[8], ACCOUNTS[9]
SUPPLY = 10**24
MOST = 2**256 - 1
TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")


@pytest.fixture(scope="module")
def token_module() -> bytes:
    return compile_module("zig/token.zig")


@pytest.fixture(scope="module")
def counter_module() -> bytes:
    return compile_module("c/counter.c")


@pytest.fixture(scope="module")
def w3(node: NodeProcess) -> Web3:
    return web3_at(node.url)


def create(w3: Web3, abi: list[dict[str, Any]], data: bytes, **transaction: Any) -> tuple[Any, Any]:
    """A contract from creation data, and its deployment's receipt."""
    fields: Any = {"from": SENDER, "data": data, **transaction}
    sent = w3.eth.send_transaction(fields)
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=abi), receipt


@pytest.fixture(scope="module")
def token(w3: Web3, token_module: bytes, built: None) -> Contract:  # noqa: ARG001
    """The Zig token; SENDER has the whole supply."""
    return create(w3, artifact("TwinToken").abi, creation(token_module, SUPPLY))[0]


@pytest.fixture(scope="module")
def vault(w3: Web3, built: None) -> Contract:  # noqa: ARG001
    """A vault in Solidity."""
    code = artifact("Vault")
    return create(w3, code.abi, bytes.fromhex(code.bytecode[2:]))[0]


@pytest.fixture(scope="module")
def counting(w3: Web3, counter_module: bytes, counter: Artifact) -> Contract:
    """The counter in C, which starts at 7."""
    return create(w3, counter.abi, creation(counter_module, 7))[0]


def send(w3: Web3, call: Any, **transaction: Any) -> Any:
    return w3.eth.wait_for_transaction_receipt(call.transact({"from": SENDER, **transaction}), timeout=20)


def hexadecimal(data: bytes) -> str:
    return "0x" + data.hex()


# Deployment


@pytest.mark.parametrize("form", FORMS)
def test_deploys_in_every_form(w3: Web3, counter_module: bytes, counter: Artifact, form: str) -> None:
    data = creation(counter_module, 41, form=form)
    contract, receipt = create(w3, counter.abi, data)
    assert bytes(w3.eth.get_code(contract.address)) == stored(counter_module, data)
    assert w3.eth.call({"from": SENDER, "data": data}) == stored(counter_module, data)
    assert w3.eth.get_transaction_count(contract.address) == 1
    assert w3.eth.estimate_gas({"from": SENDER, "data": data}) >= receipt["gasUsed"]
    send(w3, contract.functions.increment())
    assert contract.functions.number().call() == 42


def test_an_invalid_module_is_not_deployed(w3: Web3, rpc: RpcConnection, counter_module: bytes) -> None:
    broken = hexadecimal(counter_module[:-1])
    with pytest.raises(RpcError, match="invalid module"):
        rpc.call("eth_call", {"from": SENDER, "data": broken}, "latest")
    with pytest.raises(RpcError, match="invalid module"):
        rpc.call("eth_estimateGas", {"from": SENDER, "data": broken})
    sent = w3.eth.send_transaction({"from": SENDER, "data": broken, "gas": 1_000_000})  # type: ignore[typeddict-item]
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=20)
    assert (receipt["status"], receipt["gasUsed"]) == (0, 1_000_000)
    assert w3.eth.get_code(receipt["contractAddress"]) == b""


def test_a_constructor_that_refuses(w3: Web3, rpc: RpcConnection, token_module: bytes) -> None:
    """The token's takes no wei."""
    request = {"from": SENDER, "data": hexadecimal(creation(token_module, 1)), "value": "0x1"}
    with pytest.raises(RpcError, match="execution reverted"):
        rpc.call("eth_estimateGas", request)
    sent = rpc.call("eth_sendTransaction", request | {"gas": hex(5_000_000)})
    assert w3.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 0


# Receipts, logs, gas


def test_receipts_and_logs(w3: Web3, rpc: RpcConnection, token: Contract) -> None:
    receipt = send(w3, token.functions.transfer(OTHER, 5))
    block = w3.eth.get_block(receipt["blockNumber"])
    (log,) = receipt["logs"]
    assert (log["address"], log["topics"][0], int(log["data"].hex(), 16)) == (token.address, TRANSFER_TOPIC, 5)
    assert receipt["logsBloom"] == block["logsBloom"]
    for part in (bytes.fromhex(token.address[2:]), TRANSFER_TOPIC):
        assert is_in_bloom(bytes(receipt["logsBloom"]), part)
    wanted = {"args": {"from": SENDER, "to": OTHER, "value": 5}, "transactionHash": receipt["transactionHash"]}
    (event,) = token.events.Transfer().process_receipt(receipt)
    (found,) = token.events.Transfer().get_logs(from_block=receipt["blockNumber"], argument_filters={"to": OTHER})
    for got in (event, found):
        assert {"args": dict(got["args"]), "transactionHash": got["transactionHash"]} == wanted
    by_topic = rpc.call(
        "eth_getLogs", {"fromBlock": hex(receipt["blockNumber"]), "topics": [hexadecimal(TRANSFER_TOPIC)]}
    )
    assert [entry["transactionHash"] for entry in by_topic] == ["0x" + receipt["transactionHash"].hex()]


def is_in_bloom(bloom: bytes, part: bytes) -> bool:
    digest, bits = keccak256(part), int.from_bytes(bloom, "big")
    return all(bits >> (int.from_bytes(digest[at : at + 2], "big") % 2048) & 1 for at in (0, 2, 4))


def test_estimates_suffice_and_are_tight(w3: Web3, token: Contract, vault: Contract) -> None:
    calls = [
        token.functions.transfer(ACCOUNTS[1], 3),
        token.functions.approve(OTHER, 3),
        token.functions.transferAndCall(vault.address, 30, b"four"),
        vault.functions.withdraw(token.address, 20),
    ]
    for call in calls:
        estimate = call.estimate_gas({"from": SENDER})
        receipt = send(w3, call, gas=estimate)
        assert receipt["status"] == 1
        assert receipt["gasUsed"] <= estimate <= receipt["gasUsed"] * 1.04 + 2_300
    used = send(w3, token.functions.transfer(ACCOUNTS[1], 3))["gasUsed"]
    short = send(w3, token.functions.transfer(ACCOUNTS[1], 3), gas=used - 1)
    assert (short["status"], short["gasUsed"]) == (0, used - 1)


# Beside Solidity


def test_solidity_calls_the_token_and_is_called_by_it(w3: Web3, token: Contract, vault: Contract) -> None:
    held = vault.functions.heldOf(token.address).call()
    before = vault.functions.deposits(token.address, SENDER).call()
    receipt = send(w3, token.functions.transferAndCall(vault.address, 100, b"for later"))
    assert [log["address"] for log in receipt["logs"]] == [token.address, vault.address]
    (deposited,) = vault.events.Deposited().process_receipt(receipt, errors=DISCARD)
    assert dict(deposited["args"]) == {"token": token.address, "owner": SENDER, "value": 100, "note": b"for later"}
    receipt = send(w3, vault.functions.withdraw(token.address, 60))
    (moved,) = token.events.Transfer().process_receipt(receipt)
    assert dict(moved["args"]) == {"from": vault.address, "to": SENDER, "value": 60}
    assert vault.functions.heldOf(token.address).call() == token.functions.balanceOf(vault.address).call() == held + 40
    assert vault.functions.deposits(token.address, SENDER).call() == before + 40


def test_allowances(w3: Web3, token: Contract) -> None:
    send(w3, token.functions.approve(OTHER, 50))
    before = token.functions.balanceOf(OTHER).call()
    send(w3, token.functions.transferFrom(SENDER, OTHER, 20), **{"from": OTHER})
    assert token.functions.allowance(SENDER, OTHER).call() == 30
    assert token.functions.balanceOf(OTHER).call() == before + 20
    with pytest.raises(ContractCustomError) as caught:
        token.functions.transferFrom(SENDER, OTHER, 31).call({"from": OTHER})
    assert caught.value.data == custom("ERC20InsufficientAllowance(address,uint256,uint256)", OTHER, 30, 31)
    send(w3, token.functions.approve(OTHER, MOST))
    send(w3, token.functions.transferFrom(SENDER, OTHER, 1), **{"from": OTHER})
    assert token.functions.allowance(SENDER, OTHER).call() == MOST


def custom(signature: str, *values: object) -> str:
    types = signature[signature.index("(") + 1 : -1].split(",")
    return hexadecimal(keccak256(signature.encode())[:4] + encode(types, values))


def test_a_solidity_contract_runs_a_function_of_a_module(w3: Web3, token: Contract) -> None:
    """By the library precompile: Fraction asks maths.zig for a divisor."""
    maths, _ = create(w3, [], creation(compile_module("zig/maths.zig")))
    code = artifact("Fraction")

    def fraction(module: str) -> Contract:
        return create(w3, code.abi, bytes.fromhex(code.bytecode[2:]) + encode(["address"], [module]))[0]

    assert fraction(maths.address).functions.reduce(84, 36).call() == [7, 3]
    assert fraction(maths.address).functions.reduce(2**64 - 1, 5 * 17).call() == [(2**64 - 1) // 85, 1]
    with pytest.raises(ContractPanicError):
        fraction(maths.address).functions.reduce(0, 0).call()
    for other in (token.address, SENDER):
        with pytest.raises(ContractCustomError) as caught:
            fraction(other).functions.reduce(84, 36).call()
        assert caught.value.data == custom("ZvmFailed(uint8)", 4)


def test_revert_reasons_are_decoded(token: Contract, vault: Contract, counting: Contract) -> None:
    with pytest.raises(ContractLogicError, match="execution reverted: Counter: refused"):
        counting.functions.refuse().call()
    with pytest.raises(ContractPanicError, match=r"(?i)division or modulo by zero|division by zero"):
        counting.functions.divide(1, 0).call()
    with pytest.raises(ContractCustomError) as caught:
        counting.functions.setNumber(1_000_001).estimate_gas({"from": SENDER})
    assert caught.value.data == custom("NumberTooLarge(uint256,uint256)", 1_000_001, 1_000_000)
    # through two languages: the vault's reason by way of the token, the token's by way of the vault
    with pytest.raises(ContractLogicError, match="execution reverted: Vault: too small"):
        token.functions.transferAndCall(vault.address, 9, b"").call({"from": SENDER})
    with pytest.raises(ContractCustomError) as caught:
        token.functions.transferAndCall(vault.address, 10, b"?").call({"from": SENDER})
    assert caught.value.data == custom("ERC1363InvalidReceiver(address)", vault.address)


def test_a_mined_revert(w3: Web3, counting: Contract) -> None:
    receipt = send(w3, counting.functions.setNumber(1_000_001), gas=200_000)
    assert (receipt["status"], receipt["logs"]) == (0, [])
    assert 21_000 < receipt["gasUsed"] < 60_000


# State


def test_the_past_and_storage(w3: Web3, counting: Contract) -> None:
    block, number = w3.eth.block_number, counting.functions.number().call()
    send(w3, counting.functions.setNumber(number + 10))
    assert counting.functions.number().call(block_identifier=block) == number
    assert counting.functions.number().call() == number + 10
    assert int(w3.eth.get_storage_at(counting.address, 0).hex(), 16) == number + 10


def test_code_and_state_overrides(rpc: RpcConnection, counter_module: bytes, token: Contract) -> None:
    """A module where no account is, and one in the place of a contract, on slots of the caller's choosing."""
    nowhere = "0x00000000000000000000000000000000000c0de5"
    number = hexadecimal(keccak256(b"number()")[:4])
    slot = {hexadecimal(bytes(32)): hexadecimal((99).to_bytes(32, "big"))}
    for target in (nowhere, token.address):
        override = {target: {"code": hexadecimal(counter_module), "stateDiff": slot}}
        assert int(rpc.call("eth_call", {"to": target, "data": number}, "latest", override), 16) == 99
    assert rpc.call("eth_call", {"to": nowhere, "data": number}, "latest") == "0x"
    broken = {nowhere: {"code": hexadecimal(counter_module[:-1])}}
    with pytest.raises(RpcError, match="invalid module"):
        rpc.call("eth_call", {"to": nowhere, "data": number}, "latest", broken)


def test_snapshot_and_revert(w3: Web3, rpc: RpcConnection, counting: Contract, counter_module: bytes) -> None:
    before = counting.functions.number().call()
    snapshot = rpc.call("evm_snapshot")
    send(w3, counting.functions.setNumber(before + 1))
    later, _ = create(w3, counting.abi, creation(counter_module, 1))
    assert rpc.call("evm_revert", snapshot) is True
    assert counting.functions.number().call() == before
    assert w3.eth.get_code(later.address) == b""
    send(w3, counting.functions.setNumber(before + 2))
    assert counting.functions.number().call() == before + 2


# Other clients


def test_cast(node: NodeProcess, token_module: bytes, npm_tools: None) -> None:  # noqa: ARG001
    def cast(*arguments: str, check: bool = True) -> str:
        finished = run_tool(BIN / "cast", *arguments, check=check, ETH_RPC_URL=node.url)
        return (finished.stdout + finished.stderr).strip()

    key = ("--private-key", KEYS[8])
    printed = cast("send", *key, "--create", hexadecimal(creation(token_module, 1000, form="compressed")))
    address = next(line.split()[1] for line in printed.splitlines() if line.startswith("contractAddress"))
    cast("send", *key, address, "transfer(address,uint256)", OTHER, "30")
    assert cast("call", address, "balanceOf(address)(uint256)", OTHER) == "30"
    assert cast("call", address, "name()(string)") == '"Twin Token"'
    assert cast("code", address).startswith("0xeff00000")
    assert "execution reverted" in cast("send", *key, address, "transfer(address,uint256)", OTHER, "971", check=False)


def test_ethers(node: NodeProcess, token_module: bytes, counter_module: bytes, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    (tmp_path / "token.hex").write_text(hexadecimal(creation(token_module, SUPPLY)))
    (tmp_path / "counter.hex").write_text(hexadecimal(creation(counter_module, 7, form="returned compressed")))
    printed = run_tool(
        "node", "--test", "--test-reporter=spec", "--test-timeout=60000", CLIENTS / "wasm_contracts.test.mjs",
        ETH_RPC_URL=node.url, EXAMPLES=str(EXAMPLES), MODULES=str(tmp_path),
    ).stdout  # fmt: skip
    assert "pass 4\n" in printed, printed
    assert "fail 0\n" in printed, printed


# A node that stops


def test_contracts_outlive_the_node(tmp_path: Path, token_module: bytes, built: None) -> None:  # noqa: ARG001
    """Compiled code is kept beside the chain; where it is missing, it is made anew."""
    data, compiled = tmp_path / "data", tmp_path / "data" / "zvm"
    address, abi = "", without_constructor(artifact("TwinToken").abi)
    for run, missing in enumerate((False, False, True)):
        if missing:
            shutil.rmtree(compiled)
        with ForkedNode(zevm_command("--datadir", str(data))) as node:
            w3 = web3_at(node.url)
            if run == 0:
                address = str(create(w3, abi, creation(token_module, SUPPLY))[0].address)
            contract = w3.eth.contract(Web3.to_checksum_address(address), abi=abi)
            assert contract.functions.balanceOf(OTHER).call() == 5 * run
            send(w3, contract.functions.transfer(OTHER, 5))
            assert contract.functions.balanceOf(OTHER).call() == 5 * (run + 1)
            assert contract.functions.balanceOf(OTHER).call(block_identifier=1) == 0
            assert node.stop() == 0
        assert list(compiled.glob("*.zvmcode"))
