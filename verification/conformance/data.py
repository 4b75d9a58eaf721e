"""Location of the third-party conformance data, and its chain. The data is not part of this repository."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from testing.node_process import ROOT
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block
from zevm.node.commands.blocks import split_items

BLOCK_COUNT = 54
"""Blocks of execution-apis' chain: Frontier to BPO2."""


def find_data(*parts: str) -> Path:
    """A path in the data: $CONFORMANCE_DIR, else shared/conformance next to the checkout or further up.

    Raises FileNotFoundError with what to do.
    """
    given = os.environ.get("CONFORMANCE_DIR")
    roots = [Path(given)] if given else [folder / "shared" / "conformance" for folder in ROOT.parents]
    for root in roots:
        if root.joinpath(*parts).exists():
            return root.joinpath(*parts)
    raise FileNotFoundError(f"conformance data {'/'.join(parts)} not found; set CONFORMANCE_DIR to its folder")


def read_items(file: Path) -> Iterator[bytes]:
    """The RLP of each block of a chain file."""
    with file.open("rb") as stream:
        yield from split_items(stream)


def read_chain(file: Path) -> Iterator[Block]:
    """The blocks of a chain file."""
    return (Block.decode(item) for item in read_items(file))


def read_genesis(folder: Path) -> Genesis:
    """The genesis of the chain in a folder."""
    return Genesis.from_json(json.loads((folder / "genesis.json").read_text()))


def read_head_hash(folder: Path) -> bytes:
    """The hash that the chain's head must have: the one that a consensus client is recorded to announce."""
    announced = json.loads((folder / "headfcu.json").read_text())
    return bytes.fromhex(announced["params"][0]["headBlockHash"][2:])
