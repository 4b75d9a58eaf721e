"""Clients that are nothing but an HTTP client: curl, and GWallet's EthereumRpc."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_utils import keccak

from testing.node_process import NodeProcess
from tests.clients.tools import ACCOUNTS, CHAIN_ID, ETHER, KEYS, Artifact, artifact, run_tool

NAMEHASH_OF_SHROUD_ETH = keccak(keccak(b"\0" * 32 + keccak(text="eth")) + keccak(text="shroud"))


def curl(node: NodeProcess, body: object) -> Any:
    printed = run_tool(
        "curl", "--silent", "--show-error", "--fail", node.url,
        "-H", "Content-Type: application/json", "--data", json.dumps(body),
    )  # fmt: skip
    return json.loads(printed.stdout)


def test_curl_reads_chain_id(node: NodeProcess) -> None:
    assert curl(node, {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": "0x7a69",
    }


def test_curl_reads_the_ten_balances(node: NodeProcess) -> None:
    """In one batch, at genesis: the other tests spend."""
    body = [
        {"jsonrpc": "2.0", "id": number, "method": "eth_getBalance", "params": [address, "0x0"]}
        for number, address in enumerate(ACCOUNTS)
    ]
    assert {answer["id"]: int(answer["result"], 16) for answer in curl(node, body)} == dict.fromkeys(
        range(10), 10_000 * ETHER
    )


def test_curl_deploys_a_vyper_contract(node: NodeProcess, savings: Artifact) -> None:
    def ask(method: str, *params: object) -> Any:
        return curl(node, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})["result"]

    sent = ask("eth_sendTransaction", {"from": ACCOUNTS[8], "data": savings.bytecode + f"{10:064x}"})
    address = ask("eth_getTransactionReceipt", sent)["contractAddress"]
    assert int(ask("eth_call", {"to": address, "data": "0x" + keccak(text="minimum()")[:4].hex()}, "latest"), 16) == 10


class EthereumRpc:
    """The calls that the guide names for GWallet, over one kept connection, with the headers of Zig's HTTP client."""

    def __init__(self, host: str, port: int, sender: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=30)
        self._sender = sender
        self._id = 0

    def request(self, method: str, params: list[object]) -> Any:
        self._id += 1
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": self._id})
        headers = {
            "user-agent": "zig/0.15.0 (std.http)",
            "connection": "keep-alive",
            "accept-encoding": "gzip, deflate",
            "content-type": "application/json",
        }
        self._connection.request("POST", "/", body, headers)
        response = self._connection.getresponse()
        assert (response.status, response.getheader("content-encoding")) == (200, None)
        answer = json.loads(response.read())
        assert answer["id"] == self._id
        if "error" in answer:
            raise ValueError(answer["error"]["message"])
        return answer["result"]

    def deploy_contract(self, bytecode: str, constructor_params: str) -> str:
        sent = self.request("eth_sendTransaction", [{"from": self._sender, "data": bytecode + constructor_params}])
        receipt = self.request("eth_getTransactionReceipt", [sent])
        assert receipt["status"] == "0x1"
        return str(receipt["contractAddress"])

    def call_contract(self, address: str, function_data: str) -> str:
        return str(self.request("eth_call", [{"to": address, "data": function_data}, "latest"]))

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def wallet(node: NodeProcess) -> Iterator[EthereumRpc]:
    client = EthereumRpc("127.0.0.1", node.port, ACCOUNTS[8].lower())
    yield client
    client.close()


def test_gwallet_deploys_and_calls(wallet: EthereumRpc, counter: Artifact) -> None:
    address = wallet.deploy_contract(counter.bytecode, f"{7:064x}")
    assert wallet.call_contract(address, "0x8381f58a") == f"0x{7:064x}"
    with pytest.raises(ValueError, match="execution reverted: Counter: refused"):
        wallet.call_contract(address, "0x" + keccak(text="refuse()")[:4].hex())


def test_gwallet_sends_a_signed_transaction(wallet: EthereumRpc) -> None:
    account = Account.from_key(KEYS[8])
    receiver = Account.create().address
    nonce = int(wallet.request("eth_getTransactionCount", [account.address, "pending"]), 16)
    raw = account.sign_transaction(
        {
            "to": receiver,
            "value": ETHER,
            "nonce": nonce,
            "gas": 21_000,
            "gasPrice": int(wallet.request("eth_gasPrice", []), 16),
            "chainId": CHAIN_ID,
        }
    ).raw_transaction
    sent = wallet.request("eth_sendRawTransaction", ["0x" + raw.hex()])
    receipt = wallet.request("eth_getTransactionReceipt", [sent])
    assert (receipt["status"], receipt["to"]) == ("0x1", receiver.lower())
    assert int(wallet.request("eth_getBalance", [receiver, "latest"]), 16) == ETHER


def test_gwallet_resolves_a_name(wallet: EthereumRpc, built: None) -> None:  # noqa: ARG001
    resolver = wallet.deploy_contract(artifact("Names").bytecode, "")
    node = NAMEHASH_OF_SHROUD_ETH.hex()
    target = ACCOUNTS[9][2:].lower().rjust(64, "0")
    set_addr = "0x" + keccak(text="setAddr(bytes32,address)")[:4].hex() + node + target
    wallet.request("eth_sendTransaction", [{"from": ACCOUNTS[8], "to": resolver, "data": set_addr}])
    assert wallet.call_contract(resolver, "0x3b3b57de" + node) == "0x" + target
    assert wallet.call_contract(resolver, "0x3b3b57de" + "11" * 32) == "0x" + "0" * 64
