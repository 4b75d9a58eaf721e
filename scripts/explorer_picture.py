"""Draw the picture of the explorer in README: `python -m scripts.explorer_picture FILE`; it needs Chromium."""

import asyncio
import sys
import tempfile
from pathlib import Path

from testing.contracts import CONTRACTS, compiled, words
from tests.rpc.explorer.chromium import browser
from zevm import Node
from zevm.contracts.artifact import Artifact
from zevm.storage.keccak import keccak256

WIDTH, HEIGHT = 1120, 860
"""CSS pixels, which are those of the picture too."""
_ETHER = 10**18
_TRANSFER = keccak256(b"transfer(address,uint256)")[:4]
_TRANSFERS = ((1, 250), (2, 4_000), (3, 1_000_000), (4, 75))
"""Receivers by their place among the accounts, and tokens; the sender has not as many as the third one asks for."""


def main(file: Path) -> None:
    """Write the picture of a node with a token."""
    token = compiled(CONTRACTS / "zig" / "token.zig")
    with Node() as node, tempfile.TemporaryDirectory(prefix="zevm-picture-") as folder:
        node.catalogue.add(token)
        _use(node, token)
        asyncio.run(_draw(node.serve(), Path(folder), file))


def _use(node: Node, token: Artifact) -> None:
    """Transactions of several kinds, one of which fails."""
    accounts = [account.address for account in node.accounts]
    sender = accounts[0]

    def send(**fields: str) -> str:
        transaction = {"from": sender, "gas": hex(10_000_000), **fields}
        return str(node.request("eth_sendTransaction", transaction))

    deployed = send(data="0x" + (token.bytecode + words([1_000_000])).hex())
    address = node.request("eth_getTransactionReceipt", deployed)["contractAddress"]
    for place, amount in _TRANSFERS:
        send(to=accounts[place], value=hex(place * _ETHER))
        receiver = bytes.fromhex(accounts[place][2:])
        send(to=address, data="0x" + (_TRANSFER + words([receiver, amount])).hex())


async def _draw(url: str, folder: Path, file: Path) -> None:
    async with browser(folder) as tab:
        await tab.size(WIDTH, HEIGHT)
        await tab.goto(url.replace("127.0.0.1", "localhost"))
        await tab.until("document.querySelector('button.copy')")
        await tab.picture(file, whole=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
