"""The contracts of the name service on a node, by the ABIs of their sources."""

from __future__ import annotations

import json

import zevm
from scripts.make_genesis import CONTRACTS
from testing.contracts import EXAMPLES, build_examples
from testing.twins.compiled import TWINS, Language, code_of
from testing.twins.deployed import Deployed, deploy


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


def installed(node: zevm.Node, twin: str, language: Language) -> Deployed:
    """A contract of the name service by its twin's name, in one language, in the place of the genesis' one."""
    code = code_of(twin, language)
    address = next("0x" + address.hex() for address, name in CONTRACTS.items() if name == TWINS[twin].solidity)
    made = deploy(node, code)
    node.request("anvil_setCode", address, node.request("eth_getCode", made.address, "latest"))
    return Deployed(node, address, code.abi)
