"""MetaMask's requests in MetaMask's order and headers, and the preflight of a web page behind it.

The wallet itself does not run here: the sequence is read from its controllers' source. Adding a network, following
blocks, showing balances and tokens, sending, watching for the receipt. It never parses an answer that is not HTTP 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_utils import keccak

from testing.node_process import NodeProcess
from tests.clients.tools import ACCOUNTS, CHAIN_ID, ETHER, KEYS, artifact

EXTENSION = "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"
PAGE = "http://localhost:3000"


class Wallet:
    """One browser extension talking to one custom network."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(
            base_url=url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "Origin": EXTENSION,
                "Sec-Fetch-Mode": "cors",
                "Sec-Fetch-Site": "none",
                "User-Agent": "Mozilla/5.0 (X11; Linux x64) Chrome/140.0 MetaMask",
            },
            timeout=30,
        )
        self._id = 4_503_599_627_370_000

    def post(self, method: str, *params: object) -> Any:
        self._id += 1
        response = self.http.post("/", json={"id": self._id, "jsonrpc": "2.0", "method": method, "params": params})
        assert response.status_code == 200
        assert response.headers["content-type"].split(";")[0] == "application/json"
        answer = response.json()
        assert (answer["id"], answer["jsonrpc"]) == (self._id, "2.0")
        return answer

    def __call__(self, method: str, *params: object) -> Any:
        answer = self.post(method, *params)
        assert "error" not in answer, answer
        return answer["result"]


@pytest.fixture
def wallet(node: NodeProcess) -> Iterator[Wallet]:
    client = Wallet(node.url)
    yield client
    client.http.close()


def test_add_network(wallet: Wallet) -> None:
    assert wallet("eth_chainId") == hex(CHAIN_ID)
    assert wallet("net_version") == str(CHAIN_ID)
    assert wallet("web3_clientVersion")
    assert "baseFeePerGas" in wallet("eth_getBlockByNumber", "latest", False), "no EIP-1559 for the wallet"


def test_follow_blocks(wallet: Wallet) -> None:
    seen = wallet("eth_blockNumber")
    block = wallet("eth_getBlockByNumber", seen, False)
    assert block["number"] == seen
    assert wallet("eth_getBlockByHash", block["hash"], False) == block
    assert wallet("eth_getBlockByNumber", hex(int(seen, 16) + 1_000), False) is None


def test_show_accounts_and_a_token(wallet: Wallet, built: None) -> None:  # noqa: ARG001
    """A custom network rewrites `latest` to the number it follows: every read is historical."""
    sent = wallet("eth_sendTransaction", {"from": ACCOUNTS[9], "data": artifact("Token").bytecode + f"{ETHER:064x}"})
    token = wallet("eth_getTransactionReceipt", sent)["contractAddress"]
    number = wallet("eth_blockNumber")
    assert int(wallet("eth_getBalance", ACCOUNTS[9].lower(), number), 16) > 9_000 * ETHER
    assert wallet("eth_getCode", ACCOUNTS[9].lower(), number) == "0x"
    assert len(wallet("eth_getCode", token, number)) > 2_000
    balance_of = "0x70a08231" + ACCOUNTS[9][2:].lower().rjust(64, "0")
    assert int(wallet("eth_call", {"to": token, "data": balance_of}, number), 16) == ETHER
    symbol = wallet("eth_call", {"to": token, "data": "0x95d89b41"}, number)
    assert bytes.fromhex(symbol[2:])[64:67] == b"EXT"
    transfer = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
    logs = wallet("eth_getLogs", {"address": token, "fromBlock": number, "toBlock": number, "topics": [transfer]})
    assert [log["transactionHash"] for log in logs] == [sent]


def test_send_ether(wallet: Wallet) -> None:
    account = Account.from_key(KEYS[9])
    sender = account.address.lower()
    receiver = Account.create().address
    gas_price = int(wallet("eth_gasPrice"), 16)
    history = wallet("eth_feeHistory", "0x5", "latest", [10, 50, 95])
    assert len(history["baseFeePerGas"]) >= 2
    gas = int(
        wallet("eth_estimateGas", {"from": sender, "to": receiver, "value": hex(ETHER), "gasPrice": hex(gas_price)}), 16
    )
    assert gas == 21_000
    assert wallet("eth_getCode", receiver, wallet("eth_blockNumber")) == "0x"
    nonce = int(wallet("eth_getTransactionCount", sender, wallet("eth_blockNumber")), 16)
    raw = account.sign_transaction(
        {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "to": receiver,
            "value": ETHER,
            "gas": gas,
            "maxFeePerGas": 2 * gas_price,
            "maxPriorityFeePerGas": min(gas_price, 1_500_000_000),
        }
    ).raw_transaction.hex()
    sent = wallet("eth_sendRawTransaction", "0x" + raw)
    receipt = wallet("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) == gas
    block = wallet("eth_getBlockByHash", receipt["blockHash"], False)
    assert sent in block["transactions"]
    transaction = wallet("eth_getTransactionByHash", sent)
    assert (transaction["from"], transaction["to"], transaction["blockHash"]) == (
        sender,
        receiver.lower(),
        block["hash"],
    )
    assert int(wallet("eth_getBalance", receiver, wallet("eth_blockNumber")), 16) == ETHER
    assert "nonce too low" in wallet.post("eth_sendRawTransaction", "0x" + raw)["error"]["message"].lower()


def test_unknown_transaction_is_null(wallet: Wallet) -> None:
    assert wallet("eth_getTransactionReceipt", "0x" + "ab" * 32) is None
    assert wallet("eth_getTransactionByHash", "0x" + "ab" * 32) is None


def test_estimates_for_a_smart_account(wallet: Wallet) -> None:
    """EIP-7702 upgrades are estimated with the delegation as a code override."""
    sender = ACCOUNTS[9].lower()
    code = "0xef0100" + "00" * 20
    gas = wallet(
        "eth_estimateGas",
        {"from": sender, "to": ACCOUNTS[0].lower(), "value": "0x1"},
        "latest",
        {sender: {"code": code}},
    )
    assert int(gas, 16) >= 21_000


@pytest.mark.parametrize("origin", [PAGE, "http://127.0.0.1:5173"])
def test_preflight_of_a_local_page(node: NodeProcess, origin: str) -> None:
    preflight = httpx.options(
        node.url,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-custom-header",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert preflight.status_code in (200, 204)
    assert preflight.headers["access-control-allow-origin"] in (origin, "*")
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert allowed == "*" or {"content-type", "x-custom-header"} <= {name.strip() for name in allowed.split(",")}
    assert preflight.headers["access-control-allow-private-network"] == "true"
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
    answer = httpx.post(node.url, json=body, headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] in (origin, "*")
    assert answer.json()["result"] == hex(CHAIN_ID)


def test_foreign_page_may_not_read(node: NodeProcess) -> None:
    """Development keys are unlocked: a page from elsewhere must not reach them, directly or by DNS rebinding."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_accounts"}
    answer = httpx.post(node.url, json=body, headers={"Origin": "https://evil.example"})
    assert answer.headers.get("access-control-allow-origin") not in ("*", "https://evil.example")
    rebound = httpx.post(node.url, json=body, headers={"Host": "evil.example"})
    assert rebound.status_code == 403
