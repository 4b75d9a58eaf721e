"""Deploys the Solidity Counter and the Vyper Savings with web3.py, and calls both."""

import json
import os
from pathlib import Path

from web3 import Web3

OUT = Path(__file__).resolve().parent.parent / "out"
w3 = Web3(Web3.HTTPProvider(os.environ.get("ETH_RPC_URL", "http://127.0.0.1:8545")))
account = w3.eth.accounts[2]


def deploy(path, *arguments):
    built = json.loads((OUT / f"{path}.json").read_text())
    factory = w3.eth.contract(abi=built["abi"], bytecode=built["bytecode"]["object"])
    receipt = w3.eth.wait_for_transaction_receipt(factory.constructor(*arguments).transact({"from": account}))
    return w3.eth.contract(receipt["contractAddress"], abi=built["abi"])


counter = deploy("Counter.sol/Counter", 7)
w3.eth.wait_for_transaction_receipt(counter.functions.increment().transact({"from": account}))
print("Counter at", counter.address, "holds", counter.functions.number().call())

savings = deploy("Savings.vy/Savings", 10)
w3.eth.wait_for_transaction_receipt(savings.functions.deposit().transact({"from": account, "value": 25}))
print("Savings at", savings.address, "holds", savings.functions.savings(account).call())
