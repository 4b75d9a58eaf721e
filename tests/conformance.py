"""The third-party conformance data for tests, which are skipped where it is missing."""

from pathlib import Path

import pytest

from verification.conformance.data import find_data, read_chain
from zevm.chain.types import Block


def conformance_path(*parts: str) -> Path:
    """A path inside the data; see `find_data`."""
    try:
        return find_data(*parts)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


def conformance_blocks() -> list[Block]:
    """The 54 blocks of execution-apis' chain, Frontier to BPO2."""
    return list(read_chain(conformance_path("rpc-compat", "chain.rlp")))
