"""Look-ups of names by clients of ENS, without anything that they are told of this chain where they allow it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.types import TxParams

import zevm
from scripts.make_genesis import with_name_service
from testing.name_service import deployed_name_service, offchain_resolver
from testing.node_process import ROOT
from testing.twins.deployed import Deployed, new_node
from tests.clients.tools import ACCOUNTS, CLIENTS, run_tool
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.rules.name_service import REGISTRY_ADDRESS, RESOLVER_ADDRESS, UNIVERSAL_RESOLVER_ADDRESS, namehash
from zevm.storage.keccak import keccak256

OFFCHAIN = "0x" + "0f" * 20
"""A resolver that sends its callers to a gateway."""
OWNER, TOKEN, OTHER = ACCOUNTS[1], ACCOUNTS[5], ACCOUNTS[6]
NAME = "mytoken.ghost"
YEAR_SECONDS = 365 * 86_400
IPFS = bytes.fromhex("e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f")
"""A content hash of EIP-1577's own examples: QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4."""


@dataclass(frozen=True, slots=True)
class Named:
    """A node with a name, and its contracts by their names in contracts/zns."""

    node: zevm.Node
    contracts: dict[str, Deployed]


class Gateway(BaseHTTPRequestHandler):
    """Answers outside of the chain (EIP-3668): OTHER, whatever it is asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps({"data": "0x" + encode(["bytes"], [encode(["address"], [OTHER])]).hex()}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{{sender}}/{{data}}.json"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def named(npm_tools: None, gateway: str) -> Iterator[Named]:  # noqa: ARG001
    """`mytoken.ghost` for TOKEN, `*.mytoken.ghost` for its owner, who has chosen the name `me.mytoken.ghost`."""
    with new_node() as node:
        contracts = deployed_name_service(node)
        resolver, registry = contracts["ZnsResolver"], contracts["ZnsRegistry"]
        top, below = namehash(NAME), namehash(f"*.{NAME}")
        records = [
            resolver.call_data("setAddr(bytes32,address)", top, TOKEN),
            resolver.call_data("setAddr(bytes32,uint256,bytes)", top, 0x80000000, bytes.fromhex(TOKEN[2:])),
            resolver.call_data("setText", top, "url", "https://example.org"),
            resolver.call_data("setContenthash", top, IPFS),
        ]
        contracts["ZnsRegistrar"].send("register", NAME, OWNER, YEAR_SECONDS, records, sender=OWNER)
        for label in (b"*", b"me"):
            registry.send(
                "setSubnodeRecord", top, keccak256(label), OWNER, to_checksum_address(RESOLVER_ADDRESS), 0, sender=OWNER
            )
        for each in (below, namehash(f"me.{NAME}")):
            resolver.send("setAddr(bytes32,address)", each, OWNER, sender=OWNER)
        contracts["ZnsReverseRegistrar"].send("setName", f"me.{NAME}", sender=OWNER)
        node.request("anvil_setCode", OFFCHAIN, "0x" + offchain_resolver(OFFCHAIN, [gateway]).hex())
        registry.send("setSubnodeRecord", top, keccak256(b"offchain"), OWNER, OFFCHAIN, 0, sender=OWNER)
        yield Named(node, contracts)


def test_the_code_is_compiled_from_its_sources(npm_tools: None) -> None:  # noqa: ARG001
    assert with_name_service(load_default_genesis()) == (ROOT / "genesis.json").read_text()


def test_web3_py(named: Named) -> None:
    ens = Web3(named.node.provider).ens
    assert ens.address(NAME) == TOKEN
    assert ens.address("MyToken.GHOST") == TOKEN
    assert ens.address(NAME, coin_type=0x80000000 + 10) == TOKEN
    assert ens.address(f"below.{NAME}") == OWNER
    assert ens.address("nobody.ghost") is None
    assert ens.owner(NAME) == OWNER
    assert ens.name(OWNER) == f"me.{NAME}"
    assert ens.name(TOKEN) is None
    assert ens.get_text(NAME, "url") == "https://example.org"


def test_web3_py_sets_names_up(named: Named) -> None:
    """Its own way of making names below one: it finds the resolver as `resolver.eth`."""
    sender: TxParams = {"from": OWNER}
    with named.node.anchor():
        ens = Web3(named.node.provider).ens
        ens.setup_address(f"shop.{NAME}", OTHER, transact=sender)
        assert ens.address(f"shop.{NAME}") == OTHER
        ens.set_text(f"shop.{NAME}", "url", "https://shop.example.org", transact=sender)
        assert ens.get_text(f"shop.{NAME}", "url") == "https://shop.example.org"


def test_names_are_addresses_of_web3_py_s_transactions(named: Named) -> None:
    with named.node.anchor():
        w3 = Web3(named.node.provider)
        before = w3.eth.get_balance(TOKEN)
        w3.eth.send_transaction({"from": OWNER, "to": NAME, "value": 7})  # type: ignore[typeddict-item]
        assert w3.eth.get_balance(TOKEN) == before + 7


@pytest.mark.parametrize("resolver", ["of the registry", "known"])
def test_gwallet(named: Named, resolver: str) -> None:
    """GWallet's resolveENS: two bare calls, or one of the resolver that it knows."""

    def call(target: str, selector: str) -> str:
        message = {"to": target, "data": selector + namehash(NAME).hex()}
        answer: str = named.node.request("eth_call", message, "latest")
        return "0x" + answer[26:66]

    known = "0x4976fb03C32e5B8cfe2b6cCB31c09Ba78EBaBa41"
    if resolver == "of the registry":
        assert call(to_checksum_address(REGISTRY_ADDRESS), "0x0178b8bf") == known.lower()
    assert call(known, "0x3b3b57de") == TOKEN.lower()


def test_ethers_and_viem(named: Named) -> None:
    url = named.node.serve()
    printed = run_tool(
        "node", "--test", "--test-reporter=spec", "--test-timeout=60000", CLIENTS / "names_client.test.mjs",
        ETH_RPC_URL=url, NAME=NAME, ADDRESS=TOKEN, OWNER=OWNER, OTHER=OTHER,
    ).stdout  # fmt: skip
    assert "pass 4" in printed, printed
    assert "fail 0" in printed, printed
    # the clients went to the gateway: for the contract that they had called, or for the resolver
    assert {path.rpartition("/")[2] for path in Gateway.asked} == {"0x" + b"asked".hex() + ".json"}
    universal = "/" + UNIVERSAL_RESOLVER_ADDRESS.hex()
    assert {path.partition("/0x")[2].partition("/")[0] for path in Gateway.asked} == {universal[1:], OFFCHAIN[2:]}


def test_web3_py_goes_to_the_gateway(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses gateways on loopback, which this one is on."""
    monkeypatch.setattr("web3.utils.ccip_url_validation._check_ip_blocked", lambda _: False)
    provider = named.node.provider
    provider.ccip_read_allow_http = True
    assert Web3(provider).ens.address(f"offchain.{NAME}") == OTHER


def test_the_node_s_own_methods_go_to_no_gateway(named: Named) -> None:
    asked = len(Gateway.asked)
    assert named.node.request("zns_resolve", f"offchain.{NAME}")["address"] is None
    assert len(Gateway.asked) == asked


def test_ethers_knows_ens_on_chain_1() -> None:
    """Where the chain has mainnet's number, ethers needs no configuration either."""
    with zevm.Node(chain_id=1) as node:
        script = (
            'import { JsonRpcProvider } from "ethers";'
            "const provider = new JsonRpcProvider(process.env.ETH_RPC_URL);"
            'console.log(await provider.resolveName("resolver.eth"));'
            "provider.destroy();"
        )
        printed = run_tool("node", "--input-type=module", "--eval", script, ETH_RPC_URL=node.serve()).stdout
        assert printed.strip() == "0x4976fb03C32e5B8cfe2b6cCB31c09Ba78EBaBa41"
