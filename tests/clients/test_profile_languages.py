"""Profiles of contracts as their compilers make them: internal functions and lines in Solidity, Vyper and Zig."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi import encode

import zevm
from testing.contracts import CONTRACTS, EXAMPLES, build_examples, compiled
from testing.wasm_modules import selector
from zevm.analysis.profile.stacks import by_function, by_line, stacks_of

pytestmark = pytest.mark.clients
TO = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture(scope="module")
def node() -> Iterator[zevm.Node]:
    build_examples()
    with zevm.Node(artifacts=EXAMPLES / "out") as running:
        yield running


def _profiled(node: zevm.Node, creation: bytes, call: bytes, **fields: str) -> tuple[set[str], set[str]]:
    """Names of the functions, and files with lines, of a call of a new contract."""
    sender: dict[str, Any] = {"from": node.accounts[0].address, "gas": "0x1000000"}
    made = node.request("eth_sendTransaction", sender | {"data": "0x" + creation.hex()})
    place = node.request("eth_getTransactionReceipt", made)["contractAddress"]
    sent = node.request("eth_sendTransaction", sender | {"to": place, "data": "0x" + call.hex()} | fields)
    answer = node.request("zvm_profile", sent)
    assert answer["status"] == 1, answer["error"]
    return {row.name for row in by_function(stacks_of(answer))}, {row.name.split(":")[0] for row in by_line(answer)}


def test_solidity(node: zevm.Node) -> None:
    artifact = json.loads((EXAMPLES / "out/Token.sol/Token.json").read_text())
    creation = bytes.fromhex(artifact["bytecode"]["object"][2:]) + encode(["uint256"], [1000])
    transfer = selector("transfer(address,uint256)") + encode(["address", "uint256"], [TO, 5])
    functions, files = _profiled(node, creation, transfer)
    assert {"Token.transfer(address,uint256)", "ERC20.transfer", "ERC20._update"} <= functions
    assert any(file.endswith("ERC20.sol") for file in files)


def test_vyper(node: zevm.Node) -> None:
    artifact = compiled(EXAMPLES / "vyper" / "Savings.vy")
    node.catalogue.add(artifact)
    functions, files = _profiled(
        node, artifact.bytecode + encode(["uint256"], [10]), selector("deposit()"), value=hex(10**18)
    )
    assert {"Savings.deposit()", "deposit"} <= functions
    assert files == {"Savings.vy"}


def test_zig(node: zevm.Node) -> None:
    artifact = compiled(CONTRACTS / "zig" / "token.zig")
    node.catalogue.add(artifact)
    transfer = selector("transfer(address,uint256)") + encode(["address", "uint256"], [TO, 5])
    functions, files = _profiled(node, artifact.bytecode + encode(["uint256"], [1000]), transfer)
    assert "Token.transfer(address,uint256)" in functions
    assert any(name.endswith("ERC20(token.Token).update") for name in functions)
    assert "lib/covenant/bases/erc20.zig" in files
