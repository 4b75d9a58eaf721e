"""The header of an assumed block, as simulations and bundles have it."""

from zevm.chain.blocks.context import ChainSpec
from zevm.chain.calls.overrides import BlockOverrides
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Header

_HEADER_FIELDS = {
    "coinbase": "coinbase",
    "difficulty": "difficulty",
    "gas_limit": "gas_limit",
    "prev_randao": "mix_hash",
    "base_fee_per_gas": "base_fee_per_gas",
    "parent_beacon_block_root": "parent_beacon_block_root",
}
"""Field of BlockOverrides -> field of the header."""


def assumed_header(spec: ChainSpec, parent: Header, number: int, timestamp: int, overrides: BlockOverrides) -> Header:
    """The header of a block after `parent`: what is not overridden is the parent's, or follows from it.

    As in geth's simulator, and in mev-geth's bundles, the mix hash is zeros. A field that the fork lacks stays absent.
    """
    header = spec.header_upon(parent, timestamp, number)
    merged = spec.of(header).fork >= Fork.PARIS
    changes: dict[str, object] = {"coinbase": parent.coinbase, "difficulty": 0 if merged else parent.difficulty}
    for name, of_header in _HEADER_FIELDS.items():
        value = getattr(overrides, name)
        if value is not None and getattr(header, of_header) is not None:
            changes[of_header] = value
    return header.with_changes(**changes)
