"""The rules of uncles, on a chain that is made here, whose blocks 3 and 4 have one each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.chain.chain_fixtures import ALICE
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.errors import BlockError
from zevm.chain.options import ChainOptions
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Header
from zevm.storage import rlp
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256

BLOCK_SECONDS = 13
MINER, UNCLES_MINER, OTHER_MINER = b"\x55" * 20, b"\x66" * 20, b"\x77" * 20
LENGTH = 9


@contextmanager
def empty_chain(fork: Fork = Fork.LONDON) -> Iterator[Chain]:
    """A chain of this fork, before the merge, that makes no blocks itself."""
    genesis = Genesis.default(fork=fork, accounts=[ALICE], base_fee=10**9 if fork >= Fork.LONDON else None)
    with Database.open(None) as database:
        chain = Chain(database, genesis, ChainOptions(mining=MiningMode(automine=False)))
        try:
            yield chain
        finally:
            chain.close()


def next_header(chain: Chain, parent: Header, coinbase: bytes) -> Header:
    """The header of a block after `parent`, with what is known before its transactions run."""
    return chain.spec.next_header(parent, parent.timestamp + BLOCK_SECONDS, replace(chain.settings, coinbase=coinbase))


def next_block(chain: Chain, *uncles: Header) -> Block:
    """A block upon the head that names these uncles; nothing of the rules for them is checked."""
    parent = chain.head
    header = next_header(chain, parent.header, MINER).with_changes(uncles_hash=hash_of(*uncles))
    environment = chain.spec.environment(header, chain.records.canonical_hash)
    return BlockExecution(environment, chain.database.state, parent.state).seal(header, uncles=uncles).block


def build(chain: Chain, uncles: dict[int, int]) -> list[Block]:
    """LENGTH blocks, the genesis block first. uncles: height -> the height of the one that the block there names."""
    genesis_block = chain.block_by_number(0)
    assert genesis_block is not None
    blocks = [genesis_block]
    for number in range(1, LENGTH + 1):
        named = [next_header(chain, blocks[uncles[number] - 1].header, UNCLES_MINER)] if number in uncles else []
        blocks.append(next_block(chain, *named))
        chain.writer.run(chain.import_block, blocks[-1])
    return blocks


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    """By number."""
    with empty_chain() as chain:
        return build(chain, {3: 2, 4: 3})


@contextmanager
def chain_before(number: int, blocks: list[Block]) -> Iterator[Chain]:
    """A chain whose next block is `number`."""
    with empty_chain() as chain:
        for block in blocks[1:number]:
            chain.writer.run(chain.import_block, block)
        yield chain


def hash_of(*uncles: Header) -> bytes:
    """What a header says of a block's uncles."""
    return keccak256(rlp.wrap_list(b"".join([uncle.encode() for uncle in uncles])))


def with_uncles(block: Block, *uncles: Header) -> Block:
    """The block with these uncles and their hash."""
    return replace(block, uncles=uncles, header=block.header.with_changes(uncles_hash=hash_of(*uncles)))


def refusal(number: int, blocks: list[Block], *uncles: Header) -> str:
    """Why block `number` with these uncles is refused."""
    with chain_before(number, blocks) as chain, pytest.raises(BlockError) as caught:
        chain.writer.run(chain.import_block, with_uncles(blocks[number], *uncles))
    return caught.value.message


def another(uncle: Header, **changes: object) -> Header:
    """An uncle as good as the given one, if not for the changes."""
    return uncle.with_changes(coinbase=OTHER_MINER, **changes)


def test_an_uncle_is_rewarded(blocks: list[Block]) -> None:
    """A good one passes the rules: what is refused then is the state root, for its reward."""
    assert "state root is" in refusal(4, blocks, another(blocks[4].uncles[0]))


@pytest.mark.parametrize("fork", [fork for fork in Fork if fork < Fork.PARIS])
def test_the_rewards_of_an_uncle_and_of_who_names_it(fork: Fork) -> None:
    """Yellow Paper 11.3: (8 - generations) / 8 of the block's reward, and 1 / 32 more for the block (EIP-649, 1234)."""
    reward = (5 if fork < Fork.BYZANTIUM else 3 if fork < Fork.CONSTANTINOPLE else 2) * 10**18
    with empty_chain(fork) as chain:
        build(chain, {3: 2, 8: 3})
        accounts = [chain.head.state.account(miner) for miner in (MINER, UNCLES_MINER)]
    assert [account.balance for account in accounts] == [
        LENGTH * reward + 2 * (reward // 32),
        reward * 7 // 8 + reward * 3 // 8,
    ]


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
