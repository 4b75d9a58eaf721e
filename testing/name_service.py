"""The contracts of the name service on a node, by the ABIs of their sources."""

from __future__ import annotations

import json

from eth_abi.abi import encode

import zevm
from scripts.make_genesis import CONTRACTS
from testing.contracts import EXAMPLES, build_examples
from testing.twins.compiled import TWINS, Language, code_of
from testing.twins.deployed import Deployed, deploy
from zevm.storage.keccak import keccak256


def deployed_name_service(node: zevm.Node) -> dict[str, Deployed]:
    """The contracts of a node's genesis by their names in contracts/zns. Raises RuntimeError with forge's text."""
    build_examples("zns")
    return {
        name: Deployed(
            node,
            "0x" + address.hex(),
            json.loads((EXAMPLES / "out" / "zns" / f"{name}.sol" / f"{name}.json").read_text())["abi"],
        )
        for address, name in CONTRACTS.items()
    }


OFFCHAIN_CALLBACK = bytes.fromhex("b1b2b3b4")
"""The selector of the callback of `offchain_resolver`: callback(bytes response, bytes extraData)."""


def offchain_resolver(sender: str, urls: list[str], call_data: bytes = b"asked", extra_data: bytes = b"extra") -> bytes:
    """EVM code of a resolver of names below names (ENSIP-10) that sends its callers to gateways (EIP-3668).

    sender: whom its error names. Its callback returns the gateway's response as it is.
    """
    arguments = [sender, urls, call_data, OFFCHAIN_CALLBACK, extra_data]
    reason = keccak256(b"OffchainLookup(address,string[],bytes,bytes4,bytes)")[:4] + encode(
        ["address", "string[]", "bytes", "bytes4", "bytes"], arguments
    )
    size = len(reason).to_bytes(2, "big")
    dispatch = "5f3560e01c 80 6301ffc9a7 14 6025 57 63b1b2b3b4 14 602e 57"
    lookup = f"61{size.hex()} 610039 5f 39 61{size.hex()} 5f fd"
    supported, callback = "5b 6001 5f52 6020 5ff3", "5b 604435 80 6064 5f 37 5f f3"
    return bytes.fromhex(dispatch + lookup + supported + callback) + reason


def installed(node: zevm.Node, twin: str, language: Language) -> Deployed:
    """A contract of the name service by its twin's name, in one language, in the place of the genesis' one."""
    code = code_of(twin, language)
    address = next("0x" + address.hex() for address, name in CONTRACTS.items() if name == TWINS[twin].solidity)
    made = deploy(node, code)
    node.request("anvil_setCode", address, node.request("eth_getCode", made.address, "latest"))
    return Deployed(node, address, code.abi)
