"""The rules of uncles, on execution-apis' chain, which has some before the merge."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.conformance import conformance_blocks, conformance_path
from verification.conformance.chain_suite import memory_chain
from zevm.chain.blockchain import Chain
from zevm.chain.errors import BlockError
from zevm.chain.types import Block, Header
from zevm.storage import rlp
from zevm.storage.keccak import keccak256


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    """By number; there is none at 0."""
    found = conformance_blocks()
    return [found[0], *found]


@contextmanager
def chain_before(number: int, blocks: list[Block]) -> Iterator[Chain]:
    """A chain whose next block is `number`."""
    with memory_chain(conformance_path("rpc-compat")) as chain:
        for block in blocks[1:number]:
            chain.writer.run(chain.import_block, block)
        yield chain


def with_uncles(block: Block, *uncles: Header) -> Block:
    """The block with these uncles and their hash."""
    digest = keccak256(rlp.wrap_list(b"".join([uncle.encode() for uncle in uncles])))
    return replace(block, uncles=uncles, header=block.header.with_changes(uncles_hash=digest))


def refusal(number: int, blocks: list[Block], *uncles: Header) -> str:
    """Why block `number` with these uncles is refused."""
    with chain_before(number, blocks) as chain, pytest.raises(BlockError) as caught:
        chain.writer.run(chain.import_block, with_uncles(blocks[number], *uncles))
    return caught.value.message


def another(uncle: Header, **changes: object) -> Header:
    """An uncle as good as the given one, if not for the changes."""
    return uncle.with_changes(coinbase=b"\x77" * 20, **changes)


def test_an_uncle_is_rewarded(blocks: list[Block]) -> None:
    """A good one passes the rules: what is refused then is the state root, for its reward."""
    assert "state root is" in refusal(4, blocks, another(blocks[4].uncles[0]))


def test_an_ancestor_is_no_uncle(blocks: list[Block]) -> None:
    assert refusal(4, blocks, blocks[2].header) == f"block 4: uncle 0 0x{blocks[2].hash.hex()} is an ancestor"


def test_an_uncle_is_named_once(blocks: list[Block]) -> None:
    uncle, earlier = blocks[4].uncles[0], blocks[3].uncles[0]
    assert "block 4: uncle 1" in refusal(4, blocks, uncle, uncle)
    assert "is named already" in refusal(4, blocks, uncle, uncle)
    assert "is named already, by this block or an ancestor" in refusal(4, blocks, earlier)


def test_there_are_at_most_two(blocks: list[Block]) -> None:
    uncle = blocks[4].uncles[0]
    three = [another(uncle, extra_data=bytes((number,))) for number in range(3)]
    assert refusal(4, blocks, *three) == "block 4: 3 uncles, at most 2"


def test_an_uncles_parent_is_a_near_ancestor(blocks: list[Block]) -> None:
    uncle = another(blocks[3].uncles[0])
    assert uncle.parent_hash == blocks[1].hash
    assert "state root is" in refusal(8, blocks, uncle)
    assert "block 9: uncle 0: parent hash" in refusal(9, blocks, uncle)
    assert "not among the block's ancestors" in refusal(4, blocks, another(uncle, parent_hash=bytes(32)))
    sibling = another(blocks[4].header)
    assert sibling.parent_hash == blocks[3].hash
    assert "not among the block's ancestors" in refusal(4, blocks, sibling)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("difficulty", 1, "difficulty is 1, want "),
        ("number", 9, "number is 9, want 3"),
        ("extra_data", bytes(33), "extra data has 33 bytes, at most 32"),
    ],
)
def test_an_uncles_header_is_checked(blocks: list[Block], field: str, value: object, text: str) -> None:
    message = refusal(4, blocks, another(blocks[4].uncles[0], **{field: value}))
    assert message.startswith("block 4: uncle 0 of block ")
    assert text in message


@pytest.mark.parametrize("gas_limit", [4_999, 1 << 40, (1 << 63)])
def test_e1_an_uncles_gas_limit_is_bounded_by_its_parents(blocks: list[Block], gas_limit: int) -> None:
    """The state root stays right: the reward of an uncle is not of its gas limit."""
    uncle = blocks[4].uncles[0]
    message = refusal(4, blocks, uncle.with_changes(gas_limit=gas_limit))
    assert message.startswith("block 4: uncle 0 of block 3: invalid gas")
    with chain_before(4, blocks) as chain:
        chain.writer.run(chain.import_block, with_uncles(blocks[4], uncle.with_changes(gas_limit=uncle.gas_limit + 1)))
        assert chain.head.number == 4
