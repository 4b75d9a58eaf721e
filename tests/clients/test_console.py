"""console.log of a contract appears in the node's output."""

from __future__ import annotations

import re

from testing.node_process import NodeProcess
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, artifact


def test_console_log(node: NodeProcess, built: None) -> None:  # noqa: ARG001
    w3 = web3_at(node.url)
    chatter = artifact("Chatter")
    factory = w3.eth.contract(abi=chatter.abi, bytecode=chatter.bytecode)
    sent = factory.constructor().transact({"from": ACCOUNTS[0]})
    contract = w3.eth.contract(w3.eth.wait_for_transaction_receipt(sent)["contractAddress"], abi=chatter.abi)
    before = node.line_count
    contract.functions.say("boo", 3).transact({"from": ACCOUNTS[1]})
    said = node.wait_for_line(re.compile("chatter says .*"), after=before)
    assert said[0] == "chatter says boo 3 times"
    assert node.wait_for_line(re.compile(ACCOUNTS[1], re.IGNORECASE), after=before)
