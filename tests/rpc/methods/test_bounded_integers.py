"""B11: integers that Ethereum bounds are bounded where they are written; what was sealed can be read again."""

import itertools
from typing import Any

import pytest

from tests.rpc.methods.memory_node import BOB, STRANGER, CallError, Node, hexadecimal
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.execution import BlockExecution
from zevm.chain.errors import BlockError, ChainError, GenesisError
from zevm.chain.options import ChainOptions
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Header, Withdrawal
from zevm.node.config import load_settings
from zevm.node.errors import SettingsError
from zevm.storage.database import Database
from zevm.storage.rlp import RlpError

EDGES = [2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**65, 2**128, 2**255, 2**256 - 1, 2**256, 2**300]
DOORS: dict[str, Any] = {
    "evm_setNextBlockTimestamp": lambda value: [value],
    "evm_increaseTime": lambda value: [value],
    "evm_setTime": lambda value: [value],
    "anvil_setBlockTimestampInterval": lambda value: [value],
    "hardhat_mine": lambda value: ["0x3", value],
    "evm_mine": lambda value: [value],
    "evm_mine_detailed": lambda value: [{"timestamp": value, "blocks": 2}],
    "anvil_setNextBlockBaseFeePerGas": lambda value: [value],
    "evm_setBlockGasLimit": lambda value: [value],
    "anvil_setNonce": lambda value: [hexadecimal(STRANGER), value],
    "anvil_setBalance": lambda value: [hexadecimal(STRANGER), value],
    "anvil_addBalance": lambda value: [hexadecimal(STRANGER), value],
    "anvil_setStorageAt": lambda value: [hexadecimal(STRANGER), "0x1", value],
    "anvil_setChainId": lambda value: [value],
    "evm_setIntervalMining": lambda value: [value],
}


def check_readable(node: Node) -> None:
    """Another process opens what this one has written, and reads every block and account of it."""
    store = node.chain.database.store
    again = Chain(Database(store, None, sync=False), node.chain.genesis, ChainOptions())
    try:
        for number in range(again.genesis.number, again.head.number + 1):
            block = again.records.block_by_number(number)
            assert block is not None
            assert Header.decode(block.header.encode()) == block.header
        for address in (STRANGER, BOB):
            account = again.head.state.account(address)
            assert account is None or (account.nonce < 2**64 and account.balance < 2**256)
    finally:
        again.close()


@pytest.mark.lengthy
@pytest.mark.parametrize("name", DOORS)
async def test_b11_no_door_lets_in_what_makes_an_unreadable_block(name: str, node: Node) -> None:
    taken = []
    for value in EDGES:
        snapshot = await node.call("evm_snapshot")
        for written in (hex(value), str(value)):
            answer = await node.ask(name, *DOORS[name](written))
            if "error" in answer:
                assert answer["error"]["code"] in (-32602, -32000), answer
                continue
            taken.append(value)
            for _ in range(3):
                await node.ask("evm_mine")
            check_readable(node)
            await node.ask("evm_setIntervalMining", 0)
        assert await node.call("evm_revert", snapshot)
    assert all(value < 2**256 for value in taken)
    await node.call("evm_mine")
    check_readable(node)


async def test_b11_the_farthest_time_leaves_room_for_every_block_after_it(node: Node) -> None:
    last = 2**63 - 1
    await node.call("evm_setNextBlockTimestamp", hex(last))
    for _ in range(3):
        await node.call("evm_mine")
    assert node.chain.head.header.timestamp == last + 2
    check_readable(node)
    for name in ("evm_setNextBlockTimestamp", "evm_increaseTime"):
        with pytest.raises(CallError, match="out of range"):
            await node.call(name, hex(2**64 - 1))


async def test_b11_a_block_that_could_not_be_read_again_is_not_sealed(node: Node) -> None:
    chain = node.chain

    def seal(**changes: int) -> None:
        context = chain.next_context()
        execution = BlockExecution(context.environment, chain.database.state, chain.head.state)
        execution.seal(context.header.with_changes(**changes))

    for field, bits in (("timestamp", 64), ("number", 64), ("gas_limit", 64), ("base_fee_per_gas", 256)):
        with pytest.raises(BlockError, match=field):
            seal(**{field: 1 << bits})
        seal(**{field: (1 << bits) - 1})


FIELDS = ("timestamp", "number", "gasLimit", "baseFeePerGas", "difficulty", "excessBlobGas", "blobGasUsed", "gasUsed")


@pytest.mark.parametrize(("field", "fork"), list(itertools.product(FIELDS, [Fork.LONDON, Fork.BPO2])))
def test_b11_a_genesis_that_is_taken_has_blocks_after_it(field: str, fork: Fork) -> None:
    taken = 0
    for value in (1, *EDGES):
        document = Genesis.default(fork=fork).to_json() | {field: hex(value)}
        try:
            genesis = Genesis.from_json(document)
        except GenesisError:
            continue
        taken += 1
        with Database.open(None) as database:
            chain = Chain(database, genesis)
            try:
                chain.writer.run(chain.mine, 2)
            except ChainError:
                if field not in ("difficulty", "baseFeePerGas") and (field, fork) != ("number", Fork.LONDON):
                    raise
            finally:
                chain.close()
            again = Chain(database, genesis)
            again.close()
    assert taken


@pytest.mark.lengthy
@pytest.mark.parametrize("name", ["timestamp", "number", "gas_limit", "block_base_fee_per_gas", "chain_id"])
def test_b11_settings_are_bounded(name: str) -> None:
    for value in EDGES:
        try:
            load_settings({name: str(value)})
        except SettingsError:
            continue
        assert value < (2**256 if name == "block_base_fee_per_gas" else 2**63)


def test_b11_a_withdrawal_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(RlpError, match="uint64"):
        Withdrawal(2**64, 0, bytes(20), 0).to_item()
