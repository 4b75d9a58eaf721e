"""Where the third-party conformance data lies; tests that need it are skipped where it is missing."""

import os
from pathlib import Path

import pytest
from rlp.codec import consume_length_prefix

from chain.types import Block

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "conformance"


def conformance_path(*parts: str) -> Path:
    """A path inside the data: $CONFORMANCE_DIR, else ../shared/conformance beside a checkout, or one level up."""
    roots = [Path(os.environ["CONFORMANCE_DIR"])] if "CONFORMANCE_DIR" in os.environ else []
    roots += [_BESIDE, _BESIDE.parents[2] / "shared" / "conformance"]
    for root in roots:
        if root.joinpath(*parts).exists():
            return root.joinpath(*parts)
    pytest.skip(f"conformance data {'/'.join(parts)} not found; set CONFORMANCE_DIR")


def conformance_blocks() -> list[Block]:
    """The 54 blocks of execution-apis' chain, Frontier to BPO2."""
    data = conformance_path("rpc-compat", "chain.rlp").read_bytes()
    blocks, start = [], 0
    while start < len(data):
        _, _, size, payload = consume_length_prefix(data, start)
        blocks.append(Block.decode(data[start : payload + size]))
        start = payload + size
    return blocks
